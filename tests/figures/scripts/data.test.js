import assert from "node:assert/strict";
import test from "node:test";
import { inflate, unpack, weightsOf } from "../../../interp/figures/attention/scripts/data.js";
import { base64, content, SIZE, shown } from "./made.js";

test("levels stand for the squares of their shares, with a sign where weights have one", () => {
  const plain = weightsOf(false);
  assert.equal(plain[0], 0);
  assert.equal(plain[255], 1);
  assert.ok(Math.abs(plain[51] - 0.04) < 1e-7);
  const signed = weightsOf(true);
  assert.equal(signed[128], 0);
  assert.equal(signed[255], 1);
  assert.equal(signed[1], -1);
  for (let level = 1; level < 128; level++) assert.equal(signed[128 + level], -signed[128 - level]);
});

test("bytes come back from base64 of gzip", async () => {
  const bytes = Array.from({ length: 1000 }, (_, i) => (i * i) % 256);
  assert.deepEqual([...(await inflate(base64(bytes)))], bytes);
});

test("a reader gives the weights of its head, and with another variant the change from it", async () => {
  const { data } = await shown({ variants: 2 });
  assert.equal(data.reader(0, 1)(3, 1), 1);
  assert.equal(data.reader(0, 1)(3, 0), 0);
  assert.equal(data.reader(1, 1)(3, 0), 1);
  assert.equal(data.reader(1, 1, 0)(3, 1), -1);
  assert.equal(data.reader(1, 1, 0)(3, 0), 1);
  assert.equal(data.reader(1, 0, 0)(4, 3), 0);
  assert.deepEqual(data.asked, [3, 4]);
  assert.equal(data.size, SIZE);
});

test("scales multiply the weights of their own head and variant", async () => {
  const { json, patterns } = content({ variants: 2 });
  json.scales = [
    [1, 3],
    [1, 0.5],
  ];
  const data = unpack(
    json,
    patterns.map((levels) => () => base64(levels)),
  );
  await data.load(0);
  await data.load(1);
  assert.equal(data.reader(0, 1)(3, 1), 3);
  assert.equal(data.reader(0, 0)(4, 3), 1);
  assert.equal(data.reader(1, 1)(3, 0), 0.5);
});

test("a pattern is unpacked once, and not before it is asked for", async () => {
  const { json, patterns } = content({ variants: 2 });
  const taken = [];
  const data = unpack(
    json,
    patterns.map((levels, index) => () => {
      taken.push(index);
      return base64(levels);
    }),
  );
  assert.deepEqual(taken, []);
  await data.load(1);
  await data.load(1);
  assert.deepEqual(taken, [1]);
  assert.throws(() => data.reader(0, 0), /variant 0 is not loaded/);
});
