// @ts-check
// The pattern of the chosen head, large, with the strips and the colour bar below it.

import { density, fit, paintBar, paintCells, paintShapes, paintStrip } from "./canvas.js";
import { ground } from "./colours.js";
import { find } from "./dom.js";
import { png, svg } from "./pictures.js";
import { layout, marks, overlay } from "./shapes.js";
import { pooled } from "./triangle.js";
import { rounded } from "./words.js";

/** @import {Geometry, Pooled, Shape, Stage} from "./types" */

const ROOM = 560;
const BAR = 360;

/**
 * Draws the pattern; says where its cells lie, and gives it as a file, as it was drawn last.
 * @param {Stage} stage
 */
export const pattern = ({ node, shown, theme }) => {
  const { data, state } = shown;
  const canvas = /** @type {HTMLCanvasElement} */ (find(node, ".pattern"));
  const bar = /** @type {HTMLCanvasElement} */ (find(node, ".bar"));
  const strips = /** @type {NodeListOf<HTMLCanvasElement>} */ (node.querySelectorAll(".strip"));
  const names = node.querySelectorAll(".strip-name");
  /** @type {{ geometry: Geometry, cells: HTMLCanvasElement, shapes: Shape[] }} */
  let last;
  /** @type {Pooled} */
  let small;
  let pooledFor = "";

  const draw = () => {
    const { wide, ...geometry } = layout(state.window, find(node, ".plot-room").clientWidth || ROOM);
    const { pad, step, size, width, height } = geometry;
    const largest = shown.largest(state.head);
    const key = [
      state.variant,
      shown.differs(),
      state.head,
      state.hideFirst,
      JSON.stringify(state.window),
      wide,
    ].join();
    if (key !== pooledFor)
      small = pooled(shown.reader(state.head), state.window, Math.round(wide * density()), state.hideFirst);
    pooledFor = key;

    const brush = fit(canvas, width, height, ground(theme()));
    const cells = paintCells(brush, small, { largest, theme: theme(), x: pad.left, y: pad.top, size });
    const { labels } = data.view;
    const shapes = overlay(geometry, { labels, marks: marks(shown, step), selected: state, theme: theme() });
    paintShapes(brush, shapes);
    paintBar(bar, { largest, signed: shown.signed(), theme: theme(), width: Math.min(width, BAR) });
    data.strips[state.variant].forEach(({ name, value }, i) => {
      paintStrip(strips[i], value, geometry, theme());
      const [here, most] = [value[state.key], Math.max(...value)].map((number) => rounded(number, 3));
      names[i].textContent = `${name}: ${here} at the key, up to ${most}`;
    });

    const title = shown.title();
    const says = `Attention of ${title}: query down, key across. ${find(node, ".now").textContent}`;
    canvas.setAttribute("aria-label", says);
    find(node, ".name").textContent = title;
    last = { geometry, cells, shapes };
  };

  return {
    draw,
    geometry: () => last.geometry,
    png: () => png(canvas, bar, shown.title(), last.geometry, theme()),
    svg: () => svg(last.cells, last.shapes, bar, shown.title(), last.geometry, theme()),
  };
};
