import assert from "node:assert/strict";
import { test } from "node:test";

import { addedOnTop, countChanges, dirtyBoxes } from "../src/stage/layers.js";
import { bands, uncovered } from "../src/stage/mask-layer.js";
import { createDraftMask } from "../src/stage/overlays.js";

const image = { width: 100, height: 100 };
/** @param {number} x */
const disc = (x) => ({
  base: null,
  strokes: [{ points: Float64Array.of(x, 50), radius: 5, label: /** @type {const} */ (1) }],
});
/** @param {number} id @param {number} x @param {Partial<import("../src/stage/layers.js").Overlay>} [more] */
const overlay = (id, x, more = {}) => ({
  id,
  mask: disc(x),
  color: "#112233",
  look: /** @type {const} */ ("finished"),
  shown: true,
  ...more,
});
/** @param {number} x */
const around = (x) => ({ x0: x - 5, y0: 45, x1: x + 5, y1: 55 });

test("only what changed is painted again", () => {
  const all = [overlay(1, 10), overlay(2, 30), overlay(3, 60)];
  assert.deepEqual(dirtyBoxes(all, [...all], image), []);
  assert.deepEqual(dirtyBoxes(all, [all[0], all[2]], image), [around(30)], "taken away");
  assert.deepEqual(dirtyBoxes(all, [...all, overlay(4, 80)], image), [around(80)], "put on top");
  assert.deepEqual(
    dirtyBoxes(all, [all[0], { ...all[1], color: "#ffffff" }, all[2]], image),
    [around(30)],
    "another colour",
  );
  assert.deepEqual(
    dirtyBoxes(all, [all[0], { ...all[1], mask: disc(34) }, all[2]], image),
    [{ ...around(30), x1: 39 }],
    "another mask",
  );
  assert.deepEqual(
    dirtyBoxes(all, [all[1], all[0], all[2]], image),
    [around(30), around(10)],
    "another order",
  );
});

test("for a mask that describes its change only that is painted again", () => {
  const [before] = [overlay(1, 10)];
  const change = { since: before.mask, box: { x0: 1, y0: 2, x1: 3, y1: 4 } };
  assert.deepEqual(dirtyBoxes([before], [{ ...before, mask: disc(90), change }], image), [
    change.box,
  ]);
  const old = { since: disc(3), box: change.box };
  assert.deepEqual(dirtyBoxes([before], [{ ...before, mask: disc(90), change: old }], image), [
    around(10),
    around(90),
  ]);
});

test("a stroke being drawn adds its newest segment", () => {
  const draftMask = createDraftMask();
  const under = disc(10);
  const points = [50, 50];
  const draft = {
    kind: /** @type {const} */ ("stroke"),
    points,
    radius: 2,
    label: /** @type {const} */ (1),
  };
  const first = draftMask(under, draft);
  assert.deepEqual(first?.change, { since: under, box: { x0: 48, y0: 48, x1: 52, y1: 52 } });
  assert.equal(draftMask(under, { ...draft })?.mask, first?.mask, "nothing was added");
  points.push(60, 50);
  const second = draftMask(under, { ...draft });
  assert.deepEqual(second?.change, { since: first?.mask, box: { x0: 48, y0: 48, x1: 62, y1: 52 } });
  points.push(60, 60);
  assert.deepEqual(draftMask(under, draft)?.change?.box, { x0: 58, y0: 48, x1: 62, y1: 62 });
  assert.equal(draftMask(under, null)?.mask, under);
  assert.equal(draftMask(null, null), null);
});

test("a drag of the view uncovers two strips that do not overlap", () => {
  const surface = { width: 100, height: 50 };
  assert.deepEqual(uncovered(surface, 0, 0), []);
  assert.deepEqual(uncovered(surface, 10, 0), [{ x0: 0, y0: 0, x1: 10, y1: 50 }]);
  assert.deepEqual(uncovered(surface, 0, -5), [{ x0: 0, y0: 45, x1: 100, y1: 50 }]);
  for (const [dx, dy] of [
    [10, 5],
    [-10, 5],
    [10, -5],
    [-10, -5],
  ]) {
    const seen = new Uint8Array(100 * 50);
    // What was at (x, y) is now at (x + dx, y + dy).
    for (let y = 0; y < 50; y++)
      for (let x = 0; x < 100; x++) {
        const [toX, toY] = [x + dx, y + dy];
        if (toX >= 0 && toX < 100 && toY >= 0 && toY < 50) seen[toY * 100 + toX] += 1;
      }
    for (const { x0, y0, x1, y1 } of uncovered(surface, dx, dy)) {
      for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) seen[y * 100 + x] += 1;
    }
    assert.ok(
      seen.every((count) => count === 1),
      `${dx}, ${dy}`,
    );
  }
});

test("new overlays on top are painted over an unchanged stack", () => {
  const all = [overlay(1, 10), overlay(2, 20)];
  const top = overlay(3, 30);
  assert.deepEqual(addedOnTop(all, [...all.map((each) => ({ ...each })), top]), [top]);
  assert.deepEqual(addedOnTop(all, [...all]), []);
  assert.equal(addedOnTop(all, [all[0]]), null, "taken away");
  assert.equal(addedOnTop(all, [all[1], all[0], top]), null, "another order");
  assert.equal(
    addedOnTop(all, [all[0], { ...all[1], shown: !all[1].shown }, top]),
    null,
    "changed",
  );
  assert.equal(addedOnTop(all, [top, ...all]), null, "put below");
});

test("bands cover a surface exactly once", () => {
  for (const height of [1, 127, 128, 129, 1000]) {
    const found = bands({ width: 30, height });
    assert.deepEqual([found[0].y0, found.at(-1)?.y1], [0, height]);
    for (const [k, { x0, x1, y0, y1 }] of found.entries()) {
      assert.ok(x0 === 0 && x1 === 30 && y0 < y1);
      if (k) assert.equal(y0, found[k - 1].y1);
    }
  }
});

test("what differs is counted", () => {
  const all = [overlay(1, 10), overlay(2, 30), overlay(3, 60)];
  assert.equal(countChanges(all, all), 0);
  assert.equal(countChanges(all, [...all]), 0);
  assert.equal(countChanges(all, [all[0], all[2]]), 1);
  assert.equal(countChanges(all, [...all, overlay(4, 80)]), 1);
  assert.equal(countChanges(all, [{ ...all[0], color: "#ffffff" }, all[1]]), 2);
  assert.equal(countChanges(all, []), 3);
});
