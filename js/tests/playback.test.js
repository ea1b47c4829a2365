import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { BATCH, createPlayback, RATE } from "../src/stage/playback.js";
import { FRAMES_TIMEOUT } from "../src/state/timeouts.js";

/** @typedef {import("../src/stage/playback.js").FramesRequest} FramesRequest */

/** Milliseconds of a plane, and a little more than the rounding of sums. */
const STEP = 1000 / RATE + 0.01;

let time = 0;
/** @type {FramesRequest[]} */
let asked = [];
let open = 0;
/** @type {ReturnType<typeof createPlayback>} */
let playback;

beforeEach(() => {
  [time, asked, open] = [1000, [], 0];
  playback = createPlayback({
    request: (wanted) => asked.push(wanted),
    decode(picture) {
      if (!picture.data.length) return Promise.reject(new Error("damaged"));
      open += 1;
      return Promise.resolve(/** @type {any} */ ({ close: () => (open -= 1) }));
    },
    changed() {},
    now: () => time,
  });
});

/** @param {number} n of the request @param {number} plane @param {object} [more] */
const arrive = (n, plane, more = {}) =>
  playback.receive({
    client: "me",
    n,
    plane,
    picture: { width: 4, height: 4, mime: "", data: Uint8Array.of(1) },
    objects: [],
    error: "",
    ...more,
  });

/** All frames of a request. @param {number} n counted from 1 @param {number} [interval] milliseconds */
async function arriveAll(n, interval = 0) {
  const { first, count, step } = asked[n - 1];
  for (let k = 0; k < count; k++) {
    if (interval) tick(interval);
    await arrive(n, first + k * step);
  }
}

/** @param {number} after milliseconds */
function tick(after) {
  time += after;
  return playback.tick(time);
}

test("frames are requested ahead, and shown one after the other at a steady pace", async () => {
  playback.start(4, { stop: 100, side: 640 });
  assert.deepEqual(asked, [{ first: 5, count: BATCH, step: 1, side: 640, restart: true }]);
  await arriveAll(1);
  assert.equal(playback.frame(), null, "nothing is shown before it is due");
  assert.equal(tick(STEP), 5);
  assert.equal(tick(STEP / 2), 5);
  assert.equal(tick(STEP / 2), 6);
  assert.equal(playback.frame()?.plane, 6);
  const next = asked[1];
  assert.deepEqual([next.first, next.restart], [5 + BATCH, false]);
  assert.equal(asked.length, 2, "no more than fits");
});

test("a late viewer skips frames instead of lagging, and no picture stays in memory", async () => {
  playback.start(0, { stop: 100, side: 640 });
  await arriveAll(1);
  assert.equal(tick(5 * STEP), 5);
  assert.equal(open, BATCH - 4, "those before were closed");
  playback.stop();
  playback.release();
  assert.equal(open, 0);
});

test("without frames the film waits, and goes on where it was", async () => {
  playback.start(0, { stop: 100, side: 640 });
  for (let k = 0; k < 20; k++) assert.equal(tick(STEP), 0);
  await arriveAll(1);
  assert.equal(tick(1), 1);
  assert.equal(tick(STEP), 2);
});

test("a hidden page does not jump ahead", async () => {
  playback.start(0, { stop: 100, side: 640 });
  await arriveAll(1);
  assert.equal(tick(STEP), 1);
  assert.equal(tick(60_000), 1);
  assert.equal(tick(STEP), 2);
});

test("fewer planes are requested from a kernel that is slower than the film", async () => {
  playback.start(0, { stop: 1000, side: 640 });
  await arriveAll(1, 2.5 * STEP);
  assert.equal(asked[1].step, 3);
  assert.equal(asked[1].first, 1 + BATCH);
  await arriveAll(2, STEP / 2);
  while (asked.length < 4) await arriveAll(asked.length, STEP / 2);
  assert.ok(asked[3].step < 3, "and for more again when it is faster");
});

test("lost frames are requested again", async () => {
  playback.start(0, { stop: 100, side: 640 });
  await arrive(1, 1);
  assert.equal(tick(STEP), 1);
  for (let waited = 0; waited < FRAMES_TIMEOUT; waited += 400) tick(400);
  assert.deepEqual(asked.at(-1), { first: 2, count: BATCH, step: 1, side: 640, restart: true });
  await arrive(1, 2);
  assert.equal(playback.isPlaying(), true);
  await arriveAll(asked.length);
  assert.equal(tick(1), 2);
});

test("frames that cannot be read or decoded are left out", async () => {
  playback.start(0, { stop: 4, side: 640 });
  await arrive(1, 1, { picture: null, error: "cannot be read" });
  await arrive(1, 2, { picture: { width: 4, height: 4, mime: "", data: new Uint8Array() } });
  await arrive(1, 3);
  assert.equal(tick(2 * STEP), 0);
  assert.equal(tick(STEP), null, "it was the last one");
  assert.equal(playback.frame()?.plane, 3);
});

test("playback ends at the last plane, and what was shown stays until the kernel shows it", async () => {
  playback.start(97, { stop: 100, side: 640 });
  assert.equal(asked[0].count, 2);
  await arriveAll(1);
  assert.equal(tick(STEP), 98);
  assert.equal(tick(STEP), null);
  assert.equal(playback.stop(), 99);
  assert.equal(playback.isPlaying(), false);
  assert.equal(playback.frame()?.plane, 99);
  assert.deepEqual(asked.at(-1), { first: 99, count: 0, step: 1, side: 64, restart: true });
  playback.release();
  assert.equal(playback.frame(), null);
  assert.equal(open, 0);
});

test("frames of an earlier request or of nobody's are ignored", async () => {
  await arrive(7, 3);
  playback.start(0, { stop: 50, side: 640 });
  await arrive(7, 3);
  assert.equal(tick(4 * STEP), 0);
  playback.stop();
  await arrive(1, 1);
  assert.equal(open, 0);
  assert.equal(playback.frame(), null);
});

test("a picture need not be larger or smaller than the kernel allows", () => {
  playback.start(0, { stop: 50, side: 9000 });
  playback.start(0, { stop: 50, side: 20.4 });
  playback.start(0, { stop: 50, side: 700.6 });
  assert.deepEqual(
    asked.map(({ side }) => side),
    [2048, 64, 701],
  );
});
