// @ts-check
// What the page says in words: of a cell, of a head, of the bars above and below the string.

/** @import {Cost, Found} from "./types" */

/** @param {number} value */
export const three = (value) => (value < 0 ? "\u2212" : "") + Math.abs(value).toFixed(3);
/** @param {number} number */
const minus = (number) => String(number).replace("-", "\u2212");
/** @type {(value: number, digits: number) => string} */
export const rounded = (value, digits) => minus(Number(value.toPrecision(digits)));
/** @param {number} share */
export const percent = (share) => `${minus(Number((100 * share).toFixed(1)))}%`;
/** @param {string} token */
export const quoted = (token) => `\u201c${visible(token)}\u201d`;

/**
 * A token as it is shown: characters that a reader cannot see, or that would turn the text around, are spelt out, and
 * long tokens are cut.
 * @param {string} token
 * @param {number} most characters
 */
export const visible = (token, most = 12) => {
  if (token === "") return "(empty)";
  const shown = [...token.slice(0, 4 * most)].map(spelt).join("");
  const cut = [...shown].length > most || token.length > 4 * most;
  return cut ? `${[...shown].slice(0, most - 1).join("")}…` : shown;
};

/**
 * What is shown of a token, cut where letters and signs for what is no letter take turns; signs are those at odd places.
 * @param {string} shown
 */
export const signsIn = (shown) =>
  shown.split(/((?:[\u2423\u21b5\u21e5]|^\u22ef[0-9A-F]*|<0x[0-9A-F]+>|\\u[0-9a-f]+)+)/u);

/** @param {string} letter */
const spelt = (letter) => {
  if (letter === " ") return "\u2423";
  if (letter === "\n") return "\u21b5";
  if (letter === "\t") return "\u21e5";
  return /[\p{C}\p{Z}]/u.test(letter) ? `\\u${letter.codePointAt(0)?.toString(16)}` : letter;
};

/**
 * From the query to the key, and what follows the query.
 * @param {{
 *   query: number, key: number, labels: string[], weight: number, match: number, copied: boolean,
 *   next: string | null, predicted: string, right: number | null
 * }} what `next` is null after the end
 */
export const cellInWords = ({ query, key, labels, weight, match, copied, next, predicted, right }) => {
  const seen = key > query ? "not visible" : three(weight);
  const length = match ? `, match of ${match}` : "";
  const place = `From ${quoted(labels[query])} at ${query} to ${quoted(labels[key])} at ${key}: ${seen}${length}.`;
  const mark = copied ? " It is copied from here." : "";
  if (next === null) return place + mark;
  const share = right === null ? "" : ` (${percent(right)} for the right one)`;
  return `${place}${mark} Next is ${quoted(next)}; the model says ${quoted(predicted)}${share}.`;
};

/**
 * What was measured of a head, before and on other strings.
 * @param {Found | null} found
 */
export const foundInWords = (found) => {
  if (!found) return ["This head was not scored."];
  const role = found.role === "none" ? "No role" : `${found.role[0].toUpperCase()}${found.role.slice(1)} head`;
  const { low, high, method } = found.interval;
  const flag = found.flagged ? "" : ", not flagged";
  const lines = [
    `${role}${found.n === null ? "" : `, n = ${found.n}`}.`,
    `On other strings: attention to the place copied from ${three(found.score)} [${three(low)}, ${three(high)}; 95%, ${method}], to another letter ${three(found.chance)}; q ${found.q_value.toPrecision(2)}${flag}.`,
  ];
  if (found.role === "gather" && found.gather_effect !== null)
    lines.push(
      `Taken off their path, it changes the lookup heads' scores before the softmax by up to ${percent(found.gather_effect)} of their size; it brings letters ${found.offsets.join(", ") || "–"} back.`,
    );
  return lines;
};

/** @param {Cost} cost */
export const costInWords = ({ kind, before, after, interval, control }) => {
  const { low, high, method } = interval;
  const beside = control === null ? "" : `; without another head ${percent(control)}`;
  return `Without it alone (${kind}) strings right go from ${percent(before)} to ${percent(after)}, drop [${percent(low)}, ${percent(high)}; 95%, ${method}]${beside}.`;
};

/** @param {boolean} signed */
export const barsInWords = (signed) =>
  signed
    ? "The string. Bar above: the query's weight on it; below: its own weight on the key; orange above 0, blue below. Underlined: a match. Framed: copied from."
    : "The string. Orange above: how much the query looks at it; blue below: how much it looks at the key. Underlined: a match. Framed: copied from.";
