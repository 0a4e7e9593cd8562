// @ts-check
// What is shown as a file: a picture in pixels, or one in which all but the cells are vectors.

import { FONTS, fit, TALL } from "./canvas.js";
import { ground, INK } from "./colours.js";
import { makeSvg } from "./dom.js";

/** @import {Geometry, Shape, Theme} from "./types" */

/** Height of the title above, and of the colour bar below. */
const TITLE = 26;
const FOOT = 40;

/** @param {HTMLCanvasElement} canvas */
const widthOf = (canvas) => Number.parseFloat(canvas.style.width);

/**
 * The pattern with its title above and its colour bar below.
 * @param {HTMLCanvasElement} picture
 * @param {HTMLCanvasElement} bar
 * @param {string} title
 * @param {Geometry} geometry
 * @param {Theme} theme
 */
export const png = (picture, bar, title, { width, height }, theme) => {
  const sheet = document.createElement("canvas");
  const brush = fit(sheet, Math.max(width, widthOf(bar)), TITLE + height + FOOT, ground(theme));
  brush.drawImage(picture, 0, TITLE, width, height);
  brush.drawImage(bar, 0, TITLE + height, widthOf(bar), TALL);
  brush.fillStyle = INK[theme].text;
  brush.font = `600 13px ${FONTS.sans}`;
  brush.fillText(title, 8, 17);
  return sheet;
};

/**
 * The same as a document.
 * @param {HTMLCanvasElement} cells a pixel each
 * @param {Shape[]} shapes
 * @param {HTMLCanvasElement} bar
 * @param {string} title
 * @param {Geometry} geometry
 * @param {Theme} theme
 */
export const svg = (cells, shapes, bar, title, { width, height, pad, size }, theme) => {
  const [wide, tall] = [Math.max(width, widthOf(bar)), TITLE + height + FOOT];
  const name = { x: 8, y: -9, fill: INK[theme].text, "font-family": FONTS.sans, "font-size": 13, "font-weight": 600 };
  const square = { x: pad.left, y: pad.top, width: size, height: size, style: "image-rendering: pixelated" };
  const sheet = makeSvg(
    "svg",
    { xmlns: "http://www.w3.org/2000/svg", width: wide, height: tall, viewBox: `0 ${-TITLE} ${wide} ${tall}` },
    makeSvg("rect", { y: -TITLE, width: wide, height: tall, fill: ground(theme) }),
    makeSvg("text", name, title),
    makeSvg("image", { href: cells.toDataURL(), ...square }),
    makeSvg("image", { href: bar.toDataURL(), x: 0, y: height, width: widthOf(bar), height: TALL }),
    ...shapes.map(asSvg),
  );
  return new XMLSerializer().serializeToString(sheet);
};

/** @param {Shape} shape */
const asSvg = (shape) => {
  if ("box" in shape) {
    const [x, y, width, height] = shape.box;
    const line = { stroke: shape.color, "stroke-width": shape.width, "stroke-dasharray": shape.dash.join(" ") };
    return makeSvg("rect", { x, y, width, height, fill: "none", ...line });
  }
  const [x, y] = shape.at;
  const letters = { fill: shape.color, "font-family": FONTS.mono, "font-size": 11, "text-anchor": shape.anchor };
  const transform = shape.turn ? `rotate(${shape.turn} ${x} ${y})` : "";
  return makeSvg("text", { x, y, ...letters, "dominant-baseline": "central", transform }, shape.text);
};
