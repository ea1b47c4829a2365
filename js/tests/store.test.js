import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { createStore } from "../src/state/store.js";
import { EMPTY_STATE } from "../src/state/annotation.js";
import { point, segmentedObject } from "./examples.js";

/**
 * @typedef {import("../src/state/prompts.js").Prompt} Prompt
 * @typedef {import("../src/state/annotation.js").State} State
 * @typedef {import("../src/state/annotation.js").ActiveObject} ActiveObject
 */

/** @param {number} x1 @returns {Prompt} */
const box = (x1) => ({ type: "box", x0: 0, y0: 0, x1, y1: 1 });
/** @returns {import("../src/pixels/mask.js").Mask} */
const mask = () => ({
  base: { kind: "logits", width: 1, height: 1, x0: 0, y0: 0, x1: 1, y1: 1, data: Int8Array.of(1) },
  strokes: [],
});
/** @param {number} id @param {number} index */
const object = (id, index) => segmentedObject(id, index, mask());
/** @param {number} id @param {Prompt[]} prompts @param {Partial<ActiveObject>} [more] @returns {ActiveObject} */
const active = (id, prompts, more = {}) => ({
  ...object(id, 0),
  prompts,
  pending: false,
  empty: false,
  candidates: null,
  choice: 0,
  ...more,
});

/** @type {any[]} */
let sent;
let down = false;
/** @type {import("../src/state/store.js").Store} */
let store;
let revision = 0;

/** @param {Partial<State> & { done?: number }} change */
function publish({ done = 0, ...change }) {
  store.receiveState({ ...EMPTY_STATE, revision: ++revision, ack: { me: done }, ...change });
}

/** @param {import("../src/state/annotation.js").SegmentedObject[]} put all finished objects */
function receiveAll(put) {
  store.receiveObjects({ n: 1, plane: 0, reset: true, put, drop: [] });
}

beforeEach(() => {
  sent = [];
  down = false;
  revision = 0;
  const send = (/** @type {unknown} */ request) => {
    if (down) throw new Error("Cannot send");
    sent.push(request);
  };
  store = createStore({
    client: "me",
    link: {
      sendPrompts: send,
      sendAction: send,
      sendRequest: send,
      sendOptions: send,
      sendHello: (seen) => send({ type: "hello", seen }),
    },
  });
});

const shown = () => store.snapshot().prompts;

test("a click is shown at once and sent with the whole list", () => {
  publish({ epoch: 4, active: active(1, [point(1)]) });
  store.addPrompt(point(2));
  assert.deepEqual(shown(), [point(1), point(2)]);
  assert.deepEqual(sent, [
    { rid: { client: "me", n: 1 }, epoch: 4, prompts: [point(1), point(2)] },
  ]);
  assert.ok(store.snapshot().pending && store.snapshot().isUnacknowledged);
});

test("clicks before an answer are added to each other", () => {
  store.addPrompt(point(1));
  store.addPrompt(point(2));
  assert.deepEqual(
    sent.map(({ rid, prompts }) => [rid.n, prompts.length]),
    [
      [1, 1],
      [2, 2],
    ],
  );
  publish({ done: 1, active: active(1, [point(1)]) });
  assert.deepEqual(
    shown(),
    [point(1), point(2)],
    "an older acknowledgement does not remove the newest click",
  );
  publish({ done: 2, active: active(1, [point(1), point(2)], { pending: true }) });
  assert.ok(!store.snapshot().isUnacknowledged && store.snapshot().pending);
});

test("after the acknowledgement the kernel's prompts are shown, even if it rejected ours", () => {
  store.addPrompt(point(1));
  publish({ done: 1, epoch: 9, active: null, notice: "Something else happened." });
  assert.deepEqual(shown(), []);
  assert.equal(store.snapshot().notice, "Something else happened.");
  store.addPrompt(point(3));
  assert.equal(sent[1].epoch, 9);
});

test("a click on prompts that were removed keeps their epoch, so that the kernel can refuse it", () => {
  publish({ epoch: 3, active: active(1, [point(1)]) });
  store.addPrompt(point(2));
  publish({ epoch: 4, active: null });
  store.addPrompt(point(3));
  assert.deepEqual([sent[1].epoch, sent[1].prompts.length], [3, 3]);
});

