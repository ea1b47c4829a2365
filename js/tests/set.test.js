/** The page of a set, without a DOM: what it asks for, keeps and sends again. */
import assert from "node:assert/strict";
import test from "node:test";
import { createSetCommands } from "../src/set/commands.js";
import { toValue } from "../src/set/detail-field.js";
import { CHUNK, createItems } from "../src/set/items.js";
import { createSetOutbox } from "../src/set/outbox.js";
import { parseReviewState } from "../src/set/review-wire.js";
import { createSetStore } from "../src/set/store.js";
import { movedTo } from "../src/set/strip.js";
import { createThumbnails } from "../src/set/thumbnails.js";
import {
  parseAck,
  parseDeclared,
  parseImages,
  parseItems,
  parseProgress,
  parseSearch,
  parseShown,
  parseThumbnail,
} from "../src/set/wire.js";

const IMAGES = { total: 200, matches: 200, list: 0, version: 0, before: 0, isMatch: true };

/** @param {number} number @returns {import("../src/set/wire.js").Item} */
const item = (number) => ({ number, name: `${number}.png`, state: "untouched", problem: "" });

test("images in view are requested once, in chunks, and again in another version", () => {
  const items = createItems();
  items.setList(IMAGES);
  assert.deepEqual(items.request(0, 12), [{ list: 0, first: 0, count: CHUNK }]);
  assert.deepEqual(items.request(3, 20), []);
  assert.deepEqual(
    items.request(CHUNK - 1, CHUNK).map(({ first }) => first),
    [CHUNK],
  );
  items.receive({ list: 0, version: 0, first: 0, items: [item(4), item(7)] });
  assert.equal(items.at(1)?.number, 7);
  items.setList({ ...IMAGES, version: 1 });
  assert.equal(items.at(1)?.number, 7, "known until the answer is here");
  assert.equal(items.request(0, 12).length, 1);
  items.receive({ list: 0, version: 1, first: 0, items: [item(4)] });
  assert.equal(items.at(1), undefined);
  items.forgetRequests();
  assert.equal(items.request(0, 12).length, 1);
});

test("positions of another list mean nothing", () => {
  const items = createItems();
  items.setList(IMAGES);
  items.receive({ list: 0, version: 0, first: 0, items: [item(4)] });
  items.setList({ ...IMAGES, list: 1, version: 1 });
  assert.equal(items.at(0), undefined);
  assert.equal(items.receive({ list: 0, version: 0, first: 0, items: [item(4)] }), false);
  assert.equal(items.at(0), undefined);
});

test("thumbnails in view are requested together, and the least used are dropped", () => {
  /** @type {string[]} */
  const revoked = [];
  let urls = 0;
  const thumbnails = createThumbnails(
    () => `url ${(urls += 1)}`,
    (url) => void revoked.push(url),
  );
  assert.deepEqual(thumbnails.request([3, 4]), [3, 4]);
  assert.deepEqual(thumbnails.request([4, 3]), []);
  assert.deepEqual(thumbnails.request([4, 5]), [4, 5]);
  const data = new Uint8Array(1);
  thumbnails.receive({ number: 4, error: "", data });
  thumbnails.receive({ number: 5, error: "it is broken", data: null });
  assert.deepEqual(thumbnails.get(4), { url: "url 1", error: "" });
  assert.deepEqual(thumbnails.get(5), { url: "", error: "it is broken" });
  assert.deepEqual(thumbnails.request([4, 5]), []);
  for (let number = 100; number < 698; number += 1) thumbnails.receive({ number, error: "", data });
  thumbnails.get(4);
  thumbnails.receive({ number: 699, error: "", data });
  assert.ok(thumbnails.get(4));
  assert.equal(thumbnails.get(5), undefined);
  assert.deepEqual(revoked, []);
  thumbnails.clear();
  assert.equal(revoked.length, 600);
});

test("actions wait until they are acknowledged", () => {
  const outbox = createSetOutbox("me");
  outbox.add("note", { number: 3, text: "a" });
  outbox.add("done", { number: 3 });
  outbox.add("step", { steps: 1 });
  outbox.acknowledge(1);
  assert.deepEqual(outbox.waiting(), [
    { type: "done", number: 3, rid: { client: "me", n: 2 } },
    { type: "step", steps: 1, rid: { client: "me", n: 3 } },
  ]);
  outbox.acknowledge(3);
  assert.deepEqual(outbox.waiting(), []);
});

/** @param {(message: any) => boolean} send */
function newStore(send) {
  const controller = new AbortController();
  const store = createSetStore({
    client: "me",
    traits: {
      images: IMAGES,
      shown: parseShown({ number: 2, name: "c.png" }, "me"),
      progress: parseProgress({}),
      search: parseSearch({}),
      declared: parseDeclared({}),
      review: parseReviewState({}),
    },
    send,
    signal: controller.signal,
  });
  return { store, stop: () => controller.abort() };
}

