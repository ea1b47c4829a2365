import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { createHover, median } from "../src/hover.js";
import { createStore } from "../src/store.js";
import { EMPTY_STATE } from "../src/wire.js";

/** @type {any[]} */
let asked;
let clock = 0;
/** @type {import("../src/store.js").Store} */
let store;
/** @type {ReturnType<typeof createHover>} */
let hover;
/** @type {AbortController} */
let controller;

const mask = { base: null, strokes: [{ points: Float64Array.of(1, 1), radius: 2, label: /** @type {const} */ (1) }] };

beforeEach((context) => {
  asked = [];
  controller = new AbortController();
  const link = { sendPrompts() {}, sendAction() {}, sendOptions() {}, sendHello() {}, sendQuestion: (/** @type {any} */ question) => void asked.push(question) };
  store = createStore({ client: "me", link });
  store.receivePicture({ width: 100, height: 100, viewWidth: 100, viewHeight: 100, mime: "", data: new Uint8Array(1), plane: 0, name: "", tiles: null });
  store.receiveStatus({ phase: "ready", message: "", hint: "", progress: null, model: "", device: "" });
  store.receiveOptions({ hoverPreview: true });
  hover = createHover({ store, changed() {}, signal: controller.signal, now: () => clock });
  /** @type {any} */ (context).after?.(() => controller.abort());
});

/** @param {number} after @param {typeof mask | null} [what] */
function answer(after, what = mask) {
  clock += after;
  store.receiveAnswer("preview", { client: "me", n: asked[asked.length - 1].n, mask: what, score: 0.5 });
}

test("one question at a time, and then the newest place", () => {
  hover.move({ x: 1, y: 2 }, false);
  hover.move({ x: 3, y: 4 }, false);
  hover.move({ x: 5, y: 6 }, true);
  assert.equal(asked.length, 1);
  answer(20);
  assert.deepEqual(asked[1], { type: "hover", client: "me", n: asked[1].n, epoch: 0, x: 5, y: 6, label: 0 });
  assert.equal(hover.shown()?.mask, mask);
  controller.abort();
});

test("nothing is asked when it is off, outside, before the model is ready or while a click is on its way", () => {
  store.receiveOptions({ hoverPreview: false });
  hover.move({ x: 1, y: 2 }, false);
  store.receiveOptions({ hoverPreview: true });
  hover.move({ x: 100, y: 2 }, false);
  store.receiveStatus({ phase: "encoding", message: "", hint: "", progress: null, model: "", device: "" });
  hover.move({ x: 1, y: 2 }, false);
  store.receiveStatus({ phase: "ready", message: "", hint: "", progress: null, model: "", device: "" });
  store.addPrompt({ type: "point", x: 1, y: 1, label: 1 });
  hover.move({ x: 1, y: 2 }, false);
  assert.deepEqual(asked, []);
  controller.abort();
});

test("an answer for prompts that have changed, or for a pointer that is gone, is not shown", () => {
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

test("it stops by itself when the way is slow, until it is switched on anew", () => {
  for (let round = 0; round < 5; round++) {
    hover.move({ x: round, y: 1 }, false);
    answer(round < 2 ? 10 : 450);
  }
  assert.deepEqual(hover.state(), { roundTrip: 450, paused: true, shown: false });
  hover.move({ x: 50, y: 1 }, false);
  assert.equal(asked.length, 5);
  store.receiveOptions({ hoverPreview: false });
  hover.state();
  store.receiveOptions({ hoverPreview: true });
  hover.move({ x: 50, y: 1 }, false);
  assert.equal(asked.length, 6);
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
