import assert from "node:assert/strict";
import test from "node:test";
import {
  cellInWords,
  costInWords,
  foundInWords,
  percent,
  rounded,
  signsIn,
  three,
  visible,
} from "../../../interp/figures/attention/scripts/words.js";

test("numbers below 0 have a minus, and large ones no exponent", () => {
  assert.equal(three(-0.1234), "\u22120.123");
  assert.equal(rounded(-0.000123, 2), "\u22120.00012");
  assert.equal(rounded(1234567, 3), "1230000");
  assert.equal(percent(0.123456), "12.3%");
  assert.equal(percent(-0.5), "\u221250%");
});

test("what cannot be seen is spelt out, and long tokens are cut", () => {
  assert.equal(visible(""), "(empty)");
  assert.equal(visible(" a\n\t"), "\u2423a\u21b5\u21e5");
  assert.equal(visible("\u202eabc"), "\\u202eabc");
  assert.equal(visible("x".repeat(10_000)), `${"x".repeat(11)}…`);
  assert.equal(visible("\u{1f600}".repeat(6), 6), "\u{1f600}".repeat(6));
  assert.equal(visible("<b>"), "<b>");
});

test("signs are told from the letters of a token", () => {
  assert.deepEqual(signsIn("abc"), ["abc"]);
  assert.deepEqual(signsIn(visible(" a\n\n")), ["", "\u2423", "a", "\u21b5\u21b5", ""]);
  assert.deepEqual(signsIn("\u22efA9\u00e8"), ["", "\u22efA9", "\u00e8"]);
  assert.deepEqual(signsIn("<0xF09F>"), ["", "<0xF09F>", ""]);
  assert.deepEqual(signsIn("<b>"), ["<b>"]);
});

const CELL = {
  query: 3,
  key: 1,
  labels: ["a", "b", "c", "a"],
  weight: 0.5,
  match: 1,
  copied: true,
  next: "b",
  predicted: "b",
  right: 0.9,
};

test("a cell is said in full, and without what there is none of", () => {
  assert.equal(
    cellInWords(CELL),
    "From “a” at 3 to “b” at 1: 0.500, match of 1. It is copied from here. Next is “b”; the model says “b” (90% for the right one).",
  );
  assert.equal(cellInWords({ ...CELL, copied: false, match: 0, next: null }), "From “a” at 3 to “b” at 1: 0.500.");
  assert.match(cellInWords({ ...CELL, query: 0, key: 1 }), /not visible/);
  assert.ok(!cellInWords({ ...CELL, right: null }).includes("for the right one"));
});

const FOUND = {
  role: "lookup",
  n: 3,
  score: 0.9,
  chance: 0.03,
  interval: { low: 0.85, high: 0.95, method: "Korn-Graubard" },
  q_value: 0.00123,
  flagged: true,
  gather_effect: null,
  offsets: [],
  response: [],
};

test("a head is said with its role, its score and what it gathers", () => {
  const [role, score, ...rest] = foundInWords(FOUND);
  assert.equal(role, "Lookup head, n = 3.");
  assert.match(score, /0\.900 \[0\.850, 0\.950; 95%, Korn-Graubard\], to another letter 0\.030; q 0\.0012\.$/);
  assert.deepEqual(rest, []);
  assert.equal(foundInWords({ ...FOUND, role: "none", n: null, flagged: false })[0], "No role.");
  assert.match(foundInWords({ ...FOUND, flagged: false })[1], /, not flagged\.$/);
  assert.match(
    foundInWords({ ...FOUND, role: "gather", gather_effect: 0.4, offsets: [1, 2] })[2],
    /40% .*letters 1, 2 back/,
  );
  assert.deepEqual(foundInWords(null), ["This head was not scored."]);
});

test("a cost names its control where there is one", () => {
  const cost = {
    kind: "mean",
    before: 1,
    after: 0.25,
    interval: { low: 0.7, high: 0.8, method: "Korn-Graubard" },
    control: 0.9,
  };
  assert.match(
    costInWords(cost),
    /from 100% to 25%, drop \[70%, 80%; 95%, Korn-Graubard\]; without another head 90%\.$/,
  );
  assert.ok(!costInWords({ ...cost, control: null }).includes("another head"));
});
