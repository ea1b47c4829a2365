import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { createAckProbes, FIRST_DELAY } from "../src/kernel/ack-probe.js";

/** @param {(at: { probes: ReturnType<typeof createAckProbes>, pass: (ms: number) => number, ending: AbortController, server: { nodelay: boolean } }) => void} run */
function withClock(run) {
  mock.timers.enable({ apis: ["setTimeout"] });
  const ending = new AbortController();
  let count = 0;
  const server = { nodelay: false };
  const probes = createAckProbes({
    send: () => void (count += 1),
    isNeedless: () => server.nodelay,
    signal: ending.signal,
  });
  const pass = (/** @type {number} */ ms) => {
    // In small steps, so that timers started by timers run in time.
    for (let step = 0; step < ms; step++) mock.timers.tick(1);
    return count;
  };
  try {
    run({ probes, pass, ending, server });
  } finally {
    mock.timers.reset();
  }
}

test("acknowledgement probes start when the answer is expected and stop when it arrives", () =>
  withClock(({ probes, pass }) => {
    probes.expectDuration(30);
    probes.start(true);
    assert.equal(pass(33), 0);
    assert.equal(pass(1), 1);
    assert.equal(pass(12), 2);
    probes.stop();
    assert.equal(pass(1000), 2);
  }));

test("no probe is sent if the answer arrives first", () =>
  withClock(({ probes, pass }) => {
    probes.start(true);
    pass(FIRST_DELAY - 1);
    probes.stop();
    assert.equal(pass(1000), 0);
  }));

test("requests without the model are expected sooner; the number of probes for a lost answer is limited", () =>
  withClock(({ probes, pass, ending }) => {
    probes.expectDuration(300);
    probes.start(false);
    assert.equal(pass(FIRST_DELAY), 1);
    assert.equal(pass(1000), 2);
    probes.start(true);
    ending.abort();
    assert.equal(pass(1000), 2);
  }));

test("no probes are sent to a server without delayed sending", () =>
  withClock(({ probes, pass, server }) => {
    server.nodelay = true;
    probes.start(true);
    assert.equal(pass(1000), 0);
    server.nodelay = false;
    probes.start(true);
    assert.equal(pass(1000) > 0, true);
  }));
