// @ts-check
// Everything that is drawn over the cells, as a list of plain shapes: the canvas and the SVG are made of the same.

import { ground, INK } from "./colours.js";
import { visible } from "./words.js";

/** @import {Geometry, Mark, Shape, Shown, Square, Theme} from "./types" */

const MOST_PIXELS = 560;
const PAD = { left: 56, top: 20, bottom: 58, right: 8 };
/** Room for a token beside the axis. */
const LETTER = 14;
/** Between two numbers that stand side by side, and one above the other. */
const [BESIDE, ABOVE] = [30, 16];
/** Cells smaller than this are framed from outside, or nothing of them would be seen. */
const SMALL = 14;
/** Frames around cells smaller than this would hide the stripe that they are to show. */
const TINY = 4;

/**
 * Where the cells lie on a canvas for which there is so much room.
 * @param {Square} window
 * @param {number} room
 * @returns {Geometry & { wide: number }} and the width that cells may take
 */
export const layout = (window, room) => {
  const wide = Math.min(MOST_PIXELS, room - PAD.left - PAD.right);
  const step = window.span > wide ? wide / window.span : Math.max(1, Math.floor(wide / window.span));
  const size = step * window.span;
  const [width, height] = [size + PAD.left + PAD.right, size + PAD.top + PAD.bottom];
  return { window, step, size, pad: PAD, width, height, wide };
};

/**
 * The cells that are framed: matches, and the places copied from. Where cells are tiny, those of the query alone.
 * @param {Shown} shown
 * @param {number} step
 * @returns {Mark[]}
 */
export const marks = ({ data, state, match }, step) => {
  const { query: top, key: left, span } = state.window;
  const tiny = step < TINY;
  const [from, to] = tiny ? [state.query, state.query + 1] : [top, Math.min(data.size, top + span)];
  /** @type {Mark[]} */
  const found = [];
  if (state.n)
    for (let query = from; query < to; query++)
      for (let key = left; key <= Math.min(query, left + span - 1); key++)
        if (match(query, key) >= state.n) found.push({ query, key, kind: "match" });
  const asked = data.asked.filter((query) => !tiny || query === state.query);
  return [...found, ...asked.map((query) => /** @type {Mark} */ ({ query, key: data.source[query], kind: "source" }))];
};

/**
 * Positions that have something written: all if there is room for so many pixels each, else every 2, 5, 10, 20, ...
 * @type {(from: number, span: number, step: number, room: number) => number[]}
 */
export const ticks = (from, span, step, room) => {
  let every = 1;
  for (const factor of [2, 2.5, 2, 2, 2.5, 2, 2, 2.5, 2]) if (every * step < room) every *= factor;
  const first = Math.ceil(from / every) * every;
  const count = Math.max(0, Math.ceil((from + span - first) / every));
  return Array.from({ length: count }, (_, i) => first + i * every);
};

/**
 * Frames, tokens, names of the axes, and the lines through the selected cell.
 * @param {Geometry} geometry
 * @param {{ labels: string[], marks: Mark[], selected: { query: number, key: number }, theme: Theme }} what
 * @returns {Shape[]}
 */
export const overlay = (geometry, { labels, marks, selected, theme }) => {
  const { window, step, size, pad } = geometry;
  const ink = INK[theme];
  /** @param {number} key */
  const x = (key) => pad.left + (key - window.key) * step;
  /** @param {number} query */
  const y = (query) => pad.top + (query - window.query) * step;
  /** @param {number} query */
  const queryIn = (query) => query >= window.query && query < window.query + window.span;
  /** @param {number} key */
  const keyIn = (key) => key >= window.key && key < window.key + window.span;
  /** @type {Shape[]} */
  const shapes = [];

  // A mark is seen on any cell: its line has a brighter or darker one around it.
  for (const { query, key, kind } of marks) {
    if (!queryIn(query) || !keyIn(key)) continue;
    const inset = kind === "match" ? 2.5 : step < SMALL ? -1.5 : 1;
    const side = Math.max(step, 8) - 2 * inset;
    const shift = (step - side) / 2;
    /** @type {[number, number, number, number]} */
    const box = [x(key) + shift, y(query) + shift, side, side];
    shapes.push({ box, color: ground(theme), width: step < SMALL ? 2.2 : 3, dash: [] });
    shapes.push({ box, color: ink[kind], width: step < SMALL ? 1 : 1.4, dash: kind === "match" ? [2.5, 1.5] : [] });
  }

  const tokens = 2 * step >= LETTER; // every second one at least; else there is room for some of their positions
  /** @param {number} position */
  const name = (position) => (tokens ? visible(labels[position], 6) : String(position));
  for (const key of ticks(window.key, window.span, step, tokens ? LETTER : BESIDE)) {
    const text = name(key);
    const turn = tokens && text.length > 1 ? -90 : 0;
    const at = /** @type {[number, number]} */ ([x(key) + step / 2, pad.top + size + (turn ? 6 : 12)]);
    shapes.push({ text, at, turn, anchor: turn ? "end" : "middle", color: ink.muted });
  }
  for (const query of ticks(window.query, window.span, step, tokens ? LETTER : ABOVE)) {
    const at = /** @type {[number, number]} */ ([pad.left - 6, y(query) + step / 2]);
    shapes.push({ text: name(query), at, turn: 0, anchor: "end", color: ink.muted });
  }
  const axis = { turn: 0, anchor: /** @type {const} */ ("end"), color: ink.text };
  shapes.push({ ...axis, text: "key →", at: [pad.left + size, pad.top + size + pad.bottom - 8] });
  shapes.push({ ...axis, text: "query ↓", at: [pad.left - 6, pad.top - 13] });

  const thick = Math.max(step, 1);
  const line = { color: ink.cross, width: 1, dash: [] };
  if (queryIn(selected.query)) shapes.push({ ...line, box: [pad.left, y(selected.query), size, thick] });
  if (keyIn(selected.key)) shapes.push({ ...line, box: [x(selected.key), pad.top, thick, size] });
  return shapes;
};
