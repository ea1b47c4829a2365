import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { createNudges, SOON } from "../src/nudges.js";

/** @param {(at: { nudges: ReturnType<typeof createNudges>, pass: (ms: number) => number, ending: AbortController, server: { undelayed: boolean } }) => void} run */
function withClock(run) {
  mock.timers.enable({ apis: ["setTimeout"] });
  const ending = new AbortController();
  let count = 0;
  const server = { undelayed: false };
  const nudges = createNudges({ nudge: () => void (count += 1), needless: () => server.undelayed, signal: ending.signal });
  const pass = (/** @type {number} */ ms) => {
    // Step by step: what a timer starts has its turn in the same time.
    for (let step = 0; step < ms; step++) mock.timers.tick(1);
    return count;
  };
  try {
    run({ nudges, pass, ending, server });
  } finally {
    mock.timers.reset();
  }
}

test("nudges begin when the answer is expected, and end with it", () =>
  withClock(({ nudges, pass }) => {
    nudges.learn(30);
    nudges.start(true);
    assert.equal(pass(33), 0);
    assert.equal(pass(1), 1);
    assert.equal(pass(12), 2);
    nudges.stop();
    assert.equal(pass(1000), 2);
  }));

test("an answer that comes by itself is never nudged for", () =>
  withClock(({ nudges, pass }) => {
    nudges.start(true);
    pass(SOON - 1);
    nudges.stop();
    assert.equal(pass(1000), 0);
  }));

test("what needs no model is expected soon; a lost answer is not nudged for without end", () =>
  withClock(({ nudges, pass, ending }) => {
    nudges.learn(300);
    nudges.start(false);
    assert.equal(pass(SOON), 1);
    assert.equal(pass(1000), 2);
    nudges.start(true);
    ending.abort();
    assert.equal(pass(1000), 2);
  }));

test("a server that does not wait is never nudged", () =>
  withClock(({ nudges, pass, server }) => {
    server.undelayed = true;
    nudges.start(true);
    assert.equal(pass(1000), 0);
    server.undelayed = false;
    nudges.start(true);
    assert.equal(pass(1000) > 0, true);
  }));
