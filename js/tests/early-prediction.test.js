import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { createEarlyPrediction, PRESS_DELAY, REST_DELAY } from "../src/input/early-prediction.js";
import { EMPTY_STATE } from "../src/state/annotation.js";
import { PREVIEW_TIMEOUT } from "../src/state/timeouts.js";
import { paintedMask as mask, readyStore, statusIn } from "./examples.js";

/** @type {any[]} */
let sent;
let clock = 0;
/** @type {import("../src/state/store.js").Store} */
let store;
/** @type {ReturnType<typeof createEarlyPrediction>} */
let early;
/** @type {AbortController} */
let controller;

beforeEach(() => {
  clock = 0;
  controller = new AbortController();
  ({ store, sent } = readyStore());
  early = createEarlyPrediction({ store, signal: controller.signal, now: () => clock });
});

function answer() {
  const { n } = sent[sent.length - 1];
  store.receiveAnswer("preview", { client: "me", n, mask, score: 0.5 });
}

/** @param {import("node:test").TestContext} t */
function timers(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  return t.mock.timers;
}

const places = () => sent.map(({ type, x, y, label }) => [type, x, y, label]);

test("the mask is requested once, where the pointer has come to rest", (t) => {
  const clocks = timers(t);
  early.moved({ x: 1, y: 2 }, false);
  clocks.tick(REST_DELAY - 1);
  early.moved({ x: 3, y: 4 }, true);
  clocks.tick(REST_DELAY - 1);
  assert.deepEqual(sent, []);
  clocks.tick(1);
  clocks.tick(10 * REST_DELAY);
  assert.deepEqual(places(), [["hover", 3, 4, 0]]);
});

test("a click there shows that mask at once, and its press requests nothing", (t) => {
  const clocks = timers(t);
  const point = /** @type {const} */ ({ type: "point", x: 3, y: 4, label: 1 });
  early.moved({ x: 3, y: 4 }, false);
  clocks.tick(REST_DELAY);
  answer();
  early.pressed(() => point);
  clocks.tick(PRESS_DELAY);
  assert.equal(sent.length, 1);
  store.addPrompt(point);
  const { nextMask, isSpeculative } = store.snapshot();
  assert.deepEqual([nextMask, isSpeculative], [mask, true]);
});

test("a press elsewhere requests its own mask, once the button is down for a moment", (t) => {
  const clocks = timers(t);
  early.moved({ x: 3, y: 4 }, false);
  clocks.tick(REST_DELAY);
  answer();
  early.pressed(() => ({ type: "point", x: 50, y: 4, label: 1 }));
  clocks.tick(PRESS_DELAY);
  early.pressed(() => null);
  clocks.tick(PRESS_DELAY);
  assert.deepEqual(places(), [
    ["hover", 3, 4, 1],
    ["press", 50, 4, 1],
  ]);
});

test("a press or a pointer that leaves ends the waiting for rest", (t) => {
  const clocks = timers(t);
  early.moved({ x: 3, y: 4 }, false);
  early.pressed(() => null);
  clocks.tick(2 * REST_DELAY);
  early.moved({ x: 3, y: 4 }, false);
  early.cancel();
  clocks.tick(2 * REST_DELAY);
  early.moved({ x: 3, y: 4 }, false);
  controller.abort();
  clocks.tick(2 * REST_DELAY);
  assert.deepEqual(sent, []);
});

test("nothing is requested at rest while the model is busy, but once it is idle again", (t) => {
  const clocks = timers(t);
  store.receiveTraits({ status: statusIn("encoding") });
  early.moved({ x: 3, y: 4 }, false);
  clocks.tick(5 * REST_DELAY);
  assert.deepEqual(sent, []);
  store.receiveTraits({ status: statusIn("ready") });
  clocks.tick(5 * REST_DELAY);
  assert.deepEqual(places(), [["hover", 3, 4, 1]]);
});

test("nothing is requested at rest with the live preview on", (t) => {
  const clocks = timers(t);
  store.receiveOptions({ hoverPreview: true });
  early.moved({ x: 3, y: 4 }, false);
  clocks.tick(REST_DELAY);
  assert.deepEqual(sent, []);
});

test("a slow model gets one request at a time, and as much rest as it took", (t) => {
  const clocks = timers(t);
  early.moved({ x: 1, y: 1 }, false);
  clocks.tick(REST_DELAY);
  early.moved({ x: 2, y: 2 }, false);
  clocks.tick(REST_DELAY);
  assert.equal(sent.length, 1);
  clock = 5 * REST_DELAY;
  answer();
  clocks.tick(5 * REST_DELAY - 1);
  assert.equal(sent.length, 1);
  clocks.tick(1);
  assert.deepEqual(places().slice(1), [["hover", 2, 2, 1]]);
});

test("one slow answer does not end the requests of a user who clicks sooner", (t) => {
  const clocks = timers(t);
  early.moved({ x: 1, y: 1 }, false);
  clocks.tick(REST_DELAY);
  clock = 8 * REST_DELAY;
  answer();
  for (const [rest, requests] of [
    [3, 1],
    [3, 1],
    [3, 2],
  ]) {
    early.moved({ x: 2, y: 2 }, false);
    clocks.tick(rest * REST_DELAY);
    assert.equal(sent.length, requests);
    early.pressed(() => null);
  }
});

test("a lost answer does not end the requests", (t) => {
  const clocks = timers(t);
  early.moved({ x: 1, y: 1 }, false);
  clocks.tick(REST_DELAY);
  clocks.tick(PREVIEW_TIMEOUT);
  early.moved({ x: 2, y: 2 }, false);
  clocks.tick(REST_DELAY);
  assert.equal(sent.length, 2);
});

test("the mask of an object that has changed since is not shown", (t) => {
  const clocks = timers(t);
  early.moved({ x: 3, y: 4 }, false);
  clocks.tick(REST_DELAY);
  answer();
  store.receiveState({ ...EMPTY_STATE, revision: 1, ack: {}, active: null });
  store.addPrompt({ type: "point", x: 3, y: 4, label: 1 });
  assert.deepEqual([store.snapshot().nextMask, store.snapshot().isSpeculative], [null, false]);
});
