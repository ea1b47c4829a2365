import assert from "node:assert/strict";
import { test } from "node:test";

import { depthLevels } from "../src/pixels/contour.js";
import { cropLogits, rasterize } from "../src/pixels/mask.js";

/** @typedef {import("../src/pixels/geometry.js").Size} Size */

/**
 * The formula, pixel by pixel and without any shortcut.
 *
 * @param {Int8Array} q @param {number} w @param {number} h @param {Size} image
 */
function bruteForce(q, w, h, { width: W, height: H }) {
  const mask = [];
  const [sx, sy] = [w / W, h / H];
  for (let Y = 0; Y < H; Y++) {
    for (let X = 0; X < W; X++) {
      const s = Math.max((X + 0.5) * sx - 0.5, 0);
      const t = Math.max((Y + 0.5) * sy - 0.5, 0);
      const i0 = Math.min(Math.floor(s), w - 1);
      const j0 = Math.min(Math.floor(t), h - 1);
      const i1 = Math.min(i0 + 1, w - 1);
      const j1 = Math.min(j0 + 1, h - 1);
      const [f, g] = [s - i0, t - j0];
      const r0 = q[j0 * w + i0] * (1 - f) + q[j0 * w + i1] * f;
      const r1 = q[j1 * w + i0] * (1 - f) + q[j1 * w + i1] * f;
      mask.push(r0 * (1 - g) + r1 * g > 0 ? 1 : 0);
    }
  }
  return mask;
}

/** @param {number} w @param {number} h @param {Int8Array} q @returns {import("../src/pixels/mask.js").Mask} */
const maskOf = (w, h, q) => ({ base: cropLogits(w, h, q), strokes: [] });

/** @param {Size} image @param {Size} surface */
const filling = (image, surface) => ({
  image,
  left: 0,
  top: 0,
  width: surface.width,
  height: surface.height,
});

/** The whole surface of a bitmap. @param {import("../src/pixels/bitmap.js").Bitmap} bitmap @param {Size} surface */
function spread({ x, y, width, inside }, surface) {
  const out = new Array(surface.width * surface.height).fill(0);
  inside.forEach((value, at) => {
    out[(y + Math.floor(at / width)) * surface.width + x + (at % width)] = value;
  });
  return out;
}

/** Repeatable noise. @param {number} seed */
function noise(seed) {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
}

/** @param {number} w @param {number} h @param {number} seed @param {number} bias */
const randomLogits = (w, h, seed, bias) => {
  const random = noise(seed);
  return Int8Array.from({ length: w * h }, () =>
    Math.max(-128, Math.min(127, Math.round((random() - bias) * 255))),
  );
};

for (const [w, h, W, H, bias] of [
  [4, 4, 16, 16, 0.5],
  [5, 3, 17, 23, 0.5],
  [8, 8, 8, 8, 0.5],
  [16, 16, 5, 7, 0.4],
  [16, 16, 1, 1, 0.2],
  [1, 1, 9, 4, 0.1],
  [12, 9, 1, 500, 0.6],
  [12, 9, 500, 1, 0.6],
  [31, 29, 64, 48, 0.97],
]) {
  test(`mask of ${w}x${h} logits on ${W}x${H} pixels equals the formula`, () => {
    const image = { width: W, height: H };
    for (let seed = 1; seed <= 5; seed++) {
      const q = randomLogits(w, h, seed, bias);
      const mask = spread(rasterize(maskOf(w, h, q), filling(image, image)), image);
      assert.deepEqual(mask, bruteForce(q, w, h, image));
    }
  });
}

test("positive logits in the corners fill the corners of the image", () => {
  const q = new Int8Array(16).fill(-100);
  for (const corner of [0, 3, 12, 15]) q[corner] = 100;
  const image = { width: 40, height: 20 };
  const mask = spread(rasterize(maskOf(4, 4, q), filling(image, image)), image);
  assert.deepEqual(mask, bruteForce(q, 4, 4, image));
  for (const corner of [0, 39, 19 * 40, 20 * 40 - 1]) assert.equal(mask[corner], 1);
});

test("without a positive logit there is no pixel: zero is outside", () => {
  for (const value of [-128, -1, 0]) {
    const bitmap = rasterize(
      maskOf(6, 6, new Int8Array(36).fill(value)),
      filling({ width: 30, height: 30 }, { width: 50, height: 50 }),
    );
    assert.equal(bitmap.inside.length, 0);
  }
});

test("a mask with only positive logits fills the surface", () => {
  const surface = { width: 33, height: 21 };
  const bitmap = rasterize(
    maskOf(6, 6, new Int8Array(36).fill(1)),
    filling({ width: 30, height: 30 }, surface),
  );
  assert.deepEqual([bitmap.x, bitmap.y, bitmap.width, bitmap.height], [0, 0, 33, 21]);
  assert.ok(bitmap.inside.every(Boolean));
});

for (const [width, height] of [
  [97, 61],
  [20, 9],
  [7, 300],
  [1, 1],
]) {
  test(`a ${width}x${height} surface shows the image pixel under each pixel's centre`, () => {
    const image = { width: 41, height: 27 };
    const q = randomLogits(13, 11, 3, 0.55);
    const mask = bruteForce(q, 13, 11, image);
    const shown = spread(rasterize(maskOf(13, 11, q), filling(image, { width, height })), {
      width,
      height,
    });
    shown.forEach((value, at) => {
      const X = Math.floor((((at % width) + 0.5) * 41) / width);
      const Y = Math.floor(((Math.floor(at / width) + 0.5) * 27) / height);
      assert.equal(value, mask[Y * 41 + X], `pixel ${at}`);
    });
  });
}

test("the crop keeps a ring around the positive logits, within the grid", () => {
  const q = new Int8Array(64).fill(-5);
  q[2 * 8 + 3] = 9;
  const { x0, y0, x1, y1, data } = cropLogits(8, 8, q);
  assert.deepEqual([x0, y0, x1, y1], [2, 1, 5, 4]);
  assert.deepEqual([...data], [-5, -5, -5, -5, 9, -5, -5, -5, -5]);
  q[0] = 1;
  assert.equal(cropLogits(8, 8, q).x0, 0);
});

test("depth levels count city-block steps from the outside, borders included", () => {
  const inside = Uint8Array.from([
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1,
  ]);
  const none = new Int32Array(0);
  const bitmap = { x: 0, y: 0, width: 5, height: 5, inside, columns: none, rows: none };
  assert.deepEqual(
    [...depthLevels(bitmap, 9)],
    [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 2, 2, 1, 1, 1, 2, 1, 0, 1, 1, 1, 1, 1, 1],
  );
  assert.equal(Math.max(...depthLevels(bitmap, 1)), 1);
});
