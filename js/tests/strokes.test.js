import assert from "node:assert/strict";
import { test } from "node:test";

import { boundsOf, contains, cropLogits, rasterize } from "../src/pixels/mask.js";
import { strokeCovers } from "../src/pixels/strokes.js";

/** @typedef {import("../src/pixels/strokes.js").Stroke} Stroke */

const image = { width: 61, height: 43 };

/** Repeatable noise. @param {number} seed */
function noise(seed) {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
}

/** The sentence of the contract, pixel by pixel. @param {Stroke} stroke @param {number} X @param {number} Y */
function covers({ points, radius }, X, Y) {
  const [px, py] = [X + 0.5, Y + 0.5];
  for (let k = 0; k < Math.max(points.length - 2, 2); k += 2) {
    const [ax, ay] = [points[k], points[k + 1]];
    const [bx, by] = k + 2 < points.length ? [points[k + 2], points[k + 3]] : [ax, ay];
    const [dx, dy] = [bx - ax, by - ay];
    const L = dx * dx + dy * dy;
    const t = L > 0 ? Math.min(Math.max(((px - ax) * dx + (py - ay) * dy) / L, 0), 1) : 0;
    const [ex, ey] = [px - (ax + t * dx), py - (ay + t * dy)];
    if (ex * ex + ey * ey <= radius * radius) return true;
  }
  return false;
}

/** @param {() => number} random @returns {Stroke} */
function randomStroke(random) {
  const count = 1 + Math.floor(random() * 5);
  const snap = random() < 0.5 ? 0.5 : 0.01;
  const place = (/** @type {number} */ side) =>
    Math.round((random() * side * 1.2 - side * 0.1) / snap) * snap;
  const points = Float64Array.from({ length: 2 * count }, (_, k) =>
    place(k % 2 ? image.height : image.width),
  );
  return {
    points,
    radius: random() < 0.3 ? 0.5 : 0.3 + random() * 9,
    label: random() < 0.6 ? 1 : 0,
  };
}

/** @param {import("../src/pixels/mask.js").Mask} mask */
function pixelsOf(mask) {
  const { x, y, width, inside } = rasterize(mask, { image, left: 0, top: 0, ...image });
  const out = new Uint8Array(image.width * image.height);
  for (const [at, value] of inside.entries())
    out[(y + Math.floor(at / width)) * image.width + x + (at % width)] = value;
  return out;
}

test("strokes paint the same pixels as Python, over any mask", () => {
  const random = noise(7);
  for (let round = 0; round < 150; round++) {
    const strokes = Array.from({ length: 1 + Math.floor(random() * 3) }, () =>
      randomStroke(random),
    );
    const q = Int8Array.from({ length: 48 }, () => Math.round(random() * 200 - 120));
    const base = round % 2 ? cropLogits(8, 6, q) : null;
    const below = pixelsOf({ base, strokes: [] });
    const shown = pixelsOf({ base, strokes });
    for (let at = 0; at < shown.length; at++) {
      const [X, Y] = [at % image.width, Math.floor(at / image.width)];
      const expected = strokes.reduce(
        (value, stroke) => (covers(stroke, X, Y) ? stroke.label : value),
        below[at],
      );
      if (shown[at] !== expected) assert.fail(`round ${round}, pixel ${X}, ${Y}: ${shown[at]}`);
      if (round % 10 === 0) assert.equal(contains({ base, strokes }, image, X, Y), expected === 1);
    }
  }
});

test("a zoomed window shows the same pixels enlarged", () => {
  const strokes = [
    { points: Float64Array.of(5, 5, 40.25, 30), radius: 4.5, label: /** @type {const} */ (1) },
  ];
  const mask = { base: null, strokes };
  const placement = {
    image,
    left: -77,
    top: -31,
    width: image.width * 7.3,
    height: image.height * 7.3,
  };
  const window = { x0: 0, y0: 0, x1: 200, y1: 150 };
  const { x, y, width, height, inside } = rasterize(mask, placement, window);
  assert.ok(x >= 0 && y >= 0 && x + width <= 200 && y + height <= 150);
  for (let py = 0; py < 150; py++) {
    for (let px = 0; px < 200; px++) {
      const X = Math.floor(((px + 0.5 + 77) * image.width) / placement.width);
      const Y = Math.floor(((py + 0.5 + 31) * image.height) / placement.height);
      const there = px >= x && py >= y && px < x + width && py < y + height;
      assert.equal(there ? inside[(py - y) * width + px - x] : 0, covers(strokes[0], X, Y) ? 1 : 0);
    }
  }
});

test("a cut-out of pixels is painted exactly, also when partly out of view", () => {
  const data = Uint8Array.of(0b10100000, 0b10000000, 0b01000000, 0);
  const mask = {
    base: { kind: /** @type {const} */ ("pixels"), x: 4, y: 2, width: 9, height: 2, data },
    strokes: [],
  };
  const inside = [];
  for (let Y = 0; Y < 6; Y++)
    for (let X = 0; X < 16; X++) if (contains(mask, image, X, Y)) inside.push([X, Y]);
  assert.deepEqual(inside, [
    [4, 2],
    [6, 2],
    [12, 2],
    [5, 3],
  ]);
  assert.equal(
    pixelsOf(mask).reduce((sum, value) => sum + value, 0),
    4,
  );
});

test("bounds contain every pixel, and an empty mask has none", () => {
  const random = noise(3);
  for (let round = 0; round < 60; round++) {
    const mask = {
      base:
        round % 3
          ? cropLogits(
              8,
              6,
              Int8Array.from({ length: 48 }, () => (random() < 0.1 ? 50 : -50)),
            )
          : null,
      strokes: round % 2 ? [randomStroke(random)] : [],
    };
    const box = boundsOf(mask, image);
    for (let Y = 0; Y < image.height; Y++) {
      for (let X = 0; X < image.width; X++) {
        if (!contains(mask, image, X, Y)) continue;
        assert.ok(box && X >= box.x0 && X < box.x1 && Y >= box.y0 && Y < box.y1);
      }
    }
  }
  assert.equal(boundsOf({ base: null, strokes: [] }, image), null);
  assert.equal(
    boundsOf(
      { base: null, strokes: [{ points: Float64Array.of(1, 1), radius: 3, label: 0 }] },
      image,
    ),
    null,
  );
});

test("a single vertex is a disc including its border", () => {
  const disc = { points: Float64Array.of(10.5, 10.5), radius: 3, label: /** @type {const} */ (1) };
  assert.ok(strokeCovers(disc, 13.5, 10.5) && strokeCovers(disc, 10.5, 7.5));
  assert.ok(!strokeCovers(disc, 13.5, 11.5));
});
