import assert from "node:assert/strict";
import test from "node:test";
import {
  cell,
  furthest,
  matches,
  pooled,
  strongest,
  strongestKey,
} from "../../../interp/figures/attention/scripts/triangle.js";

test("cells of a triangle are numbered row after row, without a gap", () => {
  const numbers = [0, 1, 2, 3].flatMap((query) => Array.from({ length: query + 1 }, (_, key) => cell(query, key)));
  assert.deepEqual(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("a match counts the tokens before the key that are also the last ones up to the query", () => {
  const tokens = [1, 2, 3, 1, 2, 3, 3];
  const match = matches(tokens);
  for (let query = 0; query < tokens.length; query++)
    for (let key = 0; key < tokens.length; key++) {
      let length = 0;
      if (key <= query) while (key - 1 - length >= 0 && tokens[key - 1 - length] === tokens[query - length]) length++;
      assert.equal(match(query, key), key <= query ? length : 0, `${query} ${key}`);
    }
  assert.equal(match(5, 3), 3);
});

test("pooling keeps the weight furthest from zero of each group, and nothing above the diagonal", () => {
  const read = (query, key) => (query === 5 && key === 2 ? -9 : query + key / 10);
  const { side, values } = pooled(read, { query: 0, key: 0, span: 8 }, 4, false);
  assert.equal(side, 4);
  assert.equal(values[2 * 4 + 1], -9); // queries 4 and 5, keys 2 and 3
  assert.ok(Math.abs(values[3 * 4 + 3] - 7.7) < 1e-6);
  assert.ok(Number.isNaN(values[1]) && Number.isNaN(values[7]));
  assert.ok(!Number.isNaN(values[0]));
});

test("pooling a part reads that part alone, a cell a number where there is room", () => {
  const asked = [];
  const read = (query, key) => {
    asked.push([query, key]);
    return 10 * query + key;
  };
  const { side, values } = pooled(read, { query: 4, key: 2, span: 3 }, 100, false);
  assert.equal(side, 3);
  assert.deepEqual([...values], [42, 43, 44, 52, 53, 54, 62, 63, 64]);
  assert.ok(asked.every(([query, key]) => query >= 4 && query < 7 && key >= 2 && key < 5));
});

test("the first key can be left out of the pooled cells, of the largest weight and of the strongest key", () => {
  const sink = (query, key) => (key === 0 ? 0.9 : 0.1 / query);
  const { values } = pooled(sink, { query: 0, key: 0, span: 3 }, 3, true);
  assert.ok(Number.isNaN(values[0]) && Number.isNaN(values[3]) && Math.abs(values[4] - 0.1) < 1e-6);
  assert.equal(furthest(sink, 3, false), 0.9);
  assert.equal(furthest(sink, 3, true), 0.1);
  assert.equal(strongestKey(sink, 2, false), 0);
  assert.equal(strongestKey(sink, 2, true), 1);
  assert.equal(strongestKey(sink, 0, true), 0);
});

test("the strongest keys go by absolute weight, and what three digits do not show is left out", () => {
  const pairs = [0.2, -0.9, 0.0004, 0.5, 0.0005].map((weight, key) => [key, weight]);
  assert.deepEqual(strongest(pairs, 3), [
    [1, -0.9],
    [3, 0.5],
    [0, 0.2],
  ]);
  assert.deepEqual(
    strongest(pairs, 9).map(([key]) => key),
    [1, 3, 0, 4],
  );
});
