// @ts-check
// Fields and buttons of a view, and the keys of the page.

import { find } from "./dom.js";
import { whole, zoomed } from "./state.js";

/** @import {Draw, Stage, ViewNode} from "./types" */

const NUMBERS = /** @type {const} */ (["variant", "n"]);
const CHOICES = /** @type {const} */ (["sort", "role"]);
const CHECKS = /** @type {const} */ (["difference", "hideFirst", "stretch"]);

/**
 * The fields; drawing shows the state in them.
 * @param {Stage} stage
 * @returns {Draw}
 */
export const fields = ({ node, shown, choose }) => {
  const { state } = shown;
  /** @param {string} name */
  const field = (name) => find(node, `[name=${name}]`);
  for (const name of NUMBERS)
    field(name).addEventListener("change", () => {
      const value = Number(field(name).value);
      choose(() => ({ [name]: value }));
    });
  for (const name of CHECKS)
    field(name).addEventListener("change", () => {
      const value = field(name).checked;
      choose(() => ({ [name]: value }));
    });
  for (const name of CHOICES)
    field(name).addEventListener("change", () => {
      const value = field(name).value;
      choose(() => ({ [name]: value }));
    });
  return () => {
    for (const name of [...NUMBERS, ...CHOICES]) field(name).value = String(state[name]);
    for (const name of CHECKS) field(name).checked = state[name];
    field("difference").disabled = !shown.comparable();
  };
};

/**
 * The buttons under the pattern.
 * @param {Stage} stage
 * @param {{ perform: (act: () => unknown) => void, turn: () => void, png: () => HTMLCanvasElement, svg: () => string }} can
 */
export const buttons = ({ node, shown, choose }, { perform, turn, png, svg }) => {
  /** @type {(blob: Blob | null, ending: string) => void} */
  const save = (blob, ending) => {
    if (!blob) return;
    const href = URL.createObjectURL(blob);
    const download = `${shown.title().replaceAll(/[^\w-]+/g, "-")}.${ending}`;
    Object.assign(document.createElement("a"), { href, download }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10_000);
  };
  const actions = {
    in: () => choose(() => zoomed(shown, 0.5)),
    out: () => choose(() => zoomed(shown, 2)),
    fit: () => choose(() => whole(shown)),
    theme: () => perform(turn),
    png: () => perform(() => png().toBlob((blob) => save(blob, "png"))),
    svg: () => perform(() => save(new Blob([svg()], { type: "image/svg+xml" }), "svg")),
  };
  for (const [name, act] of Object.entries(actions)) find(node, `[data-do=${name}]`).addEventListener("click", act);
};

const ON_THUMB = { ArrowLeft: "[", ArrowRight: "]", ArrowUp: "[", ArrowDown: "]" };

/**
 * Keys go to the view that has the focus; to the only one on its page, from anywhere but its fields.
 * @param {ViewNode[]} views
 */
export const keyboard = (views) => {
  addEventListener("keydown", (event) => {
    const target = /** @type {Element} */ (event.target);
    const there = views.filter((view) => view.offsetParent !== null);
    const only = there.length === 1 && target === document.body ? there[0] : null;
    const node = /** @type {ViewNode | null} */ (target.closest?.(".attention-view") ?? only);
    if (!node?.press || event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.closest?.("select, summary, input:not([type=checkbox])")) return;
    const thumb = target.closest?.(".thumb");
    const turned = /** @type {Record<string, string>} */ (ON_THUMB)[event.key];
    if (!node.press(thumb && turned ? turned : event.key)) return;
    event.preventDefault();
    if (thumb) drawn().then(() => find(node, ".thumb[aria-pressed=true]").focus());
  });
};

/** Until what was asked for is on the screen. */
const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
