// @ts-check
// Colours of weights and of ink, on a light page and on a dark one.

/** @import {Color, Theme} from "./types" */

/** @type {Record<Theme, Color[]>} */
const ORANGE = {
  light: [
    [253, 252, 250],
    [247, 205, 165],
    [213, 94, 0],
    [84, 30, 0],
  ],
  dark: [
    [21, 23, 27],
    [92, 46, 14],
    [224, 112, 24],
    [255, 222, 184],
  ],
};
/** @type {Record<Theme, Color[]>} */
const BLUE = {
  light: [
    [253, 252, 250],
    [166, 205, 236],
    [42, 130, 196],
    [8, 48, 84],
  ],
  dark: [
    [21, 23, 27],
    [18, 62, 98],
    [62, 148, 214],
    [205, 232, 252],
  ],
};
export const INK = {
  light: { text: "#1d1f23", muted: "#565b63", match: "#00795a", source: "#1d1f23", cross: "#1f6aa5" },
  dark: { text: "#e7e5e0", muted: "#b4b8bf", match: "#3fd0a3", source: "#e7e5e0", cross: "#6fb3e8" },
};
/** @type {Record<Theme, Color>} */
const ABOVE = { light: [238, 235, 228], dark: [32, 35, 40] };
const STEPS = 512;

/** @type {(ramp: Color[], share: number) => Color} */
const between = (ramp, share) => {
  const at = Math.min(share, 1) * (ramp.length - 1);
  const low = Math.min(Math.floor(at), ramp.length - 2);
  return ramp[low].map((from, i) => Math.round(from + (ramp[low + 1][i] - from) * (at - low)));
};

/** @param {Color} color */
export const rgb = (color) => `rgb(${color.join(",")})`;

/** @param {Theme} theme */
export const ground = (theme) => rgb(ORANGE[theme][0]);

/** @param {Theme} theme */
export const stripColour = (theme) => rgb(between(BLUE[theme], 0.66));

/** @param {Color[]} ramp */
const table = (ramp) => Array.from({ length: STEPS + 1 }, (_, i) => between(ramp, i / STEPS));
const TABLES = {
  light: { up: table(ORANGE.light), down: table(BLUE.light) },
  dark: { up: table(ORANGE.dark), down: table(BLUE.dark) },
};

/**
 * The colour of a weight, orange above 0 and blue below. It goes with the square root: small weights, of which a row
 * has most, are still seen.
 * @type {(value: number, largest: number, theme: Theme) => Color}
 */
export const shade = (value, largest, theme) => {
  const step = Math.min(STEPS, Math.round(STEPS * Math.sqrt(Math.abs(value) / largest)));
  return TABLES[theme][value < 0 ? "down" : "up"][step];
};

/**
 * Red, green, blue and alpha of cells, four bytes each; NaN is above the diagonal.
 * @type {(values: Float32Array, largest: number, theme: Theme) => Uint8ClampedArray<ArrayBuffer>}
 */
export const bytesOf = (values, largest, theme) => {
  const bytes = new Uint8ClampedArray(4 * values.length).fill(255);
  for (let i = 0; i < values.length; i++)
    bytes.set(Number.isNaN(values[i]) ? ABOVE[theme] : shade(values[i], largest, theme), 4 * i);
  return bytes;
};

const BAR = [0, 0.01, 0.05, 0.1, 0.25, 0.5, 1];

/**
 * The weights that are written under the colour bar.
 * @param {number} largest
 * @param {boolean} signed
 */
export const barTicks = (largest, signed) => {
  const up = BAR.map((share) => share * largest);
  if (!signed) return up;
  const down = up.slice(1).filter((_, i) => i % 2);
  return [...down.map((value) => -value).reverse(), ...up.filter((_, i) => i % 2 === 0)];
};

/**
 * Where a weight lies on the colour bar, from 0 to 1.
 * @type {(value: number, largest: number, signed: boolean) => number}
 */
export const onBar = (value, largest, signed) => {
  const root = Math.sign(value) * Math.sqrt(Math.abs(value) / largest);
  return signed ? (root + 1) / 2 : root;
};
