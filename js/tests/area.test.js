import assert from "node:assert/strict";
import { test } from "node:test";

import { countPixels, createAreas } from "../src/pixels/area.js";
import { contains, countLogits, cropLogits, rasterize } from "../src/pixels/mask.js";

const image = { width: 700, height: 900 };
const q = Int8Array.from({ length: 256 }, (_, k) => ((k * 7919) % 255) - 140);
/** @type {import("../src/pixels/mask.js").Mask} */
const mask = {
  base: cropLogits(16, 16, q),
  strokes: [{ points: Float64Array.of(100, 100, 300, 250), radius: 40, label: 1 }],
};
/** @type {import("../src/pixels/mask.js").Mask} */
const above = {
  base: null,
  strokes: [{ points: Float64Array.of(200, 150), radius: 120, label: 1 }],
};
/** @type {import("../src/pixels/mask.js").Mask} */
const corner = {
  base: null,
  strokes: [{ points: Float64Array.of(690, 890), radius: 2, label: 1 }],
};

/** @param {(x: number, y: number) => boolean} inside */
function count(inside) {
  let sum = 0;
  for (let y = 0; y < image.height; y++)
    for (let x = 0; x < image.width; x++) if (inside(x, y)) sum++;
  return sum;
}

test("every pixel is counted, in any number of portions", () => {
  assert.equal(
    countPixels(mask, [], image),
    count((x, y) => contains(mask, image, x, y)),
  );
  assert.equal(countPixels({ base: null, strokes: [] }, [], image), 0);
});

/** Numbers as a seed gives them, the same everywhere. @param {number} seed */
function random(seed) {
  let state = seed;
  return (/** @type {number} */ below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test("the counted area is the number of painted pixels, for any logits at any size", () => {
  for (let seed = 0; seed < 400; seed++) {
    const draw = random(seed);
    const [width, height] = [1 + draw(9), 1 + draw(9)];
    // Few different values: rows and cells that cancel each other out are where rounding shows.
    const most = [1, 3, 127][draw(3)];
    const values = Int8Array.from({ length: width * height }, () => draw(2 * most + 1) - most);
    const logits = cropLogits(width, height, values);
    const size = { width: 1 + draw(150), height: 1 + draw(150) };
    const window = { x0: 0, y0: draw(size.height), x1: size.width, y1: size.height };
    const { inside } = rasterize(
      { base: logits, strokes: [] },
      { image: size, left: 0, top: 0, ...size },
      undefined,
      window,
    );
    assert.equal(
      countLogits(logits, size, window),
      inside.reduce((sum, pixel) => sum + pixel, 0),
      `seed ${seed}`,
    );
  }
});

test("pixels of objects above are left out of the area", () => {
  const expected = count(
    (x, y) =>
      contains(mask, image, x, y) &&
      !contains(above, image, x, y) &&
      !contains(corner, image, x, y),
  );
  assert.equal(countPixels(mask, [above, corner], image), expected);
});

test("areas are available later, and counted once", async () => {
  const controller = new AbortController();
  const areaOf = await new Promise((resolve) => {
    const areas = createAreas({ changed: () => resolve(areas), signal: controller.signal });
    assert.equal(areas(mask, [], image), null);
    assert.equal(areas(mask, [], image), null);
  });
  assert.equal(areaOf(mask, [], image), countPixels(mask, [], image));
  assert.equal(areaOf(mask, [above], image), null, "another question");
  controller.abort();
});

test("an area that was not counted for long is requested again", async () => {
  const controller = new AbortController();
  const { now } = performance;
  let changes = 0;
  const area = await new Promise((resolve) => {
    const areas = createAreas({
      changed() {
        changes += 1;
        const found = areas(mask, [], image);
        if (found !== null) resolve(found);
      },
      signal: controller.signal,
    });
    areas(mask, [], image);
    // The tab was hidden for a minute.
    performance.now = () => now.call(performance) + 60_000;
  });
  performance.now = now;
  assert.equal(area, countPixels(mask, [], image));
  assert.equal(changes, 2);
  controller.abort();
});
