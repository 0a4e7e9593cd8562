// @ts-check
// The state of a view: where it starts, what each key makes of it, and how it stands in a link. No element is touched.

/** @import {Data, Shown, Square, State, Values} from "./types" */

export const MOST_N = 8;
const LEAST_SPAN = 8;
/** Which heads are shown; "some" are those with a role. */
const ROLES = ["all", "some", "lookup", "gather"];

/** @type {(value: number, low: number, high: number) => number} */
export const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

/**
 * The state on opening: the middle one of the queries whose answer is copied, at the place that it is copied from.
 * @param {Data} data
 * @returns {State}
 */
export const opening = ({ view, size, source, asked }) => {
  const query = asked[Math.min(asked.length - 1, Math.floor(asked.length / 2))] ?? size - 1;
  return {
    variant: 0,
    difference: false,
    head: 0,
    query,
    key: Math.max(source[query], 0),
    n: 0,
    sort: "score",
    role: "all",
    hideFirst: false,
    stretch: view.variants[0].signed,
    window: { query: 0, key: 0, span: size },
  };
};

/**
 * A square of about `span` cells at about this place that lies within the pattern.
 * @param {number} size
 * @param {Square} wanted
 * @returns {Square}
 */
export const within = (size, { query, key, span }) => {
  const wide = clamp(Math.round(span), Math.min(LEAST_SPAN, size), size);
  /** @param {number} value */
  const inside = (value) => clamp(Math.round(value), 0, size - wide);
  return { query: inside(query), key: inside(key), span: wide };
};

/**
 * Zooming by a factor; what is under (query, key) stays where it is.
 * @param {Shown} shown
 * @param {number} factor
 * @param {{ query: number, key: number }} about
 */
export const zoomed = ({ data: { size }, state }, factor, about = state) => {
  const { window } = state;
  const { span } = within(size, { ...window, span: window.span * factor });
  const share = span / window.span;
  const query = about.query - (about.query - window.query) * share;
  const key = about.key - (about.key - window.key) * share;
  return { window: within(size, { query, key, span }) };
};

/** @param {Shown} shown */
export const whole = ({ data: { size } }) => ({ window: { query: 0, key: 0, span: size } });

/**
 * Another cell; the square that is shown moves along where the cell would leave it.
 * @param {Shown} shown
 * @param {number} query
 * @param {number} key
 */
const moved = ({ data: { size }, state: { window } }, query, key) => {
  const [at, to] = [clamp(query, 0, size - 1), clamp(key, 0, size - 1)];
  /** @type {(from: number, value: number) => number} */
  const follow = (from, value) => clamp(from, value - window.span + 1, value);
  const square = { query: follow(window.query, at), key: follow(window.key, to), span: window.span };
  return { query: at, key: to, window: within(size, square) };
};

/**
 * The next head in the order of the thumbnails, or the one before.
 * @param {Shown} shown
 * @param {number} step
 */
const neighbour = ({ state, order }, step) => {
  const all = order();
  return { head: all[(all.indexOf(state.head) + step + all.length) % all.length] };
};

/**
 * The next query whose answer is copied, or the one before.
 * @param {Shown} shown
 * @param {number} step
 */
const nextAsked = (shown, step) => {
  const { asked, source } = shown.data;
  const { query } = shown.state;
  const next =
    step > 0
      ? (asked.find((each) => each > query) ?? asked[0])
      : (asked.findLast((each) => each < query) ?? asked.at(-1));
  return next === undefined ? null : moved(shown, next, source[next]);
};

/**
 * What each key makes of the state; null leaves it.
 * @type {Record<string, (shown: Shown) => Values | null>}
 */
export const KEYS = {
  ArrowUp: (shown) => moved(shown, shown.state.query - 1, shown.state.key),
  ArrowDown: (shown) => moved(shown, shown.state.query + 1, shown.state.key),
  ArrowLeft: (shown) => moved(shown, shown.state.query, shown.state.key - 1),
  ArrowRight: (shown) => moved(shown, shown.state.query, shown.state.key + 1),
  "[": (shown) => neighbour(shown, -1),
  "]": (shown) => neighbour(shown, 1),
  j: (shown) => nextAsked(shown, 1),
  k: (shown) => nextAsked(shown, -1),
  s: (shown) => moved(shown, shown.state.query, shown.strongestKey(shown.state.query)),
  v: ({ data, state }) => ({ variant: (state.variant + 1) % data.view.variants.length }),
  d: ({ comparable, state }) => (comparable() ? { difference: !state.difference } : null),
  n: ({ state }) => ({ n: (state.n + 1) % (MOST_N + 1) }),
  b: ({ state }) => ({ hideFirst: !state.hideFirst }),
  c: ({ state }) => ({ stretch: !state.stretch }),
  "+": (shown) => zoomed(shown, 0.5),
  "=": (shown) => zoomed(shown, 0.5),
  "-": (shown) => zoomed(shown, 2),
  0: whole,
};

/**
 * The state as the part of an address after `#`.
 * @param {Data} data
 * @param {State} state
 * @param {number} number which view of the page
 */
export const linkOf = ({ view, size }, state, number) => {
  const { query, key, span } = state.window;
  const parts = new URLSearchParams({
    view: String(number),
    head: view.heads[state.head].name,
    query: String(state.query),
    key: String(state.key),
    variant: String(state.variant),
  });
  if (state.difference) parts.set("difference", "1");
  if (state.n) parts.set("n", String(state.n));
  if (state.sort !== "score") parts.set("sort", state.sort);
  if (state.role !== "all") parts.set("role", state.role);
  if (state.hideFirst) parts.set("hide", "1");
  if (state.stretch !== view.variants[0].signed) parts.set("stretch", String(Number(state.stretch)));
  if (span < size) parts.set("window", [query, key, span].join(" "));
  return `#${parts}`;
};

/**
 * What a link says of the state; nothing if it is another view's. What it does not name is as on opening, but for the
 * head, the cell and the variant, which stay.
 * @param {Data} data
 * @param {string} hash
 * @param {number} number which view of the page
 * @param {number} count of views on the page
 * @returns {Values}
 */
export const fromLink = ({ view, size }, hash, number, count) => {
  const parts = new URLSearchParams(hash.slice(1));
  /** @type {(name: string, low: number, high: number) => number | undefined} */
  const integer = (name, low, high) => {
    const value = Number.parseInt(parts.get(name) ?? "", 10);
    return Number.isNaN(value) ? undefined : clamp(value, low, high);
  };
  if (integer("view", 0, count) !== number) return {};
  const head = view.heads.findIndex(({ name }) => name === parts.get("head"));
  const [query, key, span] = (parts.get("window") ?? "").split(" ").map(Number);
  const zoom = [query, key, span].every(Number.isFinite) && span > 0;
  const found = {
    head: head < 0 ? undefined : head,
    query: integer("query", 0, size - 1),
    key: integer("key", 0, size - 1),
    variant: integer("variant", 0, view.variants.length - 1),
    difference: parts.has("difference"),
    n: integer("n", 0, MOST_N) ?? 0,
    sort: parts.get("sort") === "layer" ? "layer" : "score",
    role: ROLES.find((role) => role === parts.get("role")) ?? "all",
    hideFirst: parts.has("hide"),
    stretch: parts.has("stretch") ? parts.get("stretch") === "1" : view.variants[0].signed,
    window: within(size, zoom ? { query, key, span } : { query: 0, key: 0, span: size }),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
};
