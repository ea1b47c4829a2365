import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { createStore } from "../src/store.js";
import { EMPTY_STATE } from "../src/wire.js";

/**
 * @typedef {import("../src/prompts.js").Prompt} Prompt
 * @typedef {import("../src/wire.js").State} State
 * @typedef {import("../src/wire.js").ActiveObject} ActiveObject
 */

/** @param {number} x @returns {Prompt} */
const point = (x) => ({ type: "point", x, y: 0, label: 1 });
/** @param {number} x1 @returns {Prompt} */
const box = (x1) => ({ type: "box", x0: 0, y0: 0, x1, y1: 1 });
/** @returns {import("../src/mask.js").Mask} */
const mask = () => ({ base: { kind: "logits", width: 1, height: 1, x0: 0, y0: 0, x1: 1, y1: 1, data: Int8Array.of(1) }, strokes: [] });
/** @param {number} id @param {number} index */
const object = (id, index) => ({ id, index, color: "#112233", label: null, score: 0.5, visible: true, locked: false, mask: mask() });
/** @param {number} id @param {Prompt[]} prompts @param {Partial<ActiveObject>} [more] @returns {ActiveObject} */
const active = (id, prompts, more = {}) => ({ ...object(id, 0), prompts, pending: false, empty: false, candidates: null, choice: 0, ...more });

/** @type {any[]} */
let sent;
let down = false;
/** @type {import("../src/store.js").Store} */
let store;
let revision = 0;

/** @param {Partial<State> & { done?: number }} change */
function publish({ done = 0, ...change }) {
  store.receiveState({ ...EMPTY_STATE, revision: ++revision, ack: { me: done }, ...change });
}

beforeEach(() => {
  sent = [];
  down = false;
  revision = 0;
  const send = (/** @type {unknown} */ request) => {
    if (down) throw new Error("Cannot send");
    sent.push(request);
  };
  store = createStore({ client: "me", link: { sendPrompts: send, sendAction: send, sendQuestion: send, sendOptions: send, sendHello: (seen) => send({ type: "hello", seen }) } });
});

const shown = () => store.snapshot().prompts;

test("a click is shown at once and sent with the whole list", () => {
  publish({ epoch: 4, active: active(1, [point(1)]) });
  store.addPrompt(point(2));
  assert.deepEqual(shown(), [point(1), point(2)]);
  assert.deepEqual(sent, [{ rid: { client: "me", n: 1 }, epoch: 4, prompts: [point(1), point(2)] }]);
  assert.ok(store.snapshot().pending && store.snapshot().unsent);
});

test("clicks made before an answer build on each other", () => {
  store.addPrompt(point(1));
  store.addPrompt(point(2));
  assert.deepEqual(sent.map(({ rid, prompts }) => [rid.n, prompts.length]), [[1, 1], [2, 2]]);
  publish({ done: 1, active: active(1, [point(1)]) });
  assert.deepEqual(shown(), [point(1), point(2)], "an older acknowledgement does not take the newest click away");
  publish({ done: 2, active: active(1, [point(1), point(2)], { pending: true }) });
  assert.ok(!store.snapshot().unsent && store.snapshot().pending);
});

test("once acknowledged, the kernel's prompts are shown, even if it rejected ours", () => {
  store.addPrompt(point(1));
  publish({ done: 1, epoch: 9, active: null, notice: "Something else happened." });
  assert.deepEqual(shown(), []);
  assert.equal(store.snapshot().notice, "Something else happened.");
  store.addPrompt(point(3));
  assert.equal(sent[1].epoch, 9);
});

test("a click on prompts that are gone by now keeps their epoch, so that the kernel can refuse it", () => {
  publish({ epoch: 3, active: active(1, [point(1)]) });
  store.addPrompt(point(2));
  publish({ epoch: 4, active: null });
  store.addPrompt(point(3));
  assert.deepEqual([sent[1].epoch, sent[1].prompts.length], [3, 3]);
});

test("an acknowledgement may jump", () => {
  store.addPrompt(point(1));
  publish({ done: 50, active: active(1, [point(1)]) });
  assert.ok(!store.snapshot().unsent);
});

