// @ts-check
// Drawing on a canvas: cells, the shapes over them, the bars of a strip, the colour bar.

import { barTicks, bytesOf, INK, onBar, rgb, shade, stripColour } from "./colours.js";
import { rounded } from "./words.js";

/** @import {Geometry, Pooled, Shape, Theme} from "./types" */

const MONO = 'ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';
const SANS = 'system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif';
export const FONTS = { mono: MONO, sans: SANS };
/** Height of a strip and of the colour bar. */
export const TALL = 34;

/** Pixels of the screen in one of CSS, as far as it pays. */
export const density = () => Math.min(2, devicePixelRatio || 1);

/** @param {HTMLCanvasElement} canvas */
export const brushOf = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

/**
 * An empty canvas of so many CSS pixels, and its brush.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 * @param {string | null} ground its colour; else clear
 */
export const fit = (canvas, width, height, ground = null) => {
  const ratio = density();
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const brush = brushOf(canvas);
  brush.scale(ratio, ratio);
  if (ground) brush.fillStyle = ground;
  if (ground) brush.fillRect(0, 0, width, height);
  return brush;
};

/**
 * Paints cells as a square.
 * @param {CanvasRenderingContext2D} brush
 * @param {Pooled} pooled
 * @param {{ largest: number, theme: Theme, x: number, y: number, size: number }} how
 * @returns the cells as a canvas with a pixel each
 */
export const paintCells = (brush, { side, values }, { largest, theme, x, y, size }) => {
  const cells = document.createElement("canvas");
  cells.width = cells.height = side;
  brushOf(cells).putImageData(new ImageData(bytesOf(values, largest, theme), side, side), 0, 0);
  brush.imageSmoothingEnabled = false;
  brush.drawImage(cells, x, y, size, size);
  return cells;
};

/**
 * @param {CanvasRenderingContext2D} brush
 * @param {Shape[]} shapes
 */
export const paintShapes = (brush, shapes) => {
  brush.font = `11px ${MONO}`;
  brush.textBaseline = "middle";
  for (const shape of shapes) {
    brush.strokeStyle = brush.fillStyle = shape.color;
    if ("box" in shape) {
      brush.lineWidth = shape.width;
      brush.setLineDash(shape.dash);
      brush.strokeRect(...shape.box);
      continue;
    }
    brush.save();
    brush.translate(...shape.at);
    brush.rotate((shape.turn * Math.PI) / 180);
    brush.textAlign = shape.anchor === "middle" ? "center" : "right";
    brush.fillText(shape.text, 0, 0);
    brush.restore();
  }
};

/**
 * Bars of a number at each position, on the axis of the keys above.
 * @param {HTMLCanvasElement} canvas
 * @param {number[]} values
 * @param {Geometry} geometry
 * @param {Theme} theme
 */
export const paintStrip = (canvas, values, { window, step, size, pad, width }, theme) => {
  const brush = fit(canvas, width, TALL);
  const most = Math.max(...values.map(Math.abs), 1e-30);
  brush.fillStyle = stripColour(theme);
  for (let key = window.key; key < window.key + window.span; key++) {
    const tall = (30 * Math.abs(values[key])) / most;
    brush.fillRect(pad.left + (key - window.key) * step, 32 - tall, Math.max(0.7, step - (step > 4 ? 1 : 0)), tall);
  }
  brush.fillStyle = INK[theme].muted;
  brush.fillRect(pad.left, 32, size, 1);
};

/**
 * The colours from 0 (signed: from the largest below it) to the largest.
 * @param {HTMLCanvasElement} canvas
 * @param {{ largest: number, signed: boolean, theme: Theme, width: number }} what
 */
export const paintBar = (canvas, { largest, signed, theme, width }) => {
  const brush = fit(canvas, width, TALL);
  const left = 14;
  const long = width - 2 * left;
  for (let i = 0; i < long; i++) {
    const root = signed ? (2 * i) / (long - 1) - 1 : i / (long - 1);
    brush.fillStyle = rgb(shade(Math.sign(root) * root * root * largest, largest, theme));
    brush.fillRect(left + i, 2, 1.5, 12);
  }
  brush.strokeStyle = brush.fillStyle = INK[theme].muted;
  brush.strokeRect(left, 2, long, 12);
  brush.font = `10px ${SANS}`;
  brush.textAlign = "center";
  for (const value of barTicks(largest, signed)) {
    const at = left + long * onBar(value, largest, signed);
    brush.fillRect(at, 14, 1, 3);
    brush.fillText(rounded(value, 2), at, 28);
  }
};
