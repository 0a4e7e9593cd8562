import assert from "node:assert/strict";
import test from "node:test";
import { partnersOf } from "../../../interp/figures/attention/scripts/panel.js";
import { shown } from "./made.js";

test("weights are those of the chosen head and variant, and nothing is seen above the diagonal", async () => {
  const now = await shown({ variants: 2 });
  now.state.head = 1;
  assert.equal(now.weight(3, 1), 1);
  assert.equal(now.weight(1, 3), 0);
  now.state.variant = 1;
  assert.equal(now.weight(3, 0), 1);
});

test("a difference is shown only of a variant that is compared with another", async () => {
  const now = await shown({ variants: 2 });
  now.state.difference = true;
  assert.ok(!now.differs());
  now.state.variant = 1;
  now.state.head = 1;
  assert.ok(now.differs() && now.signed());
  assert.equal(now.weight(3, 1), -1);
  assert.equal(now.title(), "L1H0, without L1H0, minus clean");
});

test("a head whose output is replaced is gone, one whose edges are cut is not", async () => {
  const now = await shown({ variants: 2 });
  now.state.variant = 1;
  assert.deepEqual([now.gone(0), now.gone(1)], [false, true]);
  now.data.view.variants[1].kind = "edges";
  assert.deepEqual([now.gone(0), now.gone(1)], [false, false]);
});

test("the mean on the source is over the letters that are copied", async () => {
  const now = await shown();
  now.state.head = 1;
  assert.equal(now.meanOnSource(), 1);
  now.state.head = 0; // looks one back, which is nobody's source
  assert.equal(now.meanOnSource(), 0);
});

test("colours go to 1, or where they are stretched to the largest weight that is shown", async () => {
  const now = await shown();
  now.data.reader = () => (query, key) => (key === 0 ? 0.5 : 0.25 / query);
  assert.equal(now.largest(0), 1);
  now.state.stretch = true;
  assert.equal(now.largest(0), 0.5);
  now.state.hideFirst = true;
  assert.equal(now.largest(0), 0.25);
});

test("measured scores order the heads, equal ones by their place", async () => {
  const now = await shown({ found: { score: 0.3 } });
  assert.deepEqual(now.order(), [0, 1]);
});

test("heads are shown by their role, and all of them where none has it", async () => {
  const now = await shown({ found: { score: 0.3, role: "none" } });
  now.data.view.heads[1].found = { score: 0.9, role: "lookup" };
  const shownBy = (role) => {
    now.state.role = role;
    return now.order();
  };
  assert.deepEqual(["all", "some", "lookup"].map(shownBy), [[1, 0], [1], [1]]);
  assert.deepEqual(shownBy("gather"), [1, 0]);
});

test("a lookup head is fed by gather heads of layers below, the strongest first, and they feed it", () => {
  const named = (name, role, gather_effect = null) => ({ name, found: { role, gather_effect } });
  const heads = [
    named("L0H0", "gather", 0.1),
    named("L0H1", "gather", 0.6),
    named("L1H0", "lookup"),
    named("L1H1", "gather", 0.9),
    named("L10H0", "lookup"),
    { name: "L11H0", found: null },
  ];
  assert.deepEqual(
    heads.map((_, head) => partnersOf(heads, head)),
    [[2, 4], [2, 4], [1, 0], [4], [3, 1, 0], []],
  );
});
