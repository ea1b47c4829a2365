import assert from "node:assert/strict";
import { test } from "node:test";

import { gripAt, moved } from "../src/input/hit-test.js";

/** @typedef {import("../src/state/prompts.js").Prompt} Prompt */

const image = { width: 100, height: 80 };
/** @type {Prompt} */
const point = { type: "point", x: 10, y: 10, label: 1 };
/** @type {Prompt} */
const box = { type: "box", x0: 10, y0: 10, x1: 50, y1: 40 };
/** @type {Prompt} */
const scribble = {
  type: "scribble",
  points: [
    [60, 60],
    [80, 60],
  ],
  label: 0,
};

test("a point on the border of a box is hit before the box", () => {
  assert.deepEqual(gripAt([point, box], { x: 12, y: 10 }, 3), { index: 0, corner: null });
  assert.deepEqual(gripAt([point, box], { x: 30, y: 11 }, 3), { index: 1, corner: null });
  assert.equal(gripAt([point, box], { x: 30, y: 25 }, 3), null, "the inside of a box is not hit");
});

test("of two points the newer one is hit", () => {
  assert.equal(gripAt([point, { ...point, x: 11 }], { x: 10.5, y: 10 }, 3)?.index, 1);
});

test("scribbles are hit along their line, strokes and choices never", () => {
  assert.equal(gripAt([scribble], { x: 70, y: 62 }, 3)?.index, 0);
  assert.equal(gripAt([scribble], { x: 85, y: 62 }, 3), null);
  /** @type {Prompt} */
  const stroke = { type: "stroke", key: null, points: [[5, 5]], radius: 9, label: 1 };
  assert.equal(gripAt([stroke, { type: "choice", index: 0 }], { x: 5, y: 5 }, 9), null);
});

test("a point moves and stays inside", () => {
  assert.deepEqual(moved(point, null, { x: 5.123, y: -50 }, image), { ...point, x: 15.12, y: 0 });
  assert.deepEqual(moved(point, null, { x: 500, y: 0 }, image), { ...point, x: 99.99 });
});

test("a box moves as a whole, and a dragged corner resizes it, also across the others", () => {
  assert.deepEqual(moved(box, null, { x: 90, y: -90 }, image), {
    type: "box",
    x0: 60,
    y0: 0,
    x1: 100,
    y1: 30,
  });
  const corner = gripAt([box], { x: 50, y: 40 }, 3)?.corner ?? null;
  assert.deepEqual(corner, { x: "x1", y: "y1" });
  assert.deepEqual(moved(box, corner, { x: 10, y: 5 }, image), { ...box, x1: 60, y1: 45 });
  assert.deepEqual(moved(box, corner, { x: -45, y: 0 }, image), {
    type: "box",
    x0: 5,
    y0: 10,
    x1: 10,
    y1: 40,
  });
  assert.equal(moved(box, corner, { x: -40, y: 0 }, image), box, "a box cannot lose its area");
});

test("a scribble moves as a whole", () => {
  assert.deepEqual(moved(scribble, null, { x: 1, y: 2 }, image), {
    ...scribble,
    points: [
      [61, 62],
      [81, 62],
    ],
  });
});