test("an acknowledgement may skip numbers", () => {
  store.addPrompt(point(1));
  publish({ done: 50, active: active(1, [point(1)]) });
  assert.ok(!store.snapshot().isUnacknowledged);
});

test("an outdated revision is dropped", () => {
  publish({ active: active(1, [point(1)]) });
  publish({ active: active(1, [point(1), point(2)]) });
  store.receiveState({ ...EMPTY_STATE, revision: 1 });
  assert.equal(shown().length, 2);
});

test("another client's acknowledgements are not ours", () => {
  store.addPrompt(point(1));
  store.receiveState({ ...EMPTY_STATE, revision: 1, ack: { other: 9 } });
  assert.deepEqual(shown(), [point(1)]);
});

test("a new box replaces the old one and is the newest prompt", () => {
  store.addPrompt(box(1));
  store.addPrompt(point(1));
  store.addPrompt(box(2));
  assert.deepEqual(shown(), [point(1), box(2)]);
});

test("an action contains the clicks before it", () => {
  store.addPrompt(point(1));
  store.act("label", { object: 7, label: "cat" });
  assert.deepEqual(sent[1], {
    type: "label",
    rid: { client: "me", n: 2 },
    epoch: 0,
    prompts: [point(1)],
    object: 7,
    label: "cat",
  });
});

test("clicks during an action are shown, and sent after its answer with the kernel's prompts", () => {
  publish({ active: active(1, [point(1), point(2)]), canUndo: true });
  store.act("undo");
  store.addPrompt(point(5));
  assert.equal(sent.length, 1);
  assert.deepEqual(shown(), [point(1), point(2), point(5)]);
  publish({ done: 1, epoch: 1, active: active(1, [point(1)]) });
  assert.deepEqual(sent[1], {
    rid: { client: "me", n: 2 },
    epoch: 1,
    prompts: [point(1), point(5)],
  });
  assert.deepEqual(shown(), [point(1), point(5)]);
});

test("after a commit the next click is shown as a new object at once", () => {
  publish({ active: active(1, [point(1)]) });
  store.act("commit");
  assert.deepEqual(shown(), []);
  store.addPrompt(point(9));
  assert.deepEqual(shown(), [point(9)]);
  publish({ done: 1, epoch: 1, active: null });
  assert.deepEqual(sent[1].prompts, [point(9)]);
});

test("actions wait for each other, in order, with the clicks between them", () => {
  publish({ active: active(1, [point(1)]), canUndo: true });
  store.act("commit");
  store.addPrompt(point(2));
  store.act("undo");
  store.addPrompt(point(3));
  assert.equal(sent.length, 1);
  publish({ done: 1, epoch: 1, active: null });
  assert.equal(sent.length, 2);
  assert.deepEqual([sent[1].type, sent[1].epoch, sent[1].prompts], ["undo", 1, [point(2)]]);
  publish({ done: 2, epoch: 2, active: null });
  assert.deepEqual([sent[2].type, sent[2].prompts], [undefined, [point(3)]]);
});

test("steps to another image contain only prompts that the kernel does not have", () => {
  store.addPrompt(point(1));
  store.act("advance", { to: "next" });
  store.act("advance", { to: "next" });
  assert.deepEqual(sent[1].prompts, [point(1)]);
  assert.equal(sent.length, 2);
  // Acknowledged, before the object is finished by the step.
  publish({ done: 2, active: active(1, [point(1)]) });
  assert.equal(sent.length, 3);
  assert.equal("prompts" in sent[2], false);
  store.addPrompt(point(2));
  publish({ done: 3, active: active(1, [point(1)]) });
  assert.deepEqual(sent[3].prompts, [point(1), point(2)]);
});

test("deleting another object does not change the prompts", () => {
  publish({ active: active(1, [point(1)]) });
  store.act("delete", { object: 2 });
  assert.equal(shown().length, 1);
  publish({ done: 1, active: active(1, [point(1)]) });
  store.act("delete", { object: 1 });
  assert.equal(shown().length, 0);
});

