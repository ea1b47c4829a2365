import assert from "node:assert/strict";
import { test } from "node:test";

import { countPixels, createAreas } from "../src/area.js";
import { contains, cropLogits } from "../src/mask.js";

const image = { width: 700, height: 900 };
const q = Int8Array.from({ length: 256 }, (_, k) => ((k * 7919) % 255) - 140);
/** @type {import("../src/mask.js").Mask} */
const mask = { base: cropLogits(16, 16, q), strokes: [{ points: Float64Array.of(100, 100, 300, 250), radius: 40, label: 1 }] };
/** @type {import("../src/mask.js").Mask} */
const above = { base: null, strokes: [{ points: Float64Array.of(200, 150), radius: 120, label: 1 }] };
/** @type {import("../src/mask.js").Mask} */
const corner = { base: null, strokes: [{ points: Float64Array.of(690, 890), radius: 2, label: 1 }] };

/** @param {(x: number, y: number) => boolean} inside */
function count(inside) {
  let sum = 0;
  for (let y = 0; y < image.height; y++) for (let x = 0; x < image.width; x++) if (inside(x, y)) sum++;
  return sum;
}

test("every pixel counts, in however many portions", () => {
  assert.equal(countPixels(mask, [], image), count((x, y) => contains(mask, image, x, y)));
  assert.equal(countPixels({ base: null, strokes: [] }, [], image), 0);
});

test("pixels of objects above do not count", () => {
  const expected = count((x, y) => contains(mask, image, x, y) && !contains(above, image, x, y) && !contains(corner, image, x, y));
  assert.equal(countPixels(mask, [above, corner], image), expected);
});

test("areas are known later, and counted once", async () => {
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
