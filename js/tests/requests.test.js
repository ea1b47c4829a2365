import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { createRequests } from "../src/state/requests.js";
import { linkWith } from "./examples.js";

/** @type {any[]} */
let sent;
/** Whether the kernel can be reached. */
let reachable = true;
/** What the callbacks were called with. @type {unknown[]} */
let calls;
/** @type {ReturnType<typeof createRequests>} */
let requests;
/** @type {AbortController} */
let controller;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  [sent, calls, reachable] = [[], [], true];
  controller = new AbortController();
  const link = linkWith({
    sendRequest: (request, buffers) => void sent.push({ ...request, ...(buffers && { buffers }) }),
  });
  const attempt = (/** @type {() => void} */ send) => {
    if (reachable) send();
    return reachable;
  };
  requests = createRequests({ client: "me", link, attempt });
});
afterEach(() => mock.timers.reset());

/** @param {any} more */
const pixel = (more) =>
  requests.request(
    "probe",
    { x: 1, y: 2 },
    {
      answered: ({ n, values }) => calls.push([n, values]),
      failed: () => calls.push("failed"),
      ...more,
    },
  );
/** @param {number} n @param {number[]} values @param {string} [client] */
const answerPixel = (n, values, client = "me") => requests.receive("probe", { client, n, values });

test("each request has its own number, and its answer is delivered once", () => {
  assert.deepEqual([pixel({})?.n, pixel({})?.n], [1, 2]);
  assert.deepEqual(sent, [
    { type: "probe", client: "me", n: 1, x: 1, y: 2 },
    { type: "probe", client: "me", n: 2, x: 1, y: 2 },
  ]);
  answerPixel(2, [20]);
  answerPixel(2, [21]);
  answerPixel(1, [10]);
  assert.deepEqual(calls, [
    [2, [20]],
    [1, [10]],
  ]);
});

test("answers to other pages, and of another type, are ignored", () => {
  pixel({});
  answerPixel(1, [5], "another");
  requests.receive("file", { client: "me", n: 1 });
  assert.deepEqual(calls, []);
});

test("without a time-out a request waits forever", () => {
  pixel({});
  mock.timers.tick(1e9);
  answerPixel(1, [5]);
  assert.deepEqual(calls, [[1, [5]]]);
});

test("a request is repeated unchanged, and fails when no answer comes", () => {
  pixel({ timeout: 100, retries: 2 });
  mock.timers.tick(99);
  assert.equal(sent.length, 1);
  mock.timers.tick(1);
  mock.timers.tick(100);
  assert.equal(sent.length, 3);
  assert.deepEqual(sent[2], sent[0]);
  assert.deepEqual(calls, []);
  mock.timers.tick(100);
  assert.deepEqual([sent.length, calls], [3, ["failed"]]);
  answerPixel(1, [5]);
  assert.deepEqual(calls, ["failed"], "the answer came too late");
});

test("an answer to the second attempt is accepted", () => {
  pixel({ timeout: 100, retries: 2 });
  mock.timers.tick(150);
  answerPixel(1, [5]);
  mock.timers.tick(1000);
  assert.deepEqual([sent.length, calls], [2, [[1, [5]]]]);
});

test("a request fails at once when it cannot be repeated, and is null when it cannot be sent", () => {
  pixel({ timeout: 100, retries: 2 });
  reachable = false;
  mock.timers.tick(100);
  assert.deepEqual(calls, ["failed"]);
  assert.equal(pixel({}), null);
});

test("a cancelled request, or one whose view was removed, does not call back", () => {
  pixel({ timeout: 100, retries: 2 })?.cancel();
  pixel({ timeout: 100, retries: 2, signal: controller.signal });
  controller.abort();
  mock.timers.tick(1000);
  answerPixel(1, [5]);
  answerPixel(2, [5]);
  assert.deepEqual([sent.length, calls], [2, []]);
});

test("the parts of a file share the number of its first message, and have buffers", () => {
  const bytes = new ArrayBuffer(3);
  const file = { name: "a.png", size: 6, epoch: 0 };
  const n = requests.request(
    "upload",
    { ...file, at: 0 },
    { buffers: [bytes], answered: ({ at }) => calls.push(at) },
  )?.n;
  requests.receive("uploaded", { client: "me", n, at: 3, done: false });
  requests.request("upload", { ...file, n, at: 3 }, { answered: ({ at }) => calls.push(at) });
  requests.receive("uploaded", { client: "me", n, at: 6, done: true });
  assert.deepEqual(
    sent.map((message) => [message.n, message.buffers]),
    [
      [1, [bytes]],
      [1, undefined],
    ],
  );
  assert.deepEqual(calls, [3, 6]);
});

test("answers without a number are matched by their content; unexpected ones go to listeners", () => {
  /** @type {any[]} */
  const unclaimed = [];
  requests.listen("tiles", (answer) => unclaimed.push(answer.level), controller.signal);
  requests.request(
    "tiles",
    { level: 2, tiles: [] },
    { matches: ({ level }) => level === 2, answered: ({ level }) => calls.push(level) },
  );
  for (const level of [1, 2, 2]) requests.receive("tiles", { client: "me", level });
  assert.deepEqual([calls, unclaimed], [[2], [1, 2]]);
});
