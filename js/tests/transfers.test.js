import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { createStore } from "../src/state/store.js";
import { createTransfers } from "../src/kernel/transfers.js";
import { parseFile, parsePart, parseUploaded } from "../src/kernel/wire.js";
import { linkWith } from "./examples.js";

const MEGABYTE = 2 ** 20;

/** @type {any[]} */
let requests;
/** @type {[string, Blob][]} */
let offered;
/** @type {import("../src/state/store.js").Store} */
let store;
/** @type {ReturnType<typeof createTransfers>} */
let transfers;
let down = false;

beforeEach((context) => {
  [requests, offered, down] = [[], [], false];
  const link = linkWith({
    sendRequest(/** @type {any} */ question, /** @type {any} */ buffers) {
      if (down) throw new Error("Cannot send");
      requests.push({ ...question, bytes: buffers?.[0]?.byteLength });
    },
  });
  const controller = new AbortController();
  /** @type {any} */ (context).after?.(() => controller.abort());
  store = createStore({ client: "me", link });
  transfers = createTransfers({
    store,
    changed() {},
    offer: (name, blob) => offered.push([name, blob]),
    signal: controller.signal,
  });
});

/** @param {"file" | "part" | "uploaded"} type @param {any} answer */
const answer = (type, answer) =>
  store.receiveAnswer(type, { client: "me", n: requests[0].n, ...answer });
const settle = () => new Promise((resolve) => setTimeout(resolve));
const kind = () => transfers.state().kind;

test("a file comes in parts, one at a time, and is offered whole", async () => {
  transfers.save("coco");
  assert.deepEqual([requests[0].type, requests[0].format, kind()], ["save", "coco", "making"]);
  transfers.save("png");
  assert.equal(requests.length, 1, "one at a time");
  answer("file", { name: "a.json", mime: "application/json", size: 4, parts: 2 });
  assert.deepEqual([requests[1].type, requests[1].part], ["part", 0]);
  answer("part", { part: 1, data: Uint8Array.of(9) });
  assert.equal(requests.length, 2, "another part than the requested one is ignored");
  answer("part", { part: 0, data: Uint8Array.of(1, 2) });
  assert.deepEqual([requests[2].part, transfers.state().share], [1, 0.5]);
  answer("part", { part: 1, data: Uint8Array.of(3, 4) });
  const [[name, blob]] = offered;
  assert.deepEqual(
    [name, blob.type, kind(), transfers.busy()],
    ["a.json", "application/json", "saved", false],
  );
  assert.deepEqual([...new Uint8Array(await blob.arrayBuffer())], [1, 2, 3, 4]);
});

test("files for other pages, and files that could not be made, are not offered", () => {
  transfers.save("voc");
  store.receiveAnswer("file", {
    client: "another",
    n: requests[0].n,
    name: "b",
    mime: "",
    size: 1,
    parts: 1,
  });
  assert.equal(kind(), "making");
  answer("file", { name: "", mime: "", size: 0, parts: 0 });
  assert.equal(kind(), "failed");
  transfers.save("voc");
  const { n } = requests[1];
  answer("file", { n, name: "b", mime: "", size: 1, parts: 1 });
  answer("part", { n, part: 0, data: null });
  assert.deepEqual([kind(), offered.length], ["failed", 0]);
  down = true;
  transfers.save("voc");
  assert.equal(kind(), "failed");
});

test("a file is uploaded in parts of a megabyte", async () => {
  transfers.open(new File([new Uint8Array(2 * MEGABYTE + 5)], "masks.npz"));
  const sent = [];
  for (const at of [0, MEGABYTE, 2 * MEGABYTE]) {
    await settle();
    await settle();
    sent.push(requests.at(-1));
    answer("uploaded", {
      at: Math.min(at + MEGABYTE, 2 * MEGABYTE + 5),
      done: at === 2 * MEGABYTE,
    });
  }
  assert.deepEqual(
    sent.map(({ type, name, size, at, bytes }) => [type, name, size, at, bytes]),
    [
      ["upload", "masks.npz", 2 * MEGABYTE + 5, 0, MEGABYTE],
      ["upload", "masks.npz", 2 * MEGABYTE + 5, MEGABYTE, MEGABYTE],
      ["upload", "masks.npz", 2 * MEGABYTE + 5, 2 * MEGABYTE, 5],
    ],
  );
  assert.equal(new Set(sent.map(({ n }) => n)).size, 1, "one number for all parts");
  assert.equal(kind(), "opened");
});

test("a missing part is requested again twice, and then the download fails", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  transfers.save("coco");
  t.mock.timers.tick(1e6);
  assert.equal(kind(), "making", "there is no time-out for making a file");
  answer("file", { name: "a.json", mime: "", size: 2, parts: 2 });
  t.mock.timers.tick(15_000);
  answer("part", { part: 0, data: Uint8Array.of(1) });
  assert.deepEqual(
    requests.map(({ type, part }) => [type, part]),
    [
      ["save", undefined],
      ["part", 0],
      ["part", 0],
      ["part", 1],
    ],
  );
  t.mock.timers.tick(15_000);
  t.mock.timers.tick(15_000);
  assert.deepEqual([kind(), requests.length], ["receiving", 6]);
  t.mock.timers.tick(15_000);
  assert.deepEqual([kind(), requests.length, transfers.busy()], ["failed", 6, false]);
});

test("an upload fails when a part is not confirmed in time, except for the last part", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const sent = () => new Promise((resolve) => setImmediate(resolve));
  transfers.open(new File([new Uint8Array(MEGABYTE + 5)], "masks.npz"));
  await sent();
  t.mock.timers.tick(15_000);
  assert.equal(kind(), "failed");
  transfers.open(new File([new Uint8Array(5)], "small.npz"));
  await sent();
  t.mock.timers.tick(1e6);
  assert.equal(kind(), "sending");
});

test("an upload that the kernel refuses fails", async () => {
  transfers.open(new File(["x"], "a.txt"));
  await settle();
  await settle();
  answer("uploaded", { at: 0, done: true });
  assert.deepEqual([kind(), transfers.state().name], ["failed", "a.txt"]);
});

test("answers about files are parsed, whatever arrives", () => {
  assert.deepEqual(parseFile(null), { client: "", n: -1, name: "", mime: "", size: 0, parts: 0 });
  assert.deepEqual(parsePart({ client: "a", n: 1, part: 2 }, []), {
    client: "a",
    n: 1,
    part: 2,
    data: null,
  });
  assert.deepEqual(parseUploaded({ client: "a", n: "1", at: 3, done: 1 }), {
    client: "a",
    n: -1,
    at: 3,
    done: false,
  });
});