test("an object without an id yet is removed by an empty list", () => {
  store.addPrompt(point(1));
  store.discardPrompts();
  assert.deepEqual(sent[1].prompts, []);
  assert.deepEqual(shown(), []);
});

test("the last mask is shown while a newer one of the same object is pending", () => {
  const first = mask();
  publish({ active: active(1, [point(1)], { mask: first }) });
  publish({ active: active(1, [point(1), point(2)], { mask: null, pending: true }) });
  assert.equal(store.snapshot().mask, first);
  publish({ active: active(2, [point(3)], { mask: null, pending: true }) });
  assert.equal(store.snapshot().mask, null);
  publish({ active: active(2, [point(3)], { mask: first }) });
  publish({ active: active(2, [point(3)], { mask: null, pending: false }) });
  assert.equal(store.snapshot().mask, null, "an answer without a mask clears it");
});

test("the list of finished objects stays the same one until one of them changes", () => {
  receiveAll([object(1, 0), object(2, 1)]);
  publish({ active: active(2, [point(1)]) });
  const { finished } = store.snapshot();
  store.addPrompt(point(5));
  publish({ active: active(2, [point(1), point(5)]) });
  assert.equal(store.snapshot().finished, finished);
  store.act("show", { object: 1, visible: false });
  assert.deepEqual(
    store.snapshot().finished.map(({ visible }) => visible),
    [false],
  );
});

test("objects are dropped, then inserted at their index; the active one is left out of the finished ones", () => {
  receiveAll([object(1, 0), object(2, 1), object(3, 2)]);
  store.receiveObjects({
    n: 1,
    plane: 0,
    reset: false,
    put: [object(4, 0), object(3, 99)],
    drop: [2],
  });
  assert.deepEqual(
    store.snapshot().finished.map(({ id }) => id),
    [4, 1, 3],
  );
  publish({ active: active(1, [point(1)], { index: 1 }) });
  assert.deepEqual(
    store.snapshot().finished.map(({ id }) => id),
    [4, 3],
  );
  assert.deepEqual(
    store.snapshot().rows.map(({ id }) => id),
    [4, 1, 3],
  );
  receiveAll([]);
  assert.deepEqual(
    store.snapshot().rows.map(({ id }) => id),
    [1],
  );
});

test("a new label is shown at once until the kernel acknowledges it", () => {
  receiveAll([object(1, 0)]);
  store.act("label", { object: 1, label: "cat" });
  assert.equal(store.snapshot().rows[0].label, "cat");
  publish({ done: 1 });
  assert.equal(store.snapshot().rows[0].label, null, "then the kernel's value is shown");
});

test("a disconnected kernel is detected, and so is its return", () => {
  down = true;
  store.addPrompt(point(1));
  assert.ok(store.snapshot().isDisconnected);
  assert.deepEqual(shown(), [point(1)], "the click stays visible");
  publish({});
  assert.ok(!store.snapshot().isDisconnected);
});

test("jobs are not shown as running while the kernel is disconnected", () => {
  function running() {
    const { tracking, proposing } = store.snapshot();
    return [tracking?.running, proposing?.running];
  }
  const job = /** @type {any} */ ({ running: true, done: 3, total: 9, error: "" });
  store.receiveTraits({ tracking: job, proposing: job });
  assert.deepEqual(running(), [true, true]);
  store.setDisconnected(true);
  assert.deepEqual(running(), [false, false]);
  assert.equal(store.snapshot().tracking?.done, 3);
  store.setDisconnected(false);
  assert.deepEqual(running(), [true, true]);
});

test("nothing waits for an action that could not be sent", () => {
  down = true;
  store.act("undo");
  down = false;
  store.addPrompt(point(1));
  assert.deepEqual(
    sent.map(({ prompts }) => prompts),
    [[point(1)]],
  );
});

test("an unsubscribed listener is not called", () => {
  const controller = new AbortController();
  let calls = 0;
  store.subscribe(() => calls++, controller.signal);
  store.addPrompt(point(1));
  controller.abort();
  store.addPrompt(point(2));
  assert.equal(calls, 1);
});

