import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { createOutbox } from "../src/state/outbox.js";

/** @type {number[]} */
let sent;
let reachable = true;
/** @type {ReturnType<typeof createOutbox>} */
let outbox;

beforeEach(() => {
  [sent, reachable] = [[], true];
  const attempt = (/** @type {() => void} */ send) => {
    if (reachable) send();
    return reachable;
  };
  outbox = createOutbox({ client: "me", attempt, sent() {} });
});

/** @param {{ replaceable?: boolean }} [options] */
const send = (options) => outbox.send(({ n }) => void sent.push(n), options);

test("requests are numbered, and one that could not be sent has no number", () => {
  send();
  reachable = false;
  assert.equal(send(), false);
  reachable = true;
  assert.equal(send(), true);
  assert.deepEqual([sent, outbox.newest()], [[1, 2], 2]);
});

test("of a group only the newest unacknowledged request is repeated", () => {
  send();
  send();
  outbox.startGroup();
  send();
  outbox.repeat();
  assert.deepEqual(sent, [1, 2, 3, 2, 3]);
  outbox.acknowledge(2);
  outbox.repeat();
  assert.deepEqual(sent.slice(5), [3]);
  outbox.acknowledge(3);
  outbox.repeat();
  assert.deepEqual(sent.length, 6);
});

test("only replaceable requests that are not acknowledged are repeated before another plane", () => {
  send({ replaceable: true });
  outbox.startGroup();
  send();
  outbox.startGroup();
  send({ replaceable: true });
  outbox.repeatReplaceable(1);
  assert.deepEqual(sent, [1, 2, 3, 3]);
});

test("numbers continue after those of another page with the same id", () => {
  outbox.acknowledge(41);
  send();
  assert.deepEqual(sent, [42]);
});

test("a request contains how many notices its user had seen", () => {
  /** @type {unknown[]} */
  const ids = [];
  outbox.send((rid) => void ids.push(rid));
  outbox.readNotices(3);
  outbox.send((rid) => void ids.push(rid));
  assert.deepEqual(ids, [
    { client: "me", n: 1 },
    { client: "me", n: 2, seen: 3 },
  ]);
});
