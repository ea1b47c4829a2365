import assert from "node:assert/strict";
import { test } from "node:test";

import { createStore } from "../src/state/store.js";
import { createTiles, levelFor, tileBounds, tilesIn } from "../src/stage/tiles.js";
import { linkWith } from "./examples.js";

/** @type {import("../src/state/annotation.js").Picture} */
const picture = {
  width: 10001,
  height: 4001,
  viewWidth: 1600,
  viewHeight: 640,
  mime: "",
  plane: 0,
  name: "",
  data: new Uint8Array(1),
  tiles: { size: 512, levels: 5 },
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
  assert.equal(
    levelFor({ ...picture, tiles: { size: 512, levels: 1 } }, 0.3),
    null,
    "a level that is not served",
  );
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

test("only tiles in view are requested, those in the middle first", () => {
  const names = tilesIn(picture, 0, { x0: 600, y0: 600, x1: 2500, y1: 1500 });
  assert.deepEqual(new Set(names.map(({ col }) => col)), new Set([1, 2, 3, 4]));
  assert.deepEqual(new Set(names.map(({ row }) => row)), new Set([1, 2]));
  assert.ok([2, 3].includes(names[0].col));
  assert.deepEqual(tilesIn(picture, 0, { x0: -500, y0: -500, x1: -1, y1: -1 }), []);
  assert.equal(tilesIn(picture, 0, { x0: -500, y0: -500, x1: 10, y1: 10 }).length, 1);
});

/** A store that records requests, and a context that records what is drawn. */
function bench() {
  /** @type {any[]} */
  const requests = [];
  const link = linkWith({ sendRequest: (request) => void requests.push(request) });
  const store = createStore({ client: "me", link });
  /** @type {any[]} */
  const drawn = [];
  const context = /** @type {any} */ ({
    drawImage: (/** @type {any[]} */ ...args) => drawn.push(args),
  });
  return { requests, store, drawn, context, below: () => void drawn.push("below") };
}

/** @param {number} width @returns {import("../src/pixels/geometry.js").Placement} the whole image at that width */
const across = (width) => ({
  image: picture,
  left: 0,
  top: 0,
  width,
  height: (width * picture.height) / picture.width,
});
const whole = { x0: 0, y0: 0, x1: picture.width, y1: picture.height };

test("tiles are requested a few at a time, drawn at their places, and not requested twice", async () => {
  let closed = 0;
  globalThis.createImageBitmap = /** @type {any} */ (async () => ({ close: () => closed++ }));
  const controller = new AbortController();
  const { requests, store, drawn, context } = bench();
  const below = () => {};
  /** @type {() => void} */
  let came = () => {};
  const tiles = createTiles({ store, changed: () => came(), signal: controller.signal });
  const placement = across(2500.25);
  tiles.draw(context, picture, placement, whole, below);
  assert.deepEqual(
    requests.map(({ level, tiles: names }) => [level, names.length]),
    [
      [2, 4],
      [2, 4],
    ],
  );
  tiles.draw(context, picture, placement, whole, below);
  assert.equal(requests.length, 2, "the others wait");

  const [col, row] = requests[0].tiles[0];
  const done = new Promise((resolve) => (came = () => resolve(null)));
  const answer = requests[0].tiles.map((/** @type {number[]} */ [c, r]) => ({
    col: c,
    row: r,
    mime: "image/jpeg",
    data: new Uint8Array(1),
  }));
  store.receiveAnswer("tiles", { client: "me", plane: 0, level: 2, tiles: answer });
  store.receiveAnswer("tiles", { client: "me", plane: 1, level: 2, tiles: answer });
  store.receiveAnswer("tiles", { client: "another", plane: 0, level: 2, tiles: answer });
  await done;
  tiles.draw(context, picture, placement, whole, below);
  assert.equal(drawn.length, 4);
  const { x0, y0 } = tileBounds(picture, { level: 2, col, row });
  const mine = drawn.find(
    ([, left, top]) => left === Math.round(x0 / 4) && top === Math.round(y0 / 4),
  );
  assert.ok(mine, "at its position, four image pixels per screen pixel");
  assert.equal(requests.length, 3, "there is room for another batch");
  const names = requests.flatMap((question) => question.tiles.map(String));
  assert.equal(new Set(names).size, names.length);

  tiles.draw(context, { ...picture }, placement, whole, below);
  assert.equal(closed, 4, "another image has other tiles");
  controller.abort();
});

test("no tiles are requested if the first picture is sharp enough", () => {
  const controller = new AbortController();
  const { requests, store, drawn, context, below } = bench();
  const tiles = createTiles({ store, changed() {}, signal: controller.signal });
  tiles.draw(context, picture, across(1500), whole, below);
  tiles.draw(context, { ...picture, tiles: null }, across(9000), whole, below);
  assert.deepEqual(requests, []);
  assert.deepEqual(drawn, ["below", "below"]);
  controller.abort();
});

test("nothing is drawn below tiles that cover the view", async () => {
  globalThis.createImageBitmap = /** @type {any} */ (async () => ({ close() {} }));
  const controller = new AbortController();
  const { requests, store, drawn, context, below } = bench();
  /** @type {() => void} */
  let came = () => {};
  const tiles = createTiles({ store, changed: () => came(), signal: controller.signal });
  /** @param {number} level */
  const answer = async (level) => {
    const done = new Promise((resolve) => (came = () => resolve(null)));
    const { tiles: names } = requests.filter((question) => question.level === level).at(-1);
    const parts = names.map((/** @type {number[]} */ [col, row]) => ({
      col,
      row,
      mime: "image/jpeg",
      data: new Uint8Array(1),
    }));
    store.receiveAnswer("tiles", { client: "me", plane: 0, level, tiles: parts });
    await done;
    drawn.length = 0;
  };
  const view = { x0: 0, y0: 0, x1: 600, y1: 400 };
  tiles.draw(context, picture, across(5000), view, below);
  await answer(1);
  tiles.draw(context, picture, across(10001), view, below);
  assert.equal(drawn[0], "below");
  assert.equal(drawn.length, 2, "the first picture, and the coarser tile over it");
  await answer(0);
  tiles.draw(context, picture, across(10001), view, below);
  assert.equal(drawn.length, 2, "two fine tiles");
  assert.ok(!drawn.includes("below"));
  tiles.draw(context, picture, across(10001), { ...view, x1: 1100 }, below);
  assert.equal(drawn.filter((each) => each === "below").length, 1, "a tile is missing there");
  controller.abort();
});

test("missing tiles in view are requested three times, and still used when they arrive late", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.createImageBitmap = /** @type {any} */ (async () => ({ close() {} }));
  const controller = new AbortController();
  const { requests, store, drawn, context, below } = bench();
  const view = { x0: 0, y0: 0, x1: 400, y1: 400 };
  /** @type {() => void} */
  let came = () => {};
  const tiles = createTiles({ store, changed: () => came(), signal: controller.signal });
  const draw = () => tiles.draw(context, picture, across(10001), view, below);
  draw();
  for (const times of [1, 2, 3, 3]) {
    assert.equal(requests.length, times);
    t.mock.timers.tick(3999);
    draw();
    assert.equal(requests.length, times, "it is in flight");
    t.mock.timers.tick(1);
    draw();
  }
  assert.deepEqual(requests[2].tiles, [[0, 0]]);
  const done = new Promise((resolve) => (came = () => resolve(null)));
  store.receiveAnswer("tiles", {
    client: "me",
    plane: 0,
    level: 0,
    tiles: [{ col: 0, row: 0, mime: "", data: new Uint8Array(1) }],
  });
  await done;
  drawn.length = 0;
  draw();
  assert.equal(drawn.length, 1);
  assert.ok(!drawn.includes("below"));
  controller.abort();
});