test("a stale revision is dropped", () => {
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

test("a new box takes the old one's place as the newest prompt", () => {
  store.addPrompt(box(1));
  store.addPrompt(point(1));
  store.addPrompt(box(2));
  assert.deepEqual(shown(), [point(1), box(2)]);
});

test("an action carries the clicks made before it", () => {
  store.addPrompt(point(1));
  store.act("label", { object: 7, label: "cat" });
  assert.deepEqual(sent[1], { type: "label", rid: { client: "me", n: 2 }, epoch: 0, prompts: [point(1)], object: 7, label: "cat" });
});

test("clicks during an action are drawn, and sent after its answer on top of the kernel's prompts", () => {
  publish({ active: active(1, [point(1), point(2)]), canUndo: true });
  store.act("undo");
  store.addPrompt(point(5));
  assert.equal(sent.length, 1);
  assert.deepEqual(shown(), [point(1), point(2), point(5)]);
  publish({ done: 1, epoch: 1, active: active(1, [point(1)]) });
  assert.deepEqual(sent[1], { rid: { client: "me", n: 2 }, epoch: 1, prompts: [point(1), point(5)] });
  assert.deepEqual(shown(), [point(1), point(5)]);
});

test("after a commit the next click starts a new object without waiting to be drawn", () => {
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

test("deleting another object leaves the prompts alone", () => {
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

test("the last mask stays while a newer one is pending, and only for the same object", () => {
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

test("objects are dropped, then put at their index; the active one is not drawn from them", () => {
  store.receiveObjects({ n: 1, plane: 0, reset: true, put: [object(1, 0), object(2, 1), object(3, 2)], drop: [] });
  store.receiveObjects({ n: 1, plane: 0, reset: false, put: [object(4, 0), object(3, 99)], drop: [2] });
  assert.deepEqual(store.snapshot().finished.map(({ id }) => id), [4, 1, 3]);
  publish({ active: active(1, [point(1)], { index: 1 }) });
  assert.deepEqual(store.snapshot().finished.map(({ id }) => id), [4, 3]);
  assert.deepEqual(store.snapshot().rows.map(({ id }) => id), [4, 1, 3]);
  store.receiveObjects({ n: 1, plane: 0, reset: true, put: [], drop: [] });
  assert.deepEqual(store.snapshot().rows.map(({ id }) => id), [1]);
});

test("a new label shows at once and until the kernel has it", () => {
  store.receiveObjects({ n: 1, plane: 0, reset: true, put: [object(1, 0)], drop: [] });
  store.act("label", { object: 1, label: "cat" });
  assert.equal(store.snapshot().rows[0].label, "cat");
  publish({ done: 1 });
  assert.equal(store.snapshot().rows[0].label, null, "then the kernel's word counts");
});

test("a lost kernel is noticed, and so is its return", () => {
  down = true;
  store.addPrompt(point(1));
  assert.ok(store.snapshot().gone);
  assert.deepEqual(shown(), [point(1)], "the click stays visible");
  publish({});
  assert.ok(!store.snapshot().gone);
});

test("nothing waits for an action that could not leave", () => {
  down = true;
  store.act("undo");
  down = false;
  store.addPrompt(point(1));
  assert.deepEqual(sent.map(({ prompts }) => prompts), [[point(1)]]);
});

test("an unsubscribed listener hears nothing", () => {
  const controller = new AbortController();
  let calls = 0;
  store.subscribe(() => calls++, controller.signal);
  store.addPrompt(point(1));
  controller.abort();
  store.addPrompt(point(2));
  assert.equal(calls, 1);
});

test("while a commit is on its way, no edit is about the object that it finishes", () => {
  publish({ active: active(1, [point(1)]) });
  assert.equal(store.snapshot().target, 1);
  store.act("commit");
  assert.equal(store.snapshot().target, null);
  store.addPrompt(point(2));
  store.discardPrompts();
  publish({ done: 1, active: null });
  assert.deepEqual(sent.map(({ type }) => type), ["commit"], "the click was taken back, and nothing else was");
});

test("a request that could not leave is not waited for", () => {
  publish({ active: active(1, [point(1)]) });
  down = true;
  store.act("undo");
  assert.ok(store.snapshot().gone);
  down = false;
  store.setGone(false);
  assert.ok(!store.snapshot().unsent);
  store.act("undo");
  publish({ done: 1 });
  assert.ok(!store.snapshot().pending);
});

/** @param {number} x @param {string | null} [key] @returns {Prompt} */
const stroke = (x, key = null) => ({ type: "stroke", key, points: key === null ? [[x, 0]] : null, radius: 2, label: 1 });
const strokesShown = () => store.snapshot().mask?.strokes.map(({ points }) => points[0]);

test("a stroke lies on the last mask until the kernel's has it, and is sent once in full", () => {
  const first = mask();
  publish({ active: active(1, [point(1)], { mask: first }) });
  store.addPrompt(stroke(5));
  assert.deepEqual(strokesShown(), [5]);
  assert.equal(store.snapshot().mask, store.snapshot().mask);
  assert.deepEqual(sent[0].prompts[1], { type: "stroke", points: [[5, 0]], radius: 2, label: 1 });
  publish({ done: 1, active: active(1, [point(1), stroke(5, "s")], { mask: null, pending: true }) });
  assert.deepEqual(strokesShown(), [5], "its answer is pending");
  store.addPrompt(stroke(6));
  assert.deepEqual(strokesShown(), [5, 6]);
  assert.deepEqual(sent[1].prompts[1], { type: "known", key: "s" });
  const painted = { ...first, strokes: [{ points: Float64Array.of(5, 0), radius: 2, label: /** @type {const} */ (1) }] };
  publish({ done: 2, active: active(1, [point(1), stroke(5, "s"), stroke(6, "t")], { mask: painted }) });
  assert.equal(store.snapshot().mask, painted);
});

test("strokes that start an object are shown before it is known", () => {
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
  assert.deepEqual(store.snapshot().nextMask?.strokes.map(({ points }) => points[0]), [6]);
});

test("candidates stay while one of them is being chosen, which shows at once", () => {
  const candidates = [{ score: 0.9, mask: mask() }, { score: 0.8, mask: mask() }];
  publish({ active: active(1, [point(1)], { mask: candidates[0].mask, candidates }) });
  assert.equal(store.snapshot().choice, 0);
  store.addPrompt({ type: "choice", index: 1 });
  assert.equal(store.snapshot().choice, 1);
  assert.equal(store.snapshot().mask, candidates[1].mask);
  store.addPrompt(point(2));
  assert.deepEqual([store.snapshot().candidates, store.snapshot().choice], [null, -1]);
});

test("prompts are moved and removed by their place", () => {
  publish({ active: active(1, [point(1), point(2), point(3)]) });
  store.replacePrompt(1, point(9));
  store.removePrompt(0);
  assert.deepEqual(sent.map(({ prompts }) => prompts.map((/** @type {any} */ { x }) => x)), [[1, 9, 3], [9, 3]]);
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

test("hiding and locking show at once, even when they wait in the queue", () => {
  store.receiveObjects({ n: 1, plane: 0, reset: true, put: [object(1, 0), object(2, 1)], drop: [] });
  store.act("show", { object: 1, visible: false });
  store.act("lock", { object: 2, locked: true });
  assert.deepEqual(store.snapshot().rows.map(({ visible, locked }) => [visible, locked]), [[false, false], [true, true]]);
  publish({ done: 1 });
  assert.equal(store.snapshot().rows[0].visible, true, "then the kernel's word counts");
  assert.equal(store.snapshot().rows[1].locked, true);
});

test("options show at once and are sent by themselves", () => {
  store.setOption("tool", "brush");
  store.setOption("tool", "brush");
  assert.deepEqual(sent, [{ tool: "brush" }]);
  assert.equal(store.snapshot().options.tool, "brush");
  store.receiveOptions({ tool: "pan" });
  assert.equal(store.snapshot().options.tool, "pan");
  down = true;
  store.setOption("opacity", 1);
  assert.ok(store.snapshot().gone && store.snapshot().options.opacity === 1);
});

test("questions have numbers of their own, and their answers find who listens", () => {
  const controller = new AbortController();
  /** @type {unknown[]} */
  const heard = [];
  store.listen("probe", (answer) => heard.push(answer), controller.signal);
  assert.equal(store.ask("probe", { x: 1, y: 2 }), 1);
  assert.deepEqual(sent, [{ type: "probe", client: "me", n: 1, x: 1, y: 2 }]);
  store.receiveAnswer("probe", "here");
  store.receiveAnswer("tiles", "elsewhere");
  controller.abort();
  store.receiveAnswer("probe", "too late");
  assert.deepEqual(heard, ["here"]);
  assert.ok(!store.snapshot().unsent);
  down = true;
  assert.equal(store.ask("probe", {}), null);
  assert.ok(store.snapshot().gone);
});

test("thousands of objects are put in place without counting them again and again", () => {
  const put = Array.from({ length: 5000 }, (_, k) => object(k, k));
  store.receiveObjects({ n: 1, plane: 0, reset: true, put, drop: [] });
  store.receiveObjects({ n: 1, plane: 0, reset: false, put: [object(4999, 0)], drop: [1, 2] });
  assert.deepEqual(store.snapshot().rows.slice(0, 3).map(({ id }) => id), [4999, 0, 3]);
  assert.equal(store.snapshot().rows.length, 4998);
});

test("who locks the object being worked on has left it", () => {
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

test("a page shows what it was told, else what all were, else what is to be said of the mask", () => {
  publish({ notice: "mask", notices: { other: "theirs" } });
  assert.equal(store.snapshot().notice, "mask");
  publish({ notice: "mask", notices: { "": "all" } });
  assert.equal(store.snapshot().notice, "all");
  publish({ notice: "mask", notices: { "": "all", me: "mine" } });
  assert.equal(store.snapshot().notice, "mine");
});

test("what a tab was told is told by its page when it was loaded again", () => {
  store = createStore({ client: "tab.me", link: /** @type {any} */ ({}) });
  publish({ notice: "mask", notices: { tab: "refused", other: "theirs" } });
  assert.equal(store.snapshot().notice, "refused");
});

test("a request tells which notices its user had seen, also when it had to wait", () => {
  store.act("undo");
  store.addPrompt(point(1));
  publish({ done: 1, notices: { me: "refused" }, noticed: 1 });
  assert.deepEqual(sent[1].rid, { client: "me", n: 2 });
  store.addPrompt(point(2));
  assert.deepEqual(sent[2].rid, { client: "me", n: 3, seen: 1 });
});

/** Ask about a point, and be told. @param {number} x @param {Partial<import("../src/wire.js").Preview>} [more] */
function foretold(x, more = {}) {
  const n = store.askAhead("press", /** @type {import("../src/prompts.js").PointPrompt} */ (point(x)));
  const preview = { client: "me", n: n ?? -1, mask: mask(), score: 0.5, ...more };
  store.receivePreview(preview);
  return preview.mask;
}

test("what a press has foretold is shown with the click, until the kernel answers", () => {
  publish({ epoch: 4, nextColor: "#123456" });
  const ahead = foretold(1);
  assert.equal(store.snapshot().nextMask, null, "it is no click yet");
  assert.deepEqual(sent, [{ type: "press", client: "me", n: 1, epoch: 4, x: 1, y: 0, label: 1 }]);
  store.addPrompt(point(1));
  assert.equal(store.snapshot().nextMask, ahead);
  assert.equal(store.snapshot().nextColor, "#123456");
  assert.ok(store.snapshot().pending && store.snapshot().foreseen);
  publish({ done: 1, active: active(1, [point(1)], { pending: true, mask: null }) });
  assert.equal(store.snapshot().mask, ahead, "acknowledged, not answered");
  const own = { base: ahead?.base ?? null, strokes: [] };
  publish({ done: 1, active: active(1, [point(1)], { mask: own }) });
  assert.equal(store.snapshot().mask, ahead, "the same, which is painted already");
  assert.ok(!store.snapshot().foreseen && !store.snapshot().pending);
});

test("a click that was foretold corrects the object there is, and the kernel's word is the last", () => {
  const before = mask();
  publish({ active: active(1, [point(1)], { mask: before }) });
  const ahead = foretold(2);
  assert.equal(store.snapshot().mask, before);
  store.addPrompt(point(2));
  assert.equal(store.snapshot().mask, ahead);
  const answer = mask();
  publish({ done: 1, active: active(1, [point(1), point(2)], { mask: answer }) });
  assert.equal(store.snapshot().mask, answer);
  store.act("commit");
  assert.equal(store.snapshot().mask, answer);
});

test("another click than the one foretold, or told to another page, shows nothing ahead", () => {
  publish({});
  foretold(1);
  store.addPrompt(point(2));
  assert.equal(store.snapshot().nextMask, null);
  assert.ok(!store.snapshot().foreseen);
  publish({ done: 1, active: active(1, [point(2)]) });
  foretold(3, { client: "another" });
  foretold(3, { n: 99 });
  foretold(3, { mask: null });
  store.addPrompt(point(3));
  assert.ok(!store.snapshot().foreseen);
});

test("what was foreseen and shown stays while more is asked for", () => {
  publish({});
  const ahead = foretold(1);
  store.addPrompt(point(1));
  store.addPrompt(point(2));
  assert.equal(store.snapshot().nextMask, ahead);
  assert.ok(!store.snapshot().foreseen, "of the newest click nothing is known");
  store.addPrompt({ type: "stroke", key: null, points: [[1, 1]], radius: 2, label: 1 });
  const { nextMask } = store.snapshot();
  assert.deepEqual([nextMask?.base, nextMask?.strokes.length], [ahead?.base, 1]);
  publish({ done: 1, active: active(1, [point(1)], { mask: ahead }) });
  assert.equal(store.snapshot().mask?.base, ahead?.base);
});

test("what was foreseen before something else happened is forgotten", () => {
  publish({});
  foretold(1);
  publish({ settings: { overlap: "on top", fillHoles: 9, dropSpecks: 0 } });
  store.addPrompt(point(1));
  assert.equal(store.snapshot().nextMask, null);
});

test("a page that lacks the mask that is named asks for everything", () => {
  publish({ objects: 0 });
  store.receiveObjects({ n: 0, plane: 0, reset: true, put: [], drop: [] });
  assert.equal(store.owed(), null);
  publish({ objects: 0, lacks: true, active: active(1, [point(1)], { mask: null }) });
  assert.equal(store.owed(), "objects");
  store.resync();
  assert.deepEqual(sent.at(-1), { type: "hello", seen: -1 });
});
