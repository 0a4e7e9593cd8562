import assert from "node:assert/strict";
import test from "node:test";
import {
  fromLink,
  KEYS,
  linkOf,
  MOST_N,
  opening,
  whole,
  within,
  zoomed,
} from "../../../interp/figures/attention/scripts/state.js";
import { shown } from "./made.js";

const big = (state = {}) => ({
  data: { size: 100, view: { variants: [{ signed: false }] }, asked: [20, 40, 60], source: Array(100).fill(7) },
  state: { query: 50, key: 10, head: 0, variant: 0, n: 0, window: { query: 0, key: 0, span: 100 }, ...state },
});

test("a view opens on the middle one of the queries whose answer is copied", async () => {
  const { data } = await shown();
  assert.deepEqual([opening(data).query, opening(data).key], [4, 2]);
  const none = opening({ ...data, asked: [], source: data.source.map(() => -1) });
  assert.deepEqual([none.query, none.key], [4, 0]);
});

test("a square lies within the pattern and has eight cells a side, where there are so many", () => {
  assert.deepEqual(within(100, { query: -5, key: 97.6, span: 20.4 }), { query: 0, key: 80, span: 20 });
  assert.deepEqual(within(100, { query: 50, key: 50, span: 2 }), { query: 50, key: 50, span: 8 });
  assert.deepEqual(within(3, { query: 2, key: 2, span: 1 }), { query: 0, key: 0, span: 3 });
});

test("zooming leaves the place that it is about where it was on the screen", () => {
  const about = { query: 60, key: 20 };
  const { window } = zoomed(big(), 0.5, about);
  assert.deepEqual(window, { query: 30, key: 10, span: 50 });
  assert.equal((about.query - window.query) / window.span, 0.6);
  assert.equal((about.key - window.key) / window.span, 0.2);
  assert.deepEqual(whole(big({ window })), { window: { query: 0, key: 0, span: 100 } });
});

test("arrows stop at the edges, and the square follows the cell", () => {
  const window = { query: 41, key: 0, span: 10 };
  assert.deepEqual(KEYS.ArrowDown(big({ window })), { query: 51, key: 10, window: { query: 42, key: 1, span: 10 } });
  assert.equal(KEYS.ArrowUp(big({ query: 0 })).query, 0);
  assert.equal(KEYS.ArrowDown(big({ query: 99 })).query, 99);
  assert.equal(KEYS.ArrowLeft(big({ key: 0 })).key, 0);
  assert.equal(KEYS.ArrowRight(big({ key: 99 })).key, 99);
});

test("j and k go round the queries whose answer is copied, and to where it is copied from", () => {
  assert.deepEqual([KEYS.j(big()).query, KEYS.j(big()).key], [60, 7]);
  assert.equal(KEYS.j(big({ query: 60 })).query, 20);
  assert.equal(KEYS.k(big()).query, 40);
  assert.equal(KEYS.k(big({ query: 20 })).query, 60);
  const none = big();
  none.data.asked = [];
  assert.equal(KEYS.j(none), null);
});

test("heads are stepped through in their order, round and round", async () => {
  const now = await shown();
  assert.deepEqual(now.order(), [1, 0]); // the second looks where the next letter stands
  now.state.head = 1;
  assert.deepEqual(KEYS["]"](now), { head: 0 });
  assert.deepEqual(KEYS["["](now), { head: 0 });
  now.state.sort = "layer";
  assert.deepEqual(now.order(), [0, 1]);
});

test("n goes round, v steps through variants, and what cannot be compared stays", async () => {
  const now = await shown({ variants: 2 });
  assert.deepEqual(KEYS.n({ state: { n: MOST_N } }), { n: 0 });
  assert.deepEqual(KEYS.v(now), { variant: 1 });
  assert.equal(KEYS.d(now), null);
  now.state.variant = 1;
  assert.deepEqual(KEYS.v(now), { variant: 0 });
  assert.deepEqual(KEYS.d(now), { difference: true });
  now.state.head = 1;
  assert.deepEqual([KEYS.s(now).query, KEYS.s(now).key], [4, 0]);
});

test("a link leads back to every state", async () => {
  const { data } = await shown({ variants: 2 });
  const states = [
    opening(data),
    { ...opening(data), head: 1, query: 3, key: 1, variant: 1, difference: true, n: 4 },
    { ...opening(data), sort: "layer", role: "lookup", hideFirst: true, stretch: true },
  ];
  for (const state of states) {
    const again = { ...opening(data), ...fromLink(data, linkOf(data, state, 0), 0, 1) };
    assert.deepEqual(again, state);
  }
  const zoom = { ...big().state, difference: false, sort: "score", role: "all", hideFirst: false, stretch: false };
  const heads = [{ name: "L0H0" }];
  const long = { ...big().data, view: { variants: [{ signed: false }], heads } };
  const state = { ...zoom, window: { query: 30, key: 10, span: 50 } };
  assert.deepEqual({ ...zoom, ...fromLink(long, linkOf(long, state, 0), 0, 1) }, state);
});

test("a link of another view, or of none, says nothing, and numbers out of range are brought in", async () => {
  const { data } = await shown();
  assert.deepEqual(fromLink(data, "#view=1&query=2", 0, 2), {});
  assert.deepEqual(fromLink(data, "", 0, 1), {});
  const found = fromLink(data, "#view=0&query=99&key=-3&variant=7&n=50&head=L9H9&window=1+2", 0, 1);
  assert.deepEqual([found.query, found.key, found.variant, found.n], [4, 0, 0, MOST_N]);
  assert.ok(!("head" in found));
  assert.deepEqual(found.window, { query: 0, key: 0, span: 5 });
});
