// @ts-check
// A view of attention as numbers, read from the elements that hold it; `encoding.py` says how they lie there.

import { find } from "./dom.js";
import { cell } from "./triangle.js";

/** @import {Data} from "./types" */

const UNSIGNED = 255;
const SIGNED = 127;

/**
 * The weight that each level stands for: weights grow with the square of the level.
 * @param {boolean} signed
 */
export const weightsOf = (signed) =>
  Float32Array.from({ length: 256 }, (_, level) => {
    const share = signed ? (level - SIGNED - 1) / SIGNED : level / UNSIGNED;
    return Math.abs(share) * share;
  });

/**
 * The bytes of a text: base64 of gzip.
 * @param {string} text
 */
export const inflate = async (text) => {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};

/**
 * The view in a figure element.
 * @param {HTMLElement} node
 */
export const open = (node) => {
  const json = find(node, ".view-json").textContent ?? "";
  const patterns = [...node.querySelectorAll(".view-pattern")];
  return unpack(
    JSON.parse(json),
    patterns.map((pattern) => () => pattern.textContent ?? ""),
  );
};

/**
 * A view from its JSON, in which each array's key stands in its place, and its patterns.
 * @param {any} content
 * @param {(() => string)[]} patterns a text of each variant, asked for when it is needed
 * @returns {Data}
 */
export const unpack = ({ view, arrays, scales }, patterns) => {
  /** @param {{ array: string }} field */
  const values = (field) => arrays[field.array].values;
  const size = view.labels.length;
  const cells = cell(size, 0);
  /** @type {number[]} */
  const source = values(view.source);
  const tables = view.variants.map((/** @type {{ signed: boolean }} */ { signed }) => weightsOf(signed));
  /** @type {Map<number, Uint8Array>} */
  const levels = new Map();

  return {
    view,
    size,
    source,
    tokens: values(view.tokens),
    asked: source.flatMap((from, query) => (from >= 0 ? [query] : [])),
    probability: view.variants.map((/** @type {any} */ variant) => values(variant.probability)),
    strips: view.variants.map((/** @type {any} */ { strips }) =>
      strips.map((/** @type {any} */ { name, value }) => ({ name, value: values(value) })),
    ),
    async load(variant) {
      if (!levels.has(variant)) levels.set(variant, await inflate(patterns[variant]()));
    },
    reader(variant, head, less = null) {
      const all = levels.get(variant);
      if (!all) throw new Error(`variant ${variant} is not loaded`);
      const bytes = all.subarray(head * cells, (head + 1) * cells);
      const table = tables[variant];
      const scale = scales[variant][head];
      if (less === null) return (query, key) => table[bytes[cell(query, key)]] * scale;
      const before = this.reader(less, head);
      return (query, key) => table[bytes[cell(query, key)]] * scale - before(query, key);
    },
  };
};
