// @ts-check
// A small curve: mean attention of a head by the length of the match, as it was measured.

import { makeSvg } from "./dom.js";
import { clamp } from "./state.js";

const WIDTH = 260;
const HEIGHT = 96;
const LEFT = 26;
const BOTTOM = 18;
const TOP = 8;

/**
 * @param {number[]} values from 0 to 1, by the length of the match
 * @param {number | null} n of the head; a line marks it
 */
export const response = (values, n) => {
  /** @param {number} i */
  const x = (i) => LEFT + ((WIDTH - LEFT - 8) * i) / Math.max(1, values.length - 1);
  /** @param {number} value */
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - clamp(value, 0, 1));
  /** @type {(at: [number, number], words: string, anchor: string) => Node} */
  const text = ([at, down], words, anchor) =>
    makeSvg("text", { x: at, y: down, "text-anchor": anchor, class: "axis" }, words);

  const path = values.map((value, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const last = values.length - 1;
  const parts = [
    makeSvg("path", { d: `M${LEFT} ${y(0)}H${WIDTH - 8}M${LEFT} ${y(1)}H${WIDTH - 8}`, class: "grid" }),
    makeSvg("path", { d: path, class: "curve" }),
    ...values.map((value, i) => makeSvg("circle", { cx: x(i), cy: y(value), r: 2.4, class: "dot" })),
    text([LEFT - 5, y(0) + 3], "0", "end"),
    text([LEFT - 5, y(1) + 3], "1", "end"),
    ...values.map((_, i) => text([x(i), HEIGHT - 4], i === last ? `${i}+` : String(i), "middle")),
  ];
  if (n !== null) parts.push(makeSvg("path", { d: `M${x(n)} ${TOP}V${y(0)}`, class: "jump" }));
  const box = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, "aria-hidden": "true" };
  return makeSvg("svg", box, ...parts);
};
