import assert from "node:assert/strict";
import { test } from "node:test";

import { constrain, placementOf, wheelDelta, zoomRange } from "../src/stage/zoom.js";

/** @type {import("../src/stage/zoom.js").Scene} */
const scene = {
  image: { width: 1600, height: 1000 },
  fit: { width: 800, height: 500 },
  viewport: { width: 800, height: 500 },
};
/** @type {import("../src/stage/zoom.js").Scene} */
const strip = {
  image: { width: 4000, height: 100 },
  fit: { width: 800, height: 32 },
  viewport: { width: 800, height: 240 },
};

test("at the fit the image fills the viewport, on whole device pixels", () => {
  const placement = placementOf(constrain({ x: 0, y: 0, k: 1 }, scene), scene, {
    width: 1600,
    height: 1000,
  });
  assert.deepEqual(placement, { image: scene.image, left: 0, top: 0, width: 1600, height: 1000 });
});

test("a smaller image stays in the middle", () => {
  for (const transform of [
    { x: 0, y: 0, k: 1 },
    { x: 500, y: -900, k: 1 },
  ]) {
    const { left, top, width, height } = placementOf(constrain(transform, strip), strip, {
      width: 800,
      height: 240,
    });
    assert.deepEqual([left, top, width, height], [0, 104, 800, 32]);
  }
});

test("a larger image leaves no gap", () => {
  for (let round = 0; round < 200; round++) {
    const transform = {
      x: Math.sin(round) * 9000,
      y: Math.cos(3 * round) * 9000,
      k: 1 + (round % 17),
    };
    for (const each of [scene, strip]) {
      const { left, top, width, height } = placementOf(
        constrain(transform, each),
        each,
        each.viewport,
      );
      const { viewport } = each;
      if (width > viewport.width) assert.ok(left <= 0 && left + width >= viewport.width - 1);
      if (height > viewport.height) assert.ok(top <= 0 && top + height >= viewport.height - 1);
      else assert.ok(Math.abs(top - (viewport.height - height) / 2) <= 1);
    }
  }
});

test("an allowed position is not changed", () => {
  const { x, y, k } = constrain({ x: -300, y: -120, k: 2 }, scene);
  assert.deepEqual([x, y, k], [-300, -120, 2]);
});

test("100 % is always within the zoom range, also of an enlarged image", () => {
  assert.equal(zoomRange(scene, 2).actual, 1);
  assert.equal(zoomRange(scene, 1).actual, 2);
  const tiny = {
    image: { width: 64, height: 64 },
    fit: { width: 256, height: 256 },
    viewport: { width: 320, height: 256 },
  };
  assert.deepEqual([zoomRange(tiny, 1).least, zoomRange(tiny, 1).actual], [0.25, 0.25]);
  for (const each of [scene, strip, tiny]) {
    const { least, actual, most } = zoomRange(each, 1);
    assert.ok(least <= 1 && least <= actual && actual <= most && most >= 8);
  }
});

test("a notch of the wheel is a small step, also with Ctrl; a pinch is amplified, and steps are limited", () => {
  const event = { deltaY: -120, deltaMode: 0, ctrlKey: false };
  assert.equal(wheelDelta(event), 0.24);
  assert.equal(wheelDelta({ ...event, ctrlKey: true }), 0.24);
  assert.equal(wheelDelta({ ...event, deltaY: 5, ctrlKey: true }), -0.1);
  assert.equal(wheelDelta({ ...event, deltaY: -3, deltaMode: 1 }), 0.15);
  assert.equal(wheelDelta({ ...event, deltaY: 1e5 }), -1);
});
