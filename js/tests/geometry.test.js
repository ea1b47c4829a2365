import assert from "node:assert/strict";
import { test } from "node:test";

import { boxBetween, clampPoint, fitStage, isDrag, isInside, toImage, toSurface } from "../src/geometry.js";

const image = { width: 451, height: 300 };

test("pointer to image and back to the surface", () => {
  const rect = { left: 13.5, top: 7.25, width: 640, height: 425.7 };
  for (const [clientX, clientY] of [[13.5, 7.25], [200, 100.5], [653.49, 432.9]]) {
    const there = toSurface(toImage({ clientX, clientY }, rect, image), image, rect);
    assert.ok(Math.abs(there.x + rect.left - clientX) < 1e-9);
    assert.ok(Math.abs(there.y + rect.top - clientY) < 1e-9);
  }
  assert.deepEqual(toImage({ clientX: 13.5, clientY: 7.25 }, rect, image), { x: 0, y: 0 });
});

test("points are rounded to two decimals and stay strictly inside", () => {
  assert.deepEqual(clampPoint({ x: 12.3456, y: 0.004 }, image), { x: 12.35, y: 0 });
  assert.deepEqual(clampPoint({ x: 450.999, y: 299.996 }, image), { x: 450.99, y: 299.99 });
  assert.deepEqual(clampPoint({ x: -3, y: 1e9 }, image), { x: 0, y: 299.99 });
  for (const side of [1, 2, 3, 127, 5000, 100000]) {
    const { x, y } = clampPoint({ x: side, y: side - 1e-9 }, { width: side, height: side });
    assert.ok(x < side && y < side && x > side - 0.011 && y > side - 0.011);
  }
});

test("inside is half open", () => {
  assert.ok(isInside({ x: 0, y: 0 }, image));
  assert.ok(!isInside({ x: 451, y: 10 }, image));
  assert.ok(!isInside({ x: 10, y: -0.01 }, image));
});

test("a box is the same in whatever direction it was dragged", () => {
  const expected = { x0: 10, y0: 20.5, x1: 100.25, y1: 200 };
  for (const [ax, bx] of [[10, 100.25], [100.25, 10]]) {
    for (const [ay, by] of [[20.5, 200], [200, 20.5]]) {
      assert.deepEqual(boxBetween({ x: ax, y: ay }, { x: bx, y: by }, image), expected);
    }
  }
});

test("a box is clamped to the image, whose far border it may touch", () => {
  assert.deepEqual(boxBetween({ x: -50, y: 400 }, { x: 9999, y: 100 }, image), { x0: 0, y0: 100, x1: 451, y1: 300 });
});

test("a box without area is none", () => {
  assert.equal(boxBetween({ x: 5, y: 5 }, { x: 5.001, y: 90 }, image), null);
  assert.equal(boxBetween({ x: 5, y: -10 }, { x: 90, y: -1 }, image), null);
});

test("a trembling click is no drag", () => {
  assert.ok(!isDrag({ clientX: 10, clientY: 10 }, { clientX: 12, clientY: 13 }));
  assert.ok(isDrag({ clientX: 10, clientY: 10 }, { clientX: 13, clientY: 13 }));
});

test("the stage has the image's shape and fits the room", () => {
  assert.deepEqual(fitStage({ width: 2000, height: 1000 }, { width: 800, height: 640 }), { width: 800, height: 400 });
  assert.deepEqual(fitStage({ width: 1000, height: 2000 }, { width: 800, height: 640 }), { width: 320, height: 640 });
});

test("strips and single pixels can be clicked", () => {
  const room = { width: 700, height: 640 };
  assert.deepEqual(fitStage({ width: 5000, height: 1 }, room), { width: 700, height: 32 });
  assert.deepEqual(fitStage({ width: 1, height: 5000 }, room), { width: 32, height: 640 });
  assert.deepEqual(fitStage({ width: 1, height: 1 }, room), { width: 256, height: 256 });
});
