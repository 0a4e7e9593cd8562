// @ts-check
// What stands beside the pattern: the chosen cell in words, what is known of the head, the strongest keys of the query.

import { find, make } from "./dom.js";
import { response } from "./response.js";
import { strongest } from "./triangle.js";
import { cellInWords, costInWords, foundInWords, quoted, three, visible } from "./words.js";

/** @import {Draw, Head, Stage} from "./types" */

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

/** @param {string} name as in L1H3 */
const layerOf = (name) => Number.parseInt(name.slice(1), 10);

/**
 * Of a lookup head the gather heads in layers below, strongest first; of a gather head the lookup heads above.
 * @param {Head[]} heads
 * @param {number} head
 */
export const partnersOf = (heads, head) => {
  const role = heads[head].found?.role;
  if (role !== "lookup" && role !== "gather") return [];
  const layer = layerOf(heads[head].name);
  /** @param {number} other */
  const effect = (other) => heads[other].found?.gather_effect ?? 0;
  return heads
    .map((_, other) => other)
    .filter((other) => {
      const found = heads[other].found?.role;
      const of = layerOf(heads[other].name);
      return role === "lookup" ? found === "gather" && of < layer : found === "lookup" && of > layer;
    })
    .sort((one, two) => effect(two) - effect(one) || one - two);
};

/**
 * What is known of the head.
 * @param {Stage} stage
 * @returns {Draw}
 */
export const about =
  ({ node, shown, choose }) =>
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
    if (mean !== null) lines.push(`Mean ${of}weight on the place copied from, on this string: ${three(mean)}.`);
    const curve = found?.response.length
      ? [make("p", "Attention by length of the match:", "axis-name"), response(found.response, found.n)]
      : [];
    const heading = make("h3", kind === "attention" ? name : `${name} · hidden attention`);
    const partners = partnersOf(shown.data.view.heads, head).map((other) => {
      const button = make("button", shown.data.view.heads[other].name);
      button.type = "button";
      button.addEventListener("click", () => choose(() => ({ head: other })));
      return button;
    });
    const linked = make(
      "p",
      found?.role === "lookup"
        ? "Gather heads below, which feed lookup heads: "
        : "Lookup heads above, which it feeds: ",
    );
    linked.append(...partners);
    const beside = partners.length ? [linked] : [];
    find(node, ".head").replaceChildren(heading, ...lines.map((line) => make("p", line)), ...beside, ...curve);
  };