test("while a commit is in flight, no edit applies to the object that it finishes", () => {
  publish({ active: active(1, [point(1)]) });
  assert.equal(store.snapshot().target, 1);
  store.act("commit");
  assert.equal(store.snapshot().target, null);
  store.addPrompt(point(2));
  store.discardPrompts();
  publish({ done: 1, active: null });
  assert.deepEqual(
    sent.map(({ type }) => type),
    ["commit"],
    "the click was removed, and nothing else was sent",
  );
});

test("an action that could not be sent is not pending", () => {
  publish({ active: active(1, [point(1)]) });
  down = true;
  store.act("undo");
  assert.ok(store.snapshot().isDisconnected);
  down = false;
  store.setDisconnected(false);
  assert.ok(!store.snapshot().isUnacknowledged);
  store.act("undo");
  publish({ done: 1 });
  assert.ok(!store.snapshot().pending);
});

/** @param {number} x @param {string | null} [key] */
const stroke = (x, key = null) =>
  /** @type {Prompt} */ ({
    type: "stroke",
    key,
    points: key === null ? [[x, 0]] : null,
    radius: 2,
    label: 1,
  });
const strokesShown = () => store.snapshot().mask?.strokes.map(({ points }) => points[0]);

test("a stroke is shown on the last mask until the kernel's mask contains it, and its points are sent once", () => {
  const first = mask();
  publish({ active: active(1, [point(1)], { mask: first }) });
  store.addPrompt(stroke(5));
  assert.deepEqual(strokesShown(), [5]);
  assert.equal(store.snapshot().mask, store.snapshot().mask);
  assert.deepEqual(sent[0].prompts[1], { type: "stroke", points: [[5, 0]], radius: 2, label: 1 });
  publish({
    done: 1,
    active: active(1, [point(1), stroke(5, "s")], { mask: null, pending: true }),
  });
  assert.deepEqual(strokesShown(), [5], "its answer is pending");
  store.addPrompt(stroke(6));
  assert.deepEqual(strokesShown(), [5, 6]);
  assert.deepEqual(sent[1].prompts[1], { type: "known", key: "s" });
  const painted = {
    ...first,
    strokes: [{ points: Float64Array.of(5, 0), radius: 2, label: /** @type {const} */ (1) }],
  };
  publish({
    done: 2,
    active: active(1, [point(1), stroke(5, "s"), stroke(6, "t")], { mask: painted }),
  });
  assert.equal(store.snapshot().mask, painted);
});

test("strokes that start an object are shown before it has an id", () => {
  store.addPrompt(stroke(5));
  assert.equal(store.snapshot().mask, null);
  assert.deepEqual(store.snapshot().nextMask?.strokes.length, 1);
  publish({ done: 1, active: active(1, [stroke(5, "s")], { mask: null, pending: true }) });
  assert.deepEqual(strokesShown(), [5]);
  assert.equal(store.snapshot().nextMask, null);
});

test("a stroke made just before and one just after a commit belong to different objects", () => {
  publish({ active: active(1, [point(1)], { mask: mask() }) });
  store.addPrompt(stroke(5));
  store.act("commit");
  store.addPrompt(stroke(6));
  assert.deepEqual(strokesShown(), [5]);
  assert.deepEqual(
    store.snapshot().nextMask?.strokes.map(({ points }) => points[0]),
    [6],
  );
});

test("candidates stay while one is being chosen, and the choice is shown at once", () => {
  const candidates = [
    { score: 0.9, mask: mask() },
    { score: 0.8, mask: mask() },
  ];
  publish({ active: active(1, [point(1)], { mask: candidates[0].mask, candidates }) });
  assert.equal(store.snapshot().choice, 0);
  store.addPrompt({ type: "choice", index: 1 });
  assert.equal(store.snapshot().choice, 1);
  assert.equal(store.snapshot().mask, candidates[1].mask);
  store.addPrompt(point(2));
  assert.deepEqual([store.snapshot().candidates, store.snapshot().choice], [null, -1]);
});

