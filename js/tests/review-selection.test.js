import assert from "node:assert/strict";
import test from "node:test";
import {
  countOf,
  everything,
  extended,
  includes,
  movedTo,
  NOTHING,
  only,
  toggled,
  withRange,
} from "../src/set/review-selection.js";

test("ranges that touch become one", () => {
  assert.deepEqual(withRange([[5, 6]], [1, 2]), [
    [1, 2],
    [5, 6],
  ]);
  assert.deepEqual(
    withRange(
      [
        [1, 2],
        [5, 6],
        [9, 9],
      ],
      [3, 7],
    ),
    [
      [1, 7],
      [9, 9],
    ],
  );
  assert.deepEqual(withRange([[1, 9]], [4, 5]), [[1, 9]]);
});

test("an object is selected, added, and taken out again", () => {
  let selection = only(3);
  selection = toggled(selection, 5);
  selection = toggled(selection, 4);
  assert.deepEqual(selection.ranges, [[3, 5]]);
  selection = toggled(selection, 4);
  assert.deepEqual(selection.ranges, [
    [3, 3],
    [5, 5],
  ]);
  assert.equal(countOf(selection.ranges), 2);
  assert.ok(includes(selection.ranges, 5) && !includes(selection.ranges, 4));
});

test("a range is extended from where it was started, both ways", () => {
  const start = only(10);
  const down = extended(start, 14, { add: false });
  assert.deepEqual(down.ranges, [[10, 14]]);
  const up = extended(down, 7, { add: false });
  assert.deepEqual([up.ranges, up.anchor, up.cursor], [[[7, 10]], 10, 7]);
  const more = extended(toggled(up, 20), 22, { add: true });
  assert.deepEqual(more.ranges, [
    [7, 10],
    [20, 22],
  ]);
});

test("everything of a hundred thousand is one range", () => {
  assert.deepEqual(everything(only(4), 100_000).ranges, [[0, 99_999]]);
  assert.equal(everything(only(4), 0), NOTHING);
});

test("random edits give what a set gives", () => {
  let seed = 7;
  const random = (/** @type {number} */ n) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % n;
  };
  let selection = NOTHING;
  const expected = new Set();
  for (let step = 0; step < 500; step += 1) {
    const at = random(40);
    if (random(3)) {
      selection = toggled(selection, at);
      if (!expected.delete(at)) expected.add(at);
    } else {
      const { anchor } = selection;
      selection = extended(selection, at, { add: true });
      for (let n = Math.min(anchor, at); n <= Math.max(anchor, at); n += 1) expected.add(n);
    }
    const found = [];
    for (let n = 0; n < 40; n += 1) if (includes(selection.ranges, n)) found.push(n);
    assert.deepEqual(
      found,
      [...expected].sort((a, b) => a - b),
    );
    assert.equal(countOf(selection.ranges), expected.size);
    for (let n = 1; n < selection.ranges.length; n += 1)
      assert.ok(selection.ranges[n][0] > selection.ranges[n - 1][1] + 1);
  }
});

test("keys move in a grid whose last row is shorter", () => {
  const grid = { columns: 4, rows: 2, total: 10, isWhole: false };
  assert.equal(movedTo("ArrowRight", 3, grid), 4);
  assert.equal(movedTo("ArrowLeft", 0, grid), 0);
  assert.equal(movedTo("ArrowDown", 5, grid), 9);
  assert.equal(movedTo("ArrowDown", 7, grid), 9);
  assert.equal(movedTo("ArrowDown", 8, grid), 8);
  assert.equal(movedTo("ArrowUp", 2, grid), 2);
  assert.equal(movedTo("PageDown", 1, grid), 9);
  assert.equal(movedTo("Home", 6, grid), 4);
  assert.equal(movedTo("End", 6, grid), 7);
  assert.equal(movedTo("End", 6, { ...grid, isWhole: true }), 9);
  assert.equal(movedTo("a", 6, grid), null);
  assert.equal(movedTo("End", 0, { ...grid, total: 0 }), null);
});
