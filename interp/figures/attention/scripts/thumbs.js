// @ts-check
// The heads: each as a small picture of its pattern, with its name and its role.

import { brushOf, paintCells } from "./canvas.js";
import { find, make, reveal } from "./dom.js";
import { pooled } from "./triangle.js";

/** @import {Draw, Head, Stage} from "./types" */

const SIDE = 72;

/**
 * @param {Stage} stage
 * @returns {Draw}
 */
export const thumbs = ({ node, shown, theme, choose }) => {
  const { view, size } = shown.data;
  const box = find(node, ".thumbs");
  const buttons = view.heads.map((head, index) => {
    const button = thumbOf(head);
    button.addEventListener("click", () => choose(() => ({ head: index })));
    return button;
  });
  const pictures = buttons.map((button) => /** @type {HTMLCanvasElement} */ (find(button, "canvas")));
  let drawn = "";

  const paint = () => {
    box.replaceChildren(...shown.order().map((head) => buttons[head]));
    pictures.forEach((canvas, head) => {
      canvas.width = canvas.height = SIDE;
      const { hideFirst } = shown.state;
      const cells = pooled(shown.reader(head), { query: 0, key: 0, span: size }, SIDE, hideFirst);
      paintCells(brushOf(canvas), cells, { largest: shown.largest(head), theme: theme(), x: 0, y: 0, size: SIDE });
    });
  };

  return () => {
    const { variant, hideFirst, stretch, sort, role, head: chosen } = shown.state;
    const key = [variant, shown.differs(), hideFirst, stretch, sort, role, theme()].join();
    if (key !== drawn) paint();
    drawn = key;
    buttons.forEach((button, head) => {
      button.setAttribute("aria-pressed", String(head === chosen));
      button.classList.toggle("ablated", shown.gone(head));
      button.tabIndex = head === chosen ? 0 : -1;
    });
    if (box.contains(buttons[chosen])) reveal(box, buttons[chosen]);
  };
};

/** @param {Head} head */
const thumbOf = ({ name, kind, found }) => {
  const role = found && found.role !== "none" ? found.role : "";
  const n = found?.n ?? null;
  const button = make("button", "", "thumb");
  button.type = "button";
  const says = make("span", n === null ? role : `${role}, n ${n}`, `role ${role}`);
  button.append(document.createElement("canvas"), make("b", name), says);
  if (kind !== "attention") button.append(make("small", "hidden"));
  const words = [name, role || "no role", n === null ? "" : `n is ${n}`, kind];
  button.setAttribute("aria-label", words.filter(Boolean).join(", "));
  return button;
};