test("prompts are moved and removed by their index", () => {
  publish({ active: active(1, [point(1), point(2), point(3)]) });
  store.replacePrompt(1, point(9));
  store.removePrompt(0);
  assert.deepEqual(
    sent.map(({ prompts }) => prompts.map((/** @type {any} */ { x }) => x)),
    [
      [1, 9, 3],
      [9, 3],
    ],
  );
  store.removePrompt(7);
  assert.equal(sent.length, 2, "there is no such prompt");
});

test("an edit made during an action waits for its answer", () => {
  publish({ active: active(1, [point(1), point(2)]), canUndo: true });
  store.act("show", { object: 7, visible: false });
  store.removePrompt(0);
  assert.deepEqual(shown(), [point(2)]);
  publish({ done: 1, active: active(1, [point(1), point(2)]) });
  assert.deepEqual(sent[1].prompts, [point(2)]);
});

test("hiding and locking are shown at once, even when they wait in the queue", () => {
  receiveAll([object(1, 0), object(2, 1)]);
  store.act("show", { object: 1, visible: false });
  store.act("lock", { object: 2, locked: true });
  assert.deepEqual(
    store.snapshot().rows.map(({ visible, locked }) => [visible, locked]),
    [
      [false, false],
      [true, true],
    ],
  );
  publish({ done: 1 });
  assert.equal(store.snapshot().rows[0].visible, true, "then the kernel's value is shown");
  assert.equal(store.snapshot().rows[1].locked, true);
});

test("options are shown at once and sent separately", () => {
  store.setOption("tool", "brush");
  store.setOption("tool", "brush");
  assert.deepEqual(sent, [{ tool: "brush" }]);
  assert.equal(store.snapshot().options.tool, "brush");
  store.receiveOptions({ tool: "pan" });
  assert.equal(store.snapshot().options.tool, "pan");
  down = true;
  store.setOption("opacity", 1);
  assert.ok(store.snapshot().isDisconnected && store.snapshot().options.opacity === 1);
});

test("requests have their own numbers, and answers reach the listeners of their type", () => {
  const controller = new AbortController();
  /** @type {unknown[]} */
  const received = [];
  store.listen("probe", (answer) => received.push(answer), controller.signal);
  assert.equal(store.request("probe", { x: 1, y: 2 })?.n, 1);
  assert.deepEqual(sent, [{ type: "probe", client: "me", n: 1, x: 1, y: 2 }]);
  store.receiveAnswer("probe", "here");
  store.receiveAnswer("tiles", "elsewhere");
  controller.abort();
  store.receiveAnswer("probe", "too late");
  assert.deepEqual(received, ["here"]);
  assert.ok(!store.snapshot().isUnacknowledged);
  down = true;
  assert.equal(store.request("probe", { x: 1, y: 2 }), null);
  assert.ok(store.snapshot().isDisconnected);
});

test("thousands of objects are inserted at their positions", () => {
  const put = Array.from({ length: 5000 }, (_, k) => object(k, k));
  store.receiveObjects({ n: 1, plane: 0, reset: true, put, drop: [] });
  store.receiveObjects({ n: 1, plane: 0, reset: false, put: [object(4999, 0)], drop: [1, 2] });
  assert.deepEqual(
    store
      .snapshot()
      .rows.slice(0, 3)
      .map(({ id }) => id),
    [4999, 0, 3],
  );
  assert.equal(store.snapshot().rows.length, 4998);
});

test("locking the active object finishes it", () => {
  publish({ active: active(1, [point(1)]) });
  store.act("lock", { object: 2, locked: true });
  assert.equal(shown().length, 1);
  publish({ done: 1, active: active(1, [point(1)]) });
  store.act("lock", { object: 1, locked: false });
  assert.equal(shown().length, 1);
  publish({ done: 2, active: active(1, [point(1)]) });
  store.act("lock", { object: 1, locked: true });
  store.addPrompt(point(2));
  assert.deepEqual(shown(), [point(2)]);
});

test("a page shows notices to itself, else those to all pages, else the one about the mask", () => {
  publish({ notice: "mask", notices: { other: "theirs" } });
  assert.equal(store.snapshot().notice, "mask");
  publish({ notice: "mask", notices: { "": "all" } });
  assert.equal(store.snapshot().notice, "all");
  publish({ notice: "mask", notices: { "": "all", me: "mine" } });
  assert.equal(store.snapshot().notice, "mine");
});