test("what is overdue is sent again, in order, until it is acknowledged", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  /** @type {any[]} */
  const sent = [];
  const { store, stop } = newStore((message) => sent.push(message) > 0);
  store.act("note", { number: 2, text: "dark" });
  store.act("done", { number: 2 });
  context.mock.timers.tick(2999);
  assert.equal(sent.length, 2);
  context.mock.timers.tick(1);
  assert.deepEqual(
    sent.slice(2).map(({ type }) => type),
    ["hello", "note", "done"],
  );
  assert.deepEqual(sent[3], sent[0]);
  store.acknowledge(2);
  context.mock.timers.tick(100_000);
  assert.equal(sent.length, 5);
  stop();
});

test("a kernel that is gone is noticed, and nothing is lost when it is back", () => {
  let isThere = false;
  /** @type {any[]} */
  const sent = [];
  const { store, stop } = newStore((message) => {
    if (isThere) sent.push(message.type);
    return isThere;
  });
  store.act("note", { number: 2, text: "dark" });
  assert.equal(store.snapshot().isDisconnected, true);
  isThere = true;
  store.resend();
  assert.equal(store.snapshot().isDisconnected, false);
  assert.deepEqual(sent, ["hello", "note"]);
  stop();
});

test("what is finished is the image that the actions before it lead to", () => {
  /** @type {any[]} */
  const sent = [];
  const { store, stop } = newStore((message) => sent.push(message) > 0);
  const commands = createSetCommands(store);
  const finished = () => sent.splice(0).map(({ type, number }) => [type, number]);
  /** @param {number} number @param {number} n the newest action before */
  const show = (number, n) =>
    store.receive({ shown: parseShown({ number, actions: { me: n, other: 99 } }, "me") });
  commands.run("done");
  commands.run("done");
  commands.run("skip");
  assert.deepEqual(finished(), [["done", 2]], "pressed twice");
  show(3, 1);
  commands.run("skip");
  assert.deepEqual(finished(), [["skip", 3]]);
  show(4, 2);
  commands.run("previous");
  commands.run("previous");
  show(3, 3);
  commands.run("done");
  commands.run("done");
  const [, , ...rest] = finished();
  assert.deepEqual(rest, [["done", null]], "the second step is not shown yet");
  show(3, 5);
  commands.run("done");
  assert.deepEqual(finished(), [["done", 3]]);
  stop();
});

test("a notice is gone with the next action", () => {
  const { store, stop } = newStore(() => true);
  store.receive({ notice: "there is no image" });
  store.act("step", { steps: 1 });
  assert.equal(store.snapshot().notice, "");
  stop();
});

test("keys move in the strip and stay in it", () => {
  assert.equal(movedTo("ArrowLeft", 0, 9), 0);
  assert.equal(movedTo("ArrowRight", 3, 9), 4);
  assert.equal(movedTo("End", 3, 9), 8);
  assert.equal(movedTo("Home", 3, 9), 0);
  assert.equal(movedTo("ArrowRight", 0, 0), null);
  assert.equal(movedTo("x", 0, 9), null);
});

test("a field's text becomes a value of its type", () => {
  assert.equal(toValue("text", "7"), "7");
  assert.equal(toValue("number", "7.5"), 7.5);
  assert.equal(toValue("number", "seven"), undefined);
  assert.equal(toValue("flag", "false"), false);
  assert.equal(toValue("choice", ""), null);
});

test("what arrives malformed is replaced", () => {
  assert.deepEqual(parseImages(null), {
    total: 0,
    matches: 0,
    list: 0,
    version: 0,
    before: 0,
    isMatch: false,
  });
  assert.equal(parseImages({ total: -3 }).total, 0);
  const shown = parseShown({ state: "finished", values: { a: 1, b: null, c: [], d: "x" } }, "me");
  assert.equal(shown.state, "untouched");
  assert.deepEqual(
    [...shown.values],
    [
      ["a", 1],
      ["d", "x"],
    ],
  );
  assert.equal(parseShown({ object: 7 }, "me").object?.note, "");
  assert.deepEqual(parseSearch({ state: null }), { text: "", state: null, label: null });
  assert.deepEqual(parseDeclared({ image: [{ name: "a", type: "date" }] }).image, [
    { name: "a", type: "text", choices: [] },
  ]);
  assert.equal(parseAck({ me: 4 }, "me"), 4);
  assert.equal(parseAck({ me: "4" }, "me"), -1);
  assert.deepEqual(parseItems({ items: 3 }).items, []);
  assert.equal(parseThumbnail({ number: 3 }, []).data, null);
});
