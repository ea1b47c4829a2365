import assert from "node:assert/strict";
import { test } from "node:test";

import {
  boxBetween,
  boxOnSurface,
  clampPoint,
  fitStage,
  fromSurface,
  intersection,
  isDrag,
  isInside,
  toSurface,
  viewportOf,
} from "../src/pixels/geometry.js";

const image = { width: 451, height: 300 };

test("positions convert from the surface to the image and back", () => {
  const placement = { image, left: 13.5, top: -7.25, width: 640, height: 425.7 };
  for (const position of [
    { x: 13.5, y: 7.25 },
    { x: 200, y: 100.5 },
    { x: -40, y: 900 },
  ]) {
    const there = toSurface(fromSurface(position, placement), placement);
    assert.ok(Math.abs(there.x - position.x) < 1e-9 && Math.abs(there.y - position.y) < 1e-9);
  }
  assert.deepEqual(fromSurface({ x: 13.5, y: -7.25 }, placement), { x: 0, y: 0 });
  assert.deepEqual(fromSurface({ x: 653.5, y: 418.45 }, placement), { x: 451, y: 300 });
});

test("a box of pixels covers whole surface pixels, and what two boxes share", () => {
  const placement = { image, left: 10.2, top: 0, width: 451, height: 150 };
  assert.deepEqual(boxOnSurface({ x0: 0, y0: 3, x1: 5, y1: 8 }, placement, 2), {
    x0: 8,
    y0: -1,
    x1: 18,
    y1: 6,
  });
  assert.deepEqual(intersection({ x0: 0, y0: 0, x1: 5, y1: 5 }, { x0: 3, y0: -2, x1: 9, y1: 2 }), {
    x0: 3,
    y0: 0,
    x1: 5,
    y1: 2,
  });
  assert.equal(intersection({ x0: 0, y0: 0, x1: 5, y1: 5 }, { x0: 5, y0: 0, x1: 9, y1: 5 }), null);
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

test("the far borders are outside of the image", () => {
  assert.ok(isInside({ x: 0, y: 0 }, image));
  assert.ok(!isInside({ x: 451, y: 10 }, image));
  assert.ok(!isInside({ x: 10, y: -0.01 }, image));
});

test("a box is the same for any direction of the drag", () => {
  const expected = { x0: 10, y0: 20.5, x1: 100.25, y1: 200 };
  for (const [ax, bx] of [
    [10, 100.25],
    [100.25, 10],
  ]) {
    for (const [ay, by] of [
      [20.5, 200],
      [200, 20.5],
    ]) {
      assert.deepEqual(boxBetween({ x: ax, y: ay }, { x: bx, y: by }, image), expected);
    }
  }
});

test("a box is clamped to the image, whose far border it may touch", () => {
  assert.deepEqual(boxBetween({ x: -50, y: 400 }, { x: 9999, y: 100 }, image), {
    x0: 0,
    y0: 100,
    x1: 451,
    y1: 300,
  });
});

test("a box without area is null", () => {
  assert.equal(boxBetween({ x: 5, y: 5 }, { x: 5.001, y: 90 }, image), null);
  assert.equal(boxBetween({ x: 5, y: -10 }, { x: 90, y: -1 }, image), null);
});

test("a click with a small movement is no drag", () => {
  assert.ok(!isDrag({ x: 10, y: 10 }, { x: 12, y: 13 }));
  assert.ok(isDrag({ x: 10, y: 10 }, { x: 13, y: 13 }));
});

test("the stage has the image's shape and fits the room", () => {
  assert.deepEqual(fitStage({ width: 2000, height: 1000 }, { width: 800, height: 640 }), {
    width: 800,
    height: 400,
  });
  assert.deepEqual(fitStage({ width: 1000, height: 2000 }, { width: 800, height: 640 }), {
    width: 320,
    height: 640,
  });
});

test("narrow images and single pixels can be clicked", () => {
  const room = { width: 700, height: 640 };
  assert.deepEqual(fitStage({ width: 5000, height: 1 }, room), { width: 700, height: 32 });
  assert.deepEqual(fitStage({ width: 1, height: 5000 }, room), { width: 32, height: 640 });
  assert.deepEqual(fitStage({ width: 1, height: 1 }, room), { width: 256, height: 256 });
});

test("the viewport has the size of the image, with space around a narrow one, or the requested height", () => {
  const room = { width: 800, height: 640 };
  assert.deepEqual(viewportOf({ width: 800, height: 533 }, room, { width: false, height: false }), {
    width: 800,
    height: 533,
  });
  assert.deepEqual(viewportOf({ width: 700, height: 32 }, room, { width: false, height: false }), {
    width: 700,
    height: 240,
  });
  assert.deepEqual(viewportOf({ width: 32, height: 640 }, room, { width: false, height: false }), {
    width: 320,
    height: 640,
  });
  assert.deepEqual(
    viewportOf(
      { width: 300, height: 200 },
      { width: 300, height: 900 },
      { width: false, height: true },
    ),
    { width: 300, height: 900 },
  );
  assert.deepEqual(
    viewportOf({ width: 300, height: 200 }, room, { width: true, height: true }),
    room,
  );
});
