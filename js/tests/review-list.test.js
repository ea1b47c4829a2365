/** The list of objects under review, without a DOM: what it asks for and keeps. */
import assert from "node:assert/strict";
import test from "node:test";
import { CHUNK, createReviewList } from "../src/set/review-list.js";
import { parseCrop, parseReview, parseReviewState, parseRows } from "../src/set/review-wire.js";

function newList() {
  /** @type {any[]} */
  const sent = [];
  /** @type {string[]} */
  const revoked = [];
  let n = 0;
  let urls = 0;
  const list = createReviewList({
    request: {
      list(query, keep) {
        n += 1;
        sent.push({ type: "list", query, keep });
        return n;
      },
      rows: (...rows) => void sent.push({ type: "rows", rows }),
      crops: (objects) => void sent.push({ type: "crops", objects }),
    },
    toUrl: () => `url ${(urls += 1)}`,
    revoke: (url) => void revoked.push(url),
    changed: () => {},
  });
  /** @param {number} number @param {number} total */
  const answer = (number, total) =>
    list.receive(parseReview({ client: "me", n, list: number, total, unmeasured: 1 }));
  return { list, sent, revoked, answer };
}

/** @param {number} object @param {string} look */
const row = (object, look) => ({ number: 0, object, name: "a.png", label: "cat", look });

test("rows in view are requested once, and again after each answer", () => {
  const { list, sent, answer } = newList();
  list.open(true);
  assert.deepEqual([sent[0].type, sent[0].keep, list.isPending()], ["list", true, true]);
  list.requestRows(0, 20);
  assert.equal(sent.length, 1);
  answer(7, 250);
  assert.deepEqual([list.total(), list.unmeasured(), list.isPending()], [250, 1, false]);
  list.requestRows(90, 120);
  list.requestRows(95, 130);
  assert.deepEqual(
    sent.slice(1).map(({ rows }) => rows),
    [
      [7, 0, CHUNK],
      [7, CHUNK, CHUNK],
    ],
  );
  list.requestRows(240, 300);
  assert.deepEqual(sent.at(-1).rows, [7, 2 * CHUNK, CHUNK]);
  list.receiveRows(parseRows({ list: 7, first: 100, rows: [row(1, "x"), row(2, "y")] }));
  list.receiveRows(parseRows({ list: 6, first: 0, rows: [row(9, "z")] }));
  assert.equal(list.rowAt(101)?.object, 2);
  assert.equal(list.rowAt(0), undefined);
});

test("the same list keeps its rows, another has none", () => {
  const { list, answer } = newList();
  list.open(true);
  answer(1, 10);
  list.receiveRows(parseRows({ list: 1, first: 0, rows: [row(1, "x")] }));
  list.setQuery({ sort: "score" });
  answer(1, 10);
  assert.equal(list.rowAt(0)?.object, 1);
  list.setQuery({ sort: "area" });
  answer(2, 10);
  assert.equal(list.rowAt(0), undefined);
});

test("an answer to an earlier query is dropped", () => {
  const { list } = newList();
  list.open(true);
  list.setQuery({ labels: ["cat"] });
  list.receive(parseReview({ n: 1, list: 4, total: 9 }));
  assert.deepEqual([list.total(), list.isPending()], [0, true]);
});

test("a changed list is requested after a while, once, while the review is open", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { list, sent, answer } = newList();
  list.refresh(1);
  context.mock.timers.tick(1000);
  assert.equal(sent.length, 0);
  list.open(true);
  answer(1, 3);
  list.refresh(2);
  list.refresh(3);
  context.mock.timers.tick(1000);
  assert.deepEqual(
    sent.map(({ keep }) => keep),
    [true, true],
  );
  list.clear();
});

test("pictures are requested once for each look, and failures again after a change", () => {
  const { list, sent, revoked, answer } = newList();
  list.open(true);
  answer(1, 3);
  const [first, second] = parseRows({ rows: [row(1, "x"), row(2, "y")] }).rows;
  list.requestCrops([first, second]);
  list.requestCrops([second, first]);
  const asked = sent.filter(({ type }) => type === "crops");
  assert.deepEqual(
    asked.map(({ objects }) => objects),
    [
      [
        [0, 1],
        [0, 2],
      ],
    ],
  );
  const buffers = [new Uint8Array(1)];
  list.receiveCrop(parseCrop({ number: 0, object: 1, look: "x" }, buffers));
  list.receiveCrop(parseCrop({ number: 0, object: 2, look: "y", error: "no" }, []));
  assert.deepEqual(list.cropOf(first), { url: "url 1", error: "" });
  assert.deepEqual(list.cropOf(second), { url: "", error: "no" });
  assert.equal(list.cropOf({ ...first, look: "other" }), undefined);
  list.open(true);
  answer(1, 3);
  assert.equal(list.cropOf(second), undefined);
  assert.ok(list.cropOf(first));
  list.clear();
  assert.deepEqual(revoked, ["url 1"]);
});

test("nonsense of a kernel of another version is replaced", () => {
  assert.deepEqual(parseReviewState({ version: -1, undo: 5 }), {
    version: 0,
    undo: "",
    action: 0,
    message: "",
  });
  const [found] = parseRows({ rows: [{ label: 4, score: "x", state: "?", accepted: 1 }] }).rows;
  assert.deepEqual(
    [found.label, found.score, found.state, found.accepted],
    [null, null, "untouched", false],
  );
});
