import assert from "node:assert/strict";
import { test } from "node:test";

import { levelFor, tileBounds, tilesIn } from "../src/tiles.js";

/** @type {import("../src/wire.js").Picture} */
const picture = {
  width: 10001, height: 4001, viewWidth: 1600, viewHeight: 640, mime: "", name: "",
  data: new Uint8Array(1), tiles: { size: 512, levels: 5 },
};

test("the coarsest level that is as sharp as the screen", () => {
  assert.equal(levelFor(picture, 0.15), null, "the first picture is sharper than that");
  assert.equal(levelFor(picture, 0.2), 2);
  assert.equal(levelFor(picture, 0.25), 2);
  assert.equal(levelFor(picture, 0.26), 1);
  assert.equal(levelFor(picture, 1), 0);
  assert.equal(levelFor(picture, 40), 0);
  assert.equal(levelFor({ ...picture, tiles: null }, 1), null);
  assert.equal(levelFor({ ...picture, viewWidth: 10001 }, 9), null);
  assert.equal(levelFor({ ...picture, tiles: { size: 512, levels: 1 } }, 0.3), null, "a level that is not served");
});

test("tiles cover the image without gap or overlap", () => {
  for (const level of [0, 1, 2]) {
    const whole = { x0: 0, y0: 0, x1: picture.width, y1: picture.height };
    const bounds = tilesIn(picture, level, whole).map((name) => tileBounds(picture, name));
    const area = bounds.reduce((sum, { x0, y0, x1, y1 }) => sum + (x1 - x0) * (y1 - y0), 0);
    assert.ok(Math.abs(area - picture.width * picture.height) < 1e-3, `level ${level}`);
    assert.equal(Math.max(...bounds.map(({ x1 }) => x1)), picture.width);
    assert.equal(Math.min(...bounds.map(({ y0 }) => y0)), 0);
  }
});

test("only what is in view is asked for, the middle first", () => {
  const names = tilesIn(picture, 0, { x0: 600, y0: 600, x1: 2500, y1: 1500 });
  assert.deepEqual(new Set(names.map(({ col }) => col)), new Set([1, 2, 3, 4]));
  assert.deepEqual(new Set(names.map(({ row }) => row)), new Set([1, 2]));
  assert.ok([2, 3].includes(names[0].col));
  assert.deepEqual(tilesIn(picture, 0, { x0: -500, y0: -500, x1: -1, y1: -1 }), []);
  assert.equal(tilesIn(picture, 0, { x0: -500, y0: -500, x1: 10, y1: 10 }).length, 1);
});