test("a notice to a tab is shown after the page was reloaded", () => {
  store = createStore({ client: "tab.me", link: /** @type {any} */ ({}) });
  publish({ notice: "mask", notices: { tab: "refused", other: "theirs" } });
  assert.equal(store.snapshot().notice, "refused");
});

test("a request contains the number of notices its user had seen, also when it had to wait", () => {
  store.act("undo");
  store.addPrompt(point(1));
  publish({ done: 1, notices: { me: "refused" }, noticeCount: 1 });
  assert.deepEqual(sent[1].rid, { client: "me", n: 2 });
  store.addPrompt(point(2));
  assert.deepEqual(sent[2].rid, { client: "me", n: 3, seen: 1 });
});

/** Request a preview for a point and answer it. @param {number} x @param {Partial<import("../src/state/answers.js").Preview>} [more] */
function previewOf(x, more = {}) {
  const n = store.requestPreview(
    "press",
    /** @type {import("../src/state/prompts.js").PointPrompt} */ (point(x)),
  )?.n;
  const preview = { client: "me", n: n ?? -1, mask: mask(), score: 0.5, ...more };
  store.receiveAnswer("preview", preview);
  return preview.mask;
}

test("the speculative mask of a press is shown with the click until the kernel answers", () => {
  publish({ epoch: 4, nextColor: "#123456" });
  const ahead = previewOf(1);
  assert.equal(store.snapshot().nextMask, null, "it is no click yet");
  assert.deepEqual(sent, [{ type: "press", client: "me", n: 1, epoch: 4, x: 1, y: 0, label: 1 }]);
  store.addPrompt(point(1));
  assert.equal(store.snapshot().nextMask, ahead);
  assert.equal(store.snapshot().nextColor, "#123456");
  assert.ok(store.snapshot().pending && store.snapshot().isSpeculative);
  publish({ done: 1, active: active(1, [point(1)], { pending: true, mask: null }) });
  assert.equal(store.snapshot().mask, ahead, "acknowledged, not answered");
  const own = { base: ahead?.base ?? null, strokes: [] };
  publish({ done: 1, active: active(1, [point(1)], { mask: own }) });
  assert.equal(store.snapshot().mask, ahead, "the same, which is painted already");
  assert.ok(!store.snapshot().isSpeculative && !store.snapshot().pending);
});

test("a speculative mask can correct the active object, and is replaced by the kernel's mask", () => {
  const before = mask();
  publish({ active: active(1, [point(1)], { mask: before }) });
  const ahead = previewOf(2);
  assert.equal(store.snapshot().mask, before);
  store.addPrompt(point(2));
  assert.equal(store.snapshot().mask, ahead);
  const answer = mask();
  publish({ done: 1, active: active(1, [point(1), point(2)], { mask: answer }) });
  assert.equal(store.snapshot().mask, answer);
  store.act("commit");
  assert.equal(store.snapshot().mask, answer);
});

test("a speculative mask is not shown for another click, nor if it is for another page", () => {
  publish({});
  previewOf(1);
  store.addPrompt(point(2));
  assert.equal(store.snapshot().nextMask, null);
  assert.ok(!store.snapshot().isSpeculative);
  publish({ done: 1, active: active(1, [point(2)]) });
  previewOf(3, { client: "another" });
  previewOf(3, { n: 99 });
  previewOf(3, { mask: null });
  store.addPrompt(point(3));
  assert.ok(!store.snapshot().isSpeculative);
});

test("a speculative mask stays while more prompts are pending", () => {
  publish({});
  const ahead = previewOf(1);
  store.addPrompt(point(1));
  store.addPrompt(point(2));
  assert.equal(store.snapshot().nextMask, ahead);
  assert.ok(!store.snapshot().isSpeculative, "nothing is predicted for the newest click");
  store.addPrompt({ type: "stroke", key: null, points: [[1, 1]], radius: 2, label: 1 });
  const { nextMask } = store.snapshot();
  assert.deepEqual([nextMask?.base, nextMask?.strokes.length], [ahead?.base, 1]);
  publish({ done: 1, active: active(1, [point(1)], { mask: ahead }) });
  assert.equal(store.snapshot().mask?.base, ahead?.base);
});

