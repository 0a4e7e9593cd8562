// A small view for the tests: the string "abcab" and two heads, of which one is planted by hand.

import { gzipSync } from "node:zlib";
import { unpack } from "../../../interp/figures/attention/scripts/data.js";
import { showing } from "../../../interp/figures/attention/scripts/shown.js";
import { opening } from "../../../interp/figures/attention/scripts/state.js";

export const TOKENS = [7, 8, 9, 7, 8];
const SOURCE = [-1, -1, -1, 1, 2];
const SIZE = TOKENS.length;

/** Levels of a head that looks at one key: `keys[query]`, with the whole weight. */
const sharp = (keys) =>
  keys.flatMap((key, query) => Array.from({ length: query + 1 }, (_, at) => (at === key ? 255 : 0)));

export const base64 = (levels) => gzipSync(Uint8Array.from(levels)).toString("base64");

/** The content of a page's script elements. */
export const content = ({ variants = 1, found = null } = {}) => {
  const array = (values) => ({ values });
  const arrays = { tokens: array(TOKENS), source: array(SOURCE), probability: array([null, 0.5, 0.5, 1, 1]) };
  const variant = {
    name: "clean",
    kind: "clean",
    of: 0,
    ablated: [],
    signed: false,
    predicted: ["a", "b", "c", "b", "c"],
    probability: { array: "probability" },
    strips: [],
  };
  const heads = ["L0H0", "L1H0"].map((name) => ({ name, kind: "attention", found, cost: null }));
  const view = {
    labels: ["a", "b", "c", "a", "b"],
    following: null,
    heads,
    tokens: { array: "tokens" },
    source: { array: "source" },
    variants: [variant, { ...variant, name: "without L1H0", kind: "zero", ablated: ["L1H0"] }].slice(0, variants),
  };
  const scales = view.variants.map(() => [1, 1]);
  // the first head looks one back, the second where the next letter stands
  const clean = [...sharp([0, 0, 1, 2, 3]), ...sharp([0, 1, 2, 1, 2])];
  const without = [...sharp([0, 0, 1, 2, 3]), ...sharp([0, 0, 0, 0, 0])];
  return { json: { view, arrays, scales }, patterns: [clean, without].slice(0, variants) };
};

/** What is shown of the view, with its patterns loaded. */
export const shown = async (options) => {
  const { json, patterns } = content(options);
  const data = unpack(
    json,
    patterns.map((levels) => () => base64(levels)),
  );
  for (const index of patterns.keys()) await data.load(index);
  return showing(data, opening(data));
};

export { SIZE };
