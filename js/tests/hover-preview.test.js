import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { createHoverPreview, median } from "../src/stage/hover-preview.js";
import { EMPTY_STATE } from "../src/state/annotation.js";
import { paintedMask as mask, readyStore, statusIn } from "./examples.js";

/** @type {any[]} */
let sent;
let clock = 0;
/** @type {import("../src/state/store.js").Store} */
let store;
/** @type {ReturnType<typeof createHoverPreview>} */
let hover;
/** @type {AbortController} */
let controller;

beforeEach((context) => {
  controller = new AbortController();
  ({ store, sent } = readyStore());
  store.receiveOptions({ hoverPreview: true });
  hover = createHoverPreview({ store, changed() {}, signal: controller.signal, now: () => clock });
  /** @type {any} */ (context).after?.(() => controller.abort());
});

/** @param {number} after @param {typeof mask | null} [what] */
function answer(after, what = mask) {
  clock += after;
  store.receiveAnswer("preview", {
    client: "me",
    n: sent[sent.length - 1].n,
    mask: what,
    score: 0.5,
  });
}

test("one request at a time, and then the newest position", () => {
  hover.move({ x: 1, y: 2 }, false);
  hover.move({ x: 3, y: 4 }, false);
  hover.move({ x: 5, y: 6 }, true);
  assert.equal(sent.length, 1);
  answer(20);
  assert.deepEqual(sent[1], {
    type: "hover",
    client: "me",
    n: sent[1].n,
    epoch: 0,
    x: 5,
    y: 6,
    label: 0,
  });
  assert.equal(hover.shown()?.mask, mask);
  controller.abort();
});

test("no preview is requested when it is off, outside of the image, before the model is ready or while a click is pending", () => {
  store.receiveOptions({ hoverPreview: false });
  hover.move({ x: 1, y: 2 }, false);
  store.receiveOptions({ hoverPreview: true });
  hover.move({ x: 100, y: 2 }, false);
  store.receiveTraits({ status: statusIn("encoding") });
  hover.move({ x: 1, y: 2 }, false);
  store.receiveTraits({ status: statusIn("ready") });
  store.addPrompt({ type: "point", x: 1, y: 1, label: 1 });
  hover.move({ x: 1, y: 2 }, false);
  assert.deepEqual(sent, []);
  controller.abort();
});

test("a preview for changed prompts, or for a pointer that has left, is not shown", () => {
  hover.move({ x: 1, y: 2 }, false);
  store.addPrompt({ type: "point", x: 1, y: 1, label: 1 });
  store.receiveState({ ...EMPTY_STATE, revision: 1, ack: { me: 9 }, active: null });
  answer(10);
  assert.ok(hover.shown(), "the prompts are as before");
  hover.move({ x: 1, y: 2 }, false);
  hover.leave();
  answer(10);
  assert.equal(hover.shown(), null);
  controller.abort();
});

test("previews pause when answers are slow, until they are switched on again", () => {
  for (let round = 0; round < 5; round++) {
    hover.move({ x: round, y: 1 }, false);
    answer(round < 2 ? 10 : 450);
  }
  assert.deepEqual(hover.state(), { roundTrip: 450, paused: true, shown: false });
  hover.move({ x: 50, y: 1 }, false);
  assert.equal(sent.length, 5);
  store.receiveOptions({ hoverPreview: false });
  hover.state();
  store.receiveOptions({ hoverPreview: true });
  hover.move({ x: 50, y: 1 }, false);
  assert.equal(sent.length, 6);
  controller.abort();
});

test("a busy model gives no preview", () => {
  hover.move({ x: 1, y: 1 }, false);
  answer(5, null);
  assert.equal(hover.shown(), null);
  controller.abort();
});

test("the median of some and of none", () => {
  assert.equal(median([]), null);
  assert.equal(median([5, 1, 9]), 5);
});

test("a preview that does not come in two seconds counts as slow, and then the next position is requested", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (let round = 0; round < 5; round++) {
    hover.move({ x: round, y: 1 }, false);
    t.mock.timers.tick(2000);
    assert.equal(sent.length, round + 1);
  }
  assert.deepEqual(hover.state(), { roundTrip: 2000, paused: true, shown: false });
  answer(10);
  assert.equal(hover.shown(), null, "it is too late");
  controller.abort();
});