test("a speculative mask is dropped when the state changes", () => {
  publish({});
  previewOf(1);
  publish({ settings: { overlap: "on top", fillHoles: 9, dropSpecks: 0 } });
  store.addPrompt(point(1));
  assert.equal(store.snapshot().nextMask, null);
});

test("a page without the mask that is referred to requests all objects", () => {
  publish({ newestObjectsMessage: 0 });
  store.receiveObjects({ n: 0, plane: 0, reset: true, put: [], drop: [] });
  assert.equal(store.awaited(), null);
  publish({
    newestObjectsMessage: 0,
    isMaskMissing: true,
    active: active(1, [point(1)], { mask: null }),
  });
  assert.equal(store.awaited()?.kind, "objects");
  store.resync();
  assert.deepEqual(sent.at(-1), { type: "hello", seen: -1 });
});

// --- a new object per click -----------------------------------------------------------------------

/** @param {number} x @returns {Prompt} */
const removing = (x) => ({ type: "point", x, y: 0, label: 0 });

test("with a new object per click, the previous object is finished first, in order and only once", () => {
  store.receiveOptions({ newObjectPerClick: true });
  store.addPrompt(point(1));
  assert.deepEqual(
    sent.map(({ type }) => type),
    [undefined],
    "there is nothing to finish yet",
  );
  store.addPrompt(point(2));
  store.addPrompt(removing(3));
  store.addPrompt(box(4));
  assert.deepEqual(
    shown(),
    [box(4)],
    "the queue holds one object after the other, not one with all prompts",
  );
  const commits = () => sent.filter(({ type }) => type === "commit");
  assert.deepEqual(
    commits().map(({ prompts }) => prompts),
    [[point(1)]],
  );
  publish({ done: 2, epoch: 1 });
  assert.deepEqual(commits()[1].prompts, [point(2), removing(3)]);
  publish({ done: 3, epoch: 2 });
  assert.deepEqual(sent.at(-1).prompts, [box(4)]);
  assert.equal(commits().length, 2);
});

test("with a new object per click, strokes, choices and negative prompts apply to the newest object", () => {
  publish({
    epoch: 4,
    active: active(1, [point(1)], {
      candidates: [
        { score: 1, mask: mask() },
        { score: 1, mask: mask() },
      ],
    }),
  });
  store.receiveOptions({ newObjectPerClick: true });
  store.addPrompt({ type: "choice", index: 1 });
  store.addPrompt(removing(3));
  store.addPrompt({ type: "stroke", key: null, points: [[1, 1]], radius: 2, label: 1 });
  assert.ok(sent.every(({ type }) => type === undefined));
  assert.equal(shown().length, 4);
});

test("with a new object per click, a preview is requested for a new object", () => {
  publish({ epoch: 4, active: active(1, [point(1)]) });
  store.receiveOptions({ newObjectPerClick: true });
  const n = Number(store.requestPreview("press", { type: "point", x: 2, y: 0, label: 1 })?.n);
  assert.equal(sent[0].fresh, true);
  store.receiveAnswer("preview", { client: "me", n, mask: mask(), score: 1 });
  store.addPrompt(point(2));
  assert.ok(store.snapshot().isSpeculative);
  assert.ok(store.snapshot().nextMask);
  store.requestPreview("hover", { type: "point", x: 2, y: 0, label: 0 });
  assert.equal("fresh" in sent.at(-1), false);
});

test("after another page has used the same id, clicks still count as new", () => {
  publish({ done: 7 });
  store.addPrompt(point(1));
  assert.equal(sent[0].rid.n, 8);
  assert.deepEqual(shown(), [point(1)]);
  publish({ done: 500, active: null });
  assert.deepEqual(
    shown(),
    [],
    "a request that the kernel took for an old one is not shown as acknowledged",
  );
  store.addPrompt(point(2));
  assert.equal(sent[1].rid.n, 501);
  publish({ done: 501, active: active(1, [point(2)]) });
  assert.deepEqual(shown(), [point(2)]);
});
