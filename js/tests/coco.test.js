import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { encodeMask, numbersOf, toCoco, writeRuns } from "../src/state/coco.js";

/** @param {string[]} rows @param {number} [x] @param {number} [y] @returns {import("../src/pixels/mask.js").Mask} */
function pixels(rows, x = 0, y = 0) {
  const width = rows[0].length;
  const stride = (width + 7) >> 3;
  const data = new Uint8Array(stride * rows.length);
  for (const [j, row] of rows.entries()) {
    for (const [k, cell] of [...row].entries())
      data[j * stride + (k >> 3)] |= Number(cell === "#") << (7 - (k & 7));
  }
  return { base: { kind: "pixels", x, y, width, height: rows.length, data }, strokes: [] };
}

const IMAGE = { width: 6, height: 4 };

test("run lengths are encoded as by pycocotools", () => {
  assert.equal(writeRuns([0, 24]), "0h0");
  assert.equal(writeRuns([24]), "h0");
  assert.equal(writeRuns([5, 2, 2, 2, 13]), "5220;");
  assert.equal(writeRuns([90000, 7, 3, 9000, 990]), "`lg273Qi8kn0");
});

test("a mask is encoded column by column, from its bounding box", () => {
  assert.deepEqual(encodeMask(pixels(["##", "##"], 1, 1), [], IMAGE), {
    counts: writeRuns([5, 2, 2, 2, 13]),
    area: 4,
    bbox: [1, 1, 2, 2],
  });
  assert.deepEqual(encodeMask(pixels(["######", "######", "######", "######"]), [], IMAGE), {
    counts: writeRuns([0, 24]),
    area: 24,
    bbox: [0, 0, 6, 4],
  });
  assert.deepEqual(encodeMask(pixels(["."]), [], IMAGE), {
    counts: writeRuns([24]),
    area: 0,
    bbox: [0, 0, 0, 0],
  });
  assert.deepEqual(
    encodeMask(pixels(["#", "#", "#", "#"], 5, 0), [], IMAGE).counts,
    writeRuns([20, 4]),
  );
});

test("objects above are cut out if each pixel belongs to one object", () => {
  const below = pixels(["##", "##"], 1, 1);
  const above = pixels(["#"], 2, 1);
  assert.deepEqual(encodeMask(below, [above], IMAGE), {
    counts: writeRuns([5, 2, 3, 1, 13]),
    area: 3,
    bbox: [1, 1, 2, 2],
  });
});

const row = (
  /** @type {number} */ id,
  /** @type {any} */ mask,
  /** @type {string | null} */ label,
  more = {},
) => ({
  id,
  index: 0,
  color: "#112233",
  label,
  score: 0.5,
  number: null,
  crowd: false,
  prompts: [],
  ownColor: null,
  visible: true,
  locked: false,
  tracked: false,
  mask,
  ...more,
});

test("the file contains all masks of the page, also the active one, and no objects without a mask", () => {
  const rows = [row(3, pixels(["#"], 0, 0), "cat"), row(4, null, null), row(9, null, null)];
  const snapshot = /** @type {any} */ ({
    picture: { ...IMAGE, name: "a.jpg" },
    rows,
    active: rows[2],
    mask: pixels(["#"], 1, 0),
    settings: { overlap: "on top" },
    categories: [],
  });
  const file = JSON.parse(toCoco(snapshot));
  assert.deepEqual(file.images, [{ id: 1, file_name: "a.jpg", width: 6, height: 4 }]);
  assert.deepEqual(file.categories, [
    { id: 1, name: "cat" },
    { id: 2, name: "object" },
  ]);
  assert.deepEqual(
    file.annotations.map((/** @type {any} */ one) => [
      one.id,
      one.category_id,
      one.area,
      one.segmentation.size,
    ]),
    [
      [1, 1, 1, [4, 6]],
      [3, 2, 1, [4, 6]],
    ],
  );
});

test("a file has the kernel's class numbers, and numbers, scores and crowds of the objects: test_coco.py writes the same", () => {
  const categories = [
    { id: 18, name: "dog" },
    { id: 17, name: "cat" },
    { id: 90, name: "unused" },
  ];
  const rows = [
    row(1, pixels(["##", "##"], 1, 1), "cat", { number: 70, crowd: true }),
    row(2, pixels(["#"], 5, 0), null, { score: null }),
    row(3, pixels(["#", "#"], 0, 2), "dog", { number: 3 }),
    row(4, pixels(["###"], 3, 3), "new", { number: 70, score: 0.25 }),
  ];
  const snapshot = /** @type {any} */ ({
    picture: { ...IMAGE, name: "a.jpg" },
    rows,
    active: null,
    mask: null,
    settings: { overlap: "on top" },
    categories,
  });
  const expected = JSON.parse(
    readFileSync(new URL("data/page.coco.json", import.meta.url), "utf8"),
  );
  assert.deepEqual(JSON.parse(toCoco(snapshot)), expected);
});

test("objects keep their own numbers, and no two have the same", () => {
  const numbers = (/** @type {(number | null)[]} */ ...own) =>
    numbersOf(own.map((number) => ({ number })));
  assert.deepEqual(numbers(null, null), [1, 2]);
  assert.deepEqual(numbers(5, null, 5, 2, null), [5, 6, 7, 2, 8]);
  assert.deepEqual(numbers(1, 2 ** 53, null, null), [1, 2 ** 53, 2, 3]);
  assert.deepEqual(numbers(), []);
});
