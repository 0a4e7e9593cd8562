// @ts-check
// What is shown: weights, their largest, the order of heads, worked out from the data and the state as it stands.

import { furthest, matches, strongestKey } from "./triangle.js";

/** @import {Data, Read, Shown, State} from "./types" */

/** @type {(role: string, wanted: string) => boolean} */
const hasRole = (role, wanted) => wanted === "all" || role === wanted || (wanted === "some" && role !== "none");

/**
 * Readings of the data in the present state. The patterns of the first variant must be loaded before heads are put in
 * an order, and those of the present one before they are read.
 * @param {Data} data
 * @param {State} state which is changed in place
 * @returns {Shown}
 */
export const showing = (data, state) => {
  const { view, size, source, asked } = data;
  const variant = () => view.variants[state.variant];
  const comparable = () => variant().of !== state.variant;
  const differs = () => state.difference && comparable();
  const signed = () => variant().signed || differs();
  // Its output was replaced: what it looks at does not count. (Where edges were cut, it looks elsewhere.)
  /** @param {number} head */
  const gone = (head) => variant().kind !== "edges" && variant().ablated.includes(view.heads[head].name);
  /** @param {number} head */
  const reader = (head) => data.reader(state.variant, head, differs() ? variant().of : null);
  /** @type {Read} */
  const weight = (query, key) => (key <= query ? reader(state.head)(query, key) : 0);

  /** @type {Read | null} */
  let lengths = null;
  /** @type {Read} */
  const match = (query, key) => {
    lengths ??= matches(data.tokens);
    return lengths(query, key);
  };

  /** @param {Read} read */
  const onSource = (read) => asked.reduce((sum, query) => sum + read(query, source[query]), 0) / asked.length;
  /** @type {number[] | null} */
  let scores = null;
  const order = () => {
    const every = view.heads.map((_, head) => head);
    const chosen = every.filter((head) => hasRole(view.heads[head].found?.role ?? "none", state.role));
    const all = chosen.length ? chosen : every;
    if (state.sort === "layer") return all;
    scores ??= view.heads.map(({ found }, head) => found?.score ?? (asked.length ? onSource(data.reader(0, head)) : 0));
    const known = scores;
    return all.sort((a, b) => known[b] - known[a] || a - b);
  };

  /** @type {Map<string, number>} */
  const largests = new Map();
  /** @param {number} head */
  const ownLargest = (head) => {
    const key = [state.variant, differs(), head, state.hideFirst].join();
    const known = largests.get(key) ?? furthest(reader(head), size, state.hideFirst);
    largests.set(key, known);
    return known;
  };
  // The largest weight of what is drawn: of one head, or of what all heads can have.
  /** @param {number} head */
  const largest = (head) => {
    if (state.stretch) return ownLargest(head) || 1;
    return differs() || !variant().signed ? 1 : Math.max(...view.heads.map((_, each) => ownLargest(each))) || 1;
  };

  return {
    data,
    state,
    variant,
    comparable,
    differs,
    signed,
    gone,
    reader,
    weight,
    match,
    largest,
    ownLargest,
    order,
    strongestKey: (query) => strongestKey(reader(state.head), query, state.hideFirst),
    meanOnSource: () => (asked.length ? onSource(weight) : null),
    title: () => `${view.heads[state.head].name}, ${variant().name}${differs() ? ", minus clean" : ""}`,
  };
};
