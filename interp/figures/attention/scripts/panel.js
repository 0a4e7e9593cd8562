// @ts-check
// What stands beside the pattern: the chosen cell in words, what is known of the head, the strongest keys of the query.

import { find, make } from "./dom.js";
import { response } from "./response.js";
import { strongest } from "./triangle.js";
import { cellInWords, costInWords, foundInWords, quoted, three, visible } from "./words.js";

/** @import {Draw, Stage} from "./types" */

const ROWS = 8;

/**
 * The chosen cell in words.
 * @param {Stage} stage
 * @returns {Draw}
 */
export const sentence = ({ node, shown }) => {
  const { view, size, source, probability } = shown.data;
  return () => {
    const { query, key, variant } = shown.state;
    find(node, ".now").textContent = cellInWords({
      query,
      key,
      labels: view.labels,
      weight: shown.weight(query, key),
      match: key <= query ? shown.match(query, key) : 0,
      copied: key === source[query],
      next: query + 1 < size ? view.labels[query + 1] : view.following,
      predicted: shown.variant().predicted[query],
      right: probability[variant][query],
    });
  };
};

/**
 * The strongest keys of the query.
 * @param {Stage} stage
 * @returns {Draw}
 */
export const table = ({ node, shown, choose }) => {
  const { view, source } = shown.data;
  /** @type {(key: number, weight: number, query: number) => HTMLTableRowElement} */
  const rowOf = (key, weight, query) => {
    const row = document.createElement("tr");
    const head = make("th", `${visible(view.labels[key])} `);
    head.scope = "row";
    head.append(make("small", `at ${key}`));
    const length = shown.match(query, key);
    const copied = key === source[query] ? "yes" : "";
    row.append(head, make("td", three(weight)), make("td", length ? String(length) : "–"), make("td", copied));
    row.addEventListener("click", () => choose(() => ({ key })));
    return row;
  };
  const none = document.createElement("tr");
  none.append(Object.assign(make("td", "none of 0.0005 or more", "left"), { colSpan: 4 }));

  return () => {
    const { query, head } = shown.state;
    const read = shown.reader(head);
    const pairs = Array.from(
      { length: query + 1 },
      (_, key) => /** @type {[number, number]} */ ([key, read(query, key)]),
    );
    const rows = strongest(pairs, ROWS).map(([key, weight]) => rowOf(key, weight, query));
    find(node, ".keys").replaceChildren(...(rows.length ? rows : [none]));
    find(node, ".weight").textContent = shown.differs() ? "change" : "weight";
    const what = shown.differs() ? "Largest changes" : "Strongest keys";
    find(node, ".keys-of").textContent = `${what} of query ${query}, ${quoted(view.labels[query])}`;
  };
};

/**
 * What is known of the head.
 * @param {Stage} stage
 * @returns {Draw}
 */
export const about =
  ({ node, shown }) =>
  () => {
    const { head } = shown.state;
    const { name, kind, found, cost } = shown.data.view.heads[head];
    const lines = foundInWords(found);
    if (cost) lines.push(costInWords(cost));
    if (shown.gone(head))
      lines.push(`Here its output is replaced (${shown.variant().kind}), so that what it looks at does not count.`);
    if (shown.differs() && shown.ownLargest(head) === 0)
      lines.push("Nothing changes: what was ablated is in its own layer or above.");
    const mean = shown.meanOnSource();
    const of = shown.differs() ? "change of " : "";
    if (mean !== null) lines.push(`On this string: mean ${of}weight on the place copied from ${three(mean)}.`);
    const curve = found?.response.length
      ? [make("p", "Attention by length of the match:", "axis-name"), response(found.response, found.n)]
      : [];
    const heading = make("h3", kind === "attention" ? name : `${name} · hidden attention`);
    find(node, ".head").replaceChildren(heading, ...lines.map((line) => make("p", line)), ...curve);
  };
