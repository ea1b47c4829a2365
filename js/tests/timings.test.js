import assert from "node:assert/strict";
import { test } from "node:test";
import { createTimings } from "../src/timings.js";

/** A page whose clock and frames are ours. */
function page() {
  const clock = { now: 0 };
  /** @type {(() => void)[]} */
  const frames = [];
  const timings = createTimings({ client: "me", now: () => clock.now, afterFrame: (then) => void frames.push(then) });
  /** @param {number} at */
  const frameEnds = (at) => {
    clock.now = at;
    for (const then of frames.splice(0)) then();
  };
  return { clock, timings, frameEnds };
}

const KERNEL = { client: "me", n: 1, kernel: 23_000, decoder: 22_000 };

test("a click is told in parts, and the kernel's part is never taken from a clock of the page", () => {
  const { clock, timings, frameEnds } = page();
  timings.happened(100);
  clock.now = 102;
  timings.sent(1);
  timings.received(KERNEL, 134);
  timings.painted();
  frameEnds(138);
  assert.deepEqual(timings.last(), { browser: 2, comm: 9, kernel: 1, decoder: 22, paint: 4, total: 38 });
  assert.deepEqual(timings.untold(), [{ client: "me", n: 1, browser: 2000, trip: 32_000, paint: 4000 }]);
  assert.deepEqual(timings.untold(), [], "told once");
});

test("a frame without the answer is no paint, and only the newest click's own answer counts", () => {
  const { clock, timings, frameEnds } = page();
  timings.sent(1);
  timings.painted();
  frameEnds(5);
  assert.equal(timings.last(), null);
  clock.now = 10;
  timings.sent(2);
  timings.received(KERNEL, 12);
  timings.received({ ...KERNEL, n: 2, client: "another page" }, 13);
  timings.received(null, 14);
  timings.painted();
  frameEnds(15);
  assert.equal(timings.last(), null);
  timings.received({ ...KERNEL, n: 2 }, 40);
  timings.painted();
  frameEnds(45);
  assert.equal(timings.last()?.total, 35);
});

test("an event of long ago was about something else; a page that slept tells nothing", () => {
  const { clock, timings, frameEnds } = page();
  timings.happened(0);
  clock.now = 5000;
  timings.sent(1);
  timings.received(KERNEL, 5030);
  timings.painted();
  frameEnds(5e6);
  assert.equal(timings.last()?.browser, 0);
  assert.deepEqual(timings.untold(), []);
});

test("a mask that was foreseen has cost a frame only; what the kernel says of it later does not count", () => {
  const { clock, timings, frameEnds } = page();
  timings.happened(100);
  clock.now = 102;
  timings.sent(1);
  clock.now = 108;
  timings.painted(true);
  frameEnds(110);
  timings.received(KERNEL, 134);
  timings.painted();
  frameEnds(140);
  assert.deepEqual(timings.last(), { browser: 2, comm: 0, kernel: 0, decoder: 0, paint: 8, total: 10 });
  assert.deepEqual(timings.untold(), [{ client: "me", n: 1, browser: 2000, trip: 0, paint: 8000 }]);
});

test("an answer that was here first is the one that counts", () => {
  const { timings, frameEnds } = page();
  timings.sent(1);
  timings.received(KERNEL, 34);
  timings.painted(true);
  frameEnds(40);
  assert.equal(timings.last()?.decoder, 22);
});
