// @ts-check
// A lower triangle of numbers, row after row: cell (query, key) is number query (query + 1) / 2 + key.

/** @import {Pooled, Read, Square} from "./types" */

/** Three digits show no smaller weight. */
const LEAST = 0.0005;

/** @type {Read} */
export const cell = (query, key) => (query * (query + 1)) / 2 + key;

/**
 * Lengths of the n-gram matches: how many tokens up to the query are those just before the key. An n-gram lookup
 * attends from the query to what followed an earlier place.
 * @param {number[]} tokens
 * @returns {Read}
 */
export const matches = (tokens) => {
  // the longest common suffix of the tokens up to each query and up to each earlier key
  const length = new Uint16Array(cell(tokens.length, 0));
  for (let query = 1; query < tokens.length; query++)
    for (let key = 0; key < query; key++)
      if (tokens[query] === tokens[key])
        length[cell(query, key)] = 1 + (key > 0 ? length[cell(query - 1, key - 1)] : 0);
  return (query, key) => (key > 0 && key <= query ? length[cell(query, key - 1)] : 0);
};

/**
 * A square of cells as at most `pixels` squared numbers. Of several cells the one furthest from zero is kept, so that
 * no stripe vanishes.
 * @param {Read} read
 * @param {Square} square
 * @param {number} pixels
 * @param {boolean} hideFirst leaves out the first key
 * @returns {Pooled}
 */
export const pooled = (read, square, pixels, hideFirst) => {
  const { query: top, key: left, span } = square;
  const side = Math.min(span, pixels);
  const values = new Float32Array(side * side).fill(NaN);
  for (let query = top; query < top + span; query++) {
    const row = Math.floor(((query - top) * side) / span) * side;
    for (let key = Math.max(left, hideFirst ? 1 : 0); key <= Math.min(query, left + span - 1); key++) {
      const at = row + Math.floor(((key - left) * side) / span);
      const value = read(query, key);
      if (!(Math.abs(values[at]) >= Math.abs(value))) values[at] = value;
    }
  }
  return { side, values };
};

/**
 * The `count` pairs (key, weight) with the weights furthest from zero.
 * @param {[number, number][]} pairs
 * @param {number} count
 */
export const strongest = (pairs, count) =>
  pairs
    .filter(([, weight]) => Math.abs(weight) >= LEAST)
    .sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]))
    .slice(0, count);

/**
 * The largest absolute weight.
 * @param {Read} read
 * @param {number} size
 * @param {boolean} hideFirst leaves out the first key
 */
export const furthest = (read, size, hideFirst) => {
  let most = 0;
  for (let query = 0; query < size; query++)
    for (let key = hideFirst ? 1 : 0; key <= query; key++) most = Math.max(most, Math.abs(read(query, key)));
  return most;
};

/**
 * The key with the largest absolute weight of a query, among those that are shown.
 * @param {Read} read
 * @param {number} query
 * @param {boolean} hideFirst leaves out the first key, unless it is the only one
 */
export const strongestKey = (read, query, hideFirst) => {
  let best = hideFirst && query > 0 ? 1 : 0;
  for (let key = best + 1; key <= query; key++)
    if (Math.abs(read(query, key)) > Math.abs(read(query, best))) best = key;
  return best;
};
