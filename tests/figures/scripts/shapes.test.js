import assert from "node:assert/strict";
import test from "node:test";
import { barTicks, bytesOf, onBar, shade } from "../../../interp/figures/attention/scripts/colours.js";
import { layout, marks, overlay, ticks } from "../../../interp/figures/attention/scripts/shapes.js";
import { shown } from "./made.js";

test("every token is written where there is room, else every second, fifth, tenth ...", () => {
  assert.deepEqual(ticks(2, 4, 20, 11), [2, 3, 4, 5]);
  assert.deepEqual(ticks(1, 10, 6, 11), [2, 4, 6, 8, 10]);
  assert.deepEqual(ticks(0, 20, 2.5, 11), [0, 5, 10, 15]);
  assert.deepEqual(ticks(3, 30, 1.2, 11), [10, 20, 30]);
  for (const step of [0.1, 0.5, 1, 3, 7, 12]) {
    const [first, second] = ticks(0, 2000, step, 11);
    assert.ok((second - first) * step >= 11 || second - first === 1000, `${step}`);
  }
});

test("cells are whole pixels where they fit, and never more than their room", () => {
  assert.equal(layout({ query: 0, key: 0, span: 26 }, 1000).step, 21);
  const wide = layout({ query: 0, key: 0, span: 2048 }, 1000);
  assert.equal(wide.size, 560);
  assert.equal(layout({ query: 0, key: 0, span: 26 }, 300).wide, 236);
});

test("matches of n and more are marked with the places copied from; where cells are tiny, the query's alone", async () => {
  const now = await shown();
  const sources = [
    { query: 3, key: 1, kind: "source" },
    { query: 4, key: 2, kind: "source" },
  ];
  assert.deepEqual(marks(now, 20), sources);
  now.state.n = 2;
  assert.deepEqual(marks(now, 20), [{ query: 4, key: 2, kind: "match" }, ...sources]);
  now.state.n = 1;
  now.state.query = 3;
  assert.deepEqual(marks(now, 1), [
    { query: 3, key: 1, kind: "match" },
    { query: 3, key: 1, kind: "source" },
  ]);
});

test("what lies outside the square is not drawn over it", () => {
  const geometry = layout({ query: 4, key: 2, span: 8 }, 600);
  const what = {
    labels: Array.from({ length: 20 }, (_, i) => String.fromCharCode(97 + i)),
    marks: [{ query: 3, key: 3, kind: "source" }],
    selected: { query: 0, key: 19 },
    theme: "light",
  };
  const shapes = overlay(geometry, what);
  assert.equal(shapes.filter((shape) => "box" in shape).length, 0);
  assert.deepEqual(
    shapes.flatMap((shape) => ("text" in shape ? [shape.text] : [])),
    [..."cdefghij", ..."efghijkl", "key →", "query ↓"],
  );
  assert.equal(
    overlay(geometry, { ...what, selected: { query: 5, key: 3 } }).filter((shape) => "box" in shape).length,
    2,
  );
});

test("a weight of 0 has the colour of the page, the largest the last of its ramp, and above the diagonal is neither", () => {
  assert.deepEqual(shade(0, 1, "light"), [253, 252, 250]);
  assert.deepEqual(shade(1, 1, "light"), [84, 30, 0]);
  assert.deepEqual(shade(-2, 2, "dark"), [205, 232, 252]);
  const bytes = bytesOf(Float32Array.of(Number.NaN, 1), 1, "dark");
  assert.deepEqual([...bytes], [32, 35, 40, 255, 255, 222, 184, 255]);
});

test("the colour bar goes from 0, or from the largest below it, with the square root", () => {
  assert.deepEqual(barTicks(2, false), [0, 0.02, 0.1, 0.2, 0.5, 1, 2]);
  const signed = barTicks(1, true);
  assert.deepEqual(signed, [-1, -0.25, -0.05, 0, 0.05, 0.25, 1]);
  assert.deepEqual(
    [-1, 0, 0.25, 1].map((value) => onBar(value, 1, true)),
    [0, 0.5, 0.75, 1],
  );
  assert.equal(onBar(0.25, 1, false), 0.5);
});
