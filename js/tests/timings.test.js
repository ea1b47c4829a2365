import assert from "node:assert/strict";
import { test } from "node:test";
import { createTimings } from "../src/state/timings.js";

/** A page with a clock and frames controlled by the test. */
function page() {
  const clock = { now: 0 };
  /** @type {(() => void)[]} */
  const frames = [];
  const timings = createTimings({
    client: "me",
    now: () => clock.now,
    afterFrame: (then) => void frames.push(then),
  });
  /** @param {number} at */
  const frameEnds = (at) => {
    clock.now = at;
    for (const then of frames.splice(0)) then();
  };
  return { clock, timings, frameEnds };
}

const KERNEL = { client: "me", n: 1, kernel: 23_000, decoder: 22_000 };

test("a click is timed in parts, and the kernel's share is not measured by the page's clock", () => {
  const { clock, timings, frameEnds } = page();
  timings.recordEvent(100);
  clock.now = 102;
  timings.recordSent(1);
  timings.recordReceived(KERNEL, 134);
  timings.recordPainted();
  frameEnds(138);
  assert.deepEqual(timings.last(), {
    browser: 2,
    comm: 9,
    kernel: 1,
    decoder: 22,
    paint: 4,
    total: 38,
  });
  assert.deepEqual(timings.takeUnreported(), [
    { client: "me", n: 1, browser: 2000, trip: 32_000, paint: 4000 },
  ]);
  assert.deepEqual(timings.takeUnreported(), [], "returned once");
});

test("a frame before the answer does not count as painted, nor does the answer to an older click", () => {
  const { clock, timings, frameEnds } = page();
  timings.recordSent(1);
  timings.recordPainted();
  frameEnds(5);
  assert.equal(timings.last(), null);
  clock.now = 10;
  timings.recordSent(2);
  timings.recordReceived(KERNEL, 12);
  timings.recordReceived({ ...KERNEL, n: 2, client: "another page" }, 13);
  timings.recordReceived(null, 14);
  timings.recordPainted();
  frameEnds(15);
  assert.equal(timings.last(), null);
  timings.recordReceived({ ...KERNEL, n: 2 }, 40);
  timings.recordPainted();
  frameEnds(45);
  assert.equal(timings.last()?.total, 35);
});

test("an old event is not the cause of a request; a suspended page reports nothing", () => {
  const { clock, timings, frameEnds } = page();
  timings.recordEvent(0);
  clock.now = 5000;
  timings.recordSent(1);
  timings.recordReceived(KERNEL, 5030);
  timings.recordPainted();
  frameEnds(5e6);
  assert.equal(timings.last()?.browser, 0);
  assert.deepEqual(timings.takeUnreported(), []);
});

test("a speculative mask counts as received when sent; the kernel's later timing is ignored", () => {
  const { clock, timings, frameEnds } = page();
  timings.recordEvent(100);
  clock.now = 102;
  timings.recordSent(1);
  clock.now = 108;
  timings.recordPainted(true);
  frameEnds(110);
  timings.recordReceived(KERNEL, 134);
  timings.recordPainted();
  frameEnds(140);
  assert.deepEqual(timings.last(), {
    browser: 2,
    comm: 0,
    kernel: 0,
    decoder: 0,
    paint: 8,
    total: 10,
  });
  assert.deepEqual(timings.takeUnreported(), [
    { client: "me", n: 1, browser: 2000, trip: 0, paint: 8000 },
  ]);
});

test("the answer that arrived first is the one that is timed", () => {
  const { timings, frameEnds } = page();
  timings.recordSent(1);
  timings.recordReceived(KERNEL, 34);
  timings.recordPainted(true);
  frameEnds(40);
  assert.equal(timings.last()?.decoder, 22);
});
