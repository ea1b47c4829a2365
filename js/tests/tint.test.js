import assert from "node:assert/strict";
import { test } from "node:test";

import { cutOut, blendMask, newPatch } from "../src/pixels/tint.js";

const none = new Int32Array(0);
/** @param {number} x @param {number} y @param {number} width @param {number} height @returns {import("../src/pixels/bitmap.js").Bitmap} all of it inside */
const block = (x, y, width, height) => ({
  x,
  y,
  width,
  height,
  inside: new Uint8Array(width * height).fill(1),
  columns: none,
  rows: none,
});
/** @type {import("../src/pixels/tint.js").Style} */
const fill = { opacity: 1, maskStyle: "fill", unit: 1 };
/** @type {import("../src/pixels/tint.js").Style} */
const both = { opacity: 0.5, maskStyle: "both", unit: 1 };

/** @param {import("../src/pixels/tint.js").Patch} patch @param {number} x on the surface @param {number} y */
function at(patch, x, y) {
  const pixel = patch.pixels[(y - patch.y) * patch.width + x - patch.x];
  return [0, 8, 16, 24].map((shift) => (pixel >>> shift) & 255);
}

test("only the overlap of a mask and a patch is painted", () => {
  const patch = newPatch({ x0: 10, y0: 20, x1: 14, y1: 23 });
  blendMask(patch, block(12, 15, 100, 6), "#0a141e", "active", fill);
  assert.deepEqual(at(patch, 12, 20), [10, 20, 30, 255]);
  assert.deepEqual(at(patch, 13, 20), [10, 20, 30, 255]);
  assert.equal(patch.pixels.filter(Boolean).length, 2);
  blendMask(patch, block(0, 0, 10, 50), "#0a141e", "active", fill);
  blendMask(patch, block(0, 0, 50, 20), "#0a141e", "active", fill);
  blendMask(patch, block(14, 0, 5, 50), "#0a141e", "active", fill);
  assert.equal(patch.pixels.filter(Boolean).length, 2, "neighbours do not reach in");
});

test("a contour follows the border of the mask, not of the patch", () => {
  const patch = newPatch({ x0: 2, y0: 2, x1: 6, y1: 6 });
  blendMask(patch, block(0, 0, 20, 20), "#0a141e", "active", both);
  assert.deepEqual(at(patch, 2, 5), [10, 20, 30, 255], "the third ring");
  assert.deepEqual(at(patch, 3, 5), [10, 20, 30, 128], "the fill");
  const whole = newPatch({ x0: 0, y0: 0, x1: 20, y1: 20 });
  blendMask(whole, block(0, 0, 20, 20), "#0a141e", "active", both);
  for (let y = 2; y < 6; y++)
    for (let x = 2; x < 6; x++) assert.deepEqual(at(patch, x, y), at(whole, x, y));
});

test("a contour without a fill leaves the inside unchanged", () => {
  const patch = newPatch({ x0: 0, y0: 0, x1: 9, y1: 9 });
  blendMask(patch, block(0, 0, 9, 9), "#00ff00", "active", fill);
  blendMask(patch, block(0, 0, 9, 9), "#0000ff", "active", { ...both, maskStyle: "contour" });
  assert.deepEqual(at(patch, 4, 4), [0, 255, 0, 255]);
  assert.deepEqual(at(patch, 1, 4), [0, 0, 255, 255]);
});

test("masks are blended as on a canvas", () => {
  const half = { ...fill, opacity: 128 / 255 };
  const patch = newPatch({ x0: 0, y0: 0, x1: 3, y1: 1 });
  blendMask(patch, block(0, 0, 2, 1), "#ff0000", "active", half);
  blendMask(patch, block(1, 0, 2, 1), "#0000ff", "active", half);
  assert.deepEqual(at(patch, 0, 0), [255, 0, 0, 128]);
  assert.deepEqual(at(patch, 2, 0), [0, 0, 255, 128]);
  // 128 + 128 * 127 / 255 = 191.7; of it blue 128 / 191.7.
  assert.deepEqual(at(patch, 1, 0), [85, 0, 170, 192]);
  blendMask(patch, block(1, 0, 1, 1), "#00ff00", "active", fill);
  assert.deepEqual(at(patch, 1, 0), [0, 255, 0, 255], "nothing shows through");
});

test("cut-out pixels are cleared", () => {
  const patch = newPatch({ x0: 0, y0: 0, x1: 4, y1: 1 });
  blendMask(patch, block(0, 0, 4, 1), "#ff0000", "active", fill);
  const mask = block(1, -1, 2, 2);
  mask.inside[3] = 0;
  cutOut(patch, mask);
  assert.deepEqual([...patch.pixels].map(Boolean), [true, false, true, true]);
});

test("a preview has a dashed contour, whose gaps are fixed on the surface", () => {
  const style = /** @type {const} */ ({ ...both, opacity: 1 });
  const patch = newPatch({ x0: 0, y0: 0, x1: 40, y1: 40 });
  blendMask(patch, block(0, 0, 40, 40), "#00ff00", "preview", style);
  const rim = Array.from({ length: 40 }, (_, x) => at(patch, x, 0)[3]);
  assert.deepEqual(new Set(rim), new Set([242, 128]));
  assert.equal(rim.filter((alpha) => alpha === 128).length, 20);
  const moved = newPatch({ x0: 3, y0: 0, x1: 40, y1: 2 });
  blendMask(moved, block(3, 0, 37, 40), "#00ff00", "preview", style);
  assert.deepEqual(
    Array.from({ length: 37 }, (_, k) => at(moved, k + 3, 0)[3]),
    rim.slice(3),
  );
});
