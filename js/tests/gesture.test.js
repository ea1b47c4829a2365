import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { createGesture, thinned } from "../src/gesture.js";
import { createStore } from "../src/store.js";
import { EMPTY_STATE, parseStatus } from "../src/wire.js";

/** @type {import("../src/store.js").Store} */
let store;
/** @type {any[]} */
let sent;
/** @type {any} */
let ui;
/** @type {ReturnType<typeof createGesture>} */
let gesture;

beforeEach(() => {
  sent = [];
  ui = { negative: false, draft: null, grabbed: null };
  const link = {
    sendPrompts: (/** @type {any} */ request) => void sent.push(request),
    sendAction: (/** @type {any} */ request) => void sent.push(request),
    sendQuestion() {},
    sendOptions() {},
    sendHello() {},
  };
  store = createStore({ client: "me", link });
  store.receivePicture({ width: 100, height: 80, viewWidth: 100, viewHeight: 80, mime: "", data: new Uint8Array(1), plane: 0, name: "", tiles: null });
  const commands = { set: (/** @type {any} */ change) => void Object.assign(ui, change) };
  gesture = createGesture({ store, stage: { cssPixel: () => 0.5 }, ui, commands });
});

const prompts = () => store.snapshot().prompts;
/** @param {import("../src/options.js").Tool} tool */
const take = (tool) => store.receiveOptions({ tool });
/** @param {number[][]} path @param {import("../src/gesture.js").How} [how] */
function draw(path, how) {
  gesture.begin({ x: path[0][0], y: path[0][1] }, how);
  for (const [x, y] of path.slice(1)) gesture.extend({ x, y });
  const [x, y] = path[path.length - 1];
  gesture.end({ x, y });
}

test("a press that stays is a point, one that moves is a box in whatever direction", () => {
  gesture.tap({ x: 10, y: 10 });
  draw([[60, 60], [30, 20]]);
  assert.deepEqual(prompts(), [{ type: "point", x: 10, y: 10, label: 1 }, { type: "box", x0: 30, y0: 20, x1: 60, y1: 60 }]);
  assert.equal(ui.draft, null);
});

test("what is pressed with and the switch both make it negative", () => {
  gesture.tap({ x: 10, y: 10 }, { negative: true });
  ui.negative = true;
  gesture.tap({ x: 40, y: 40 });
  assert.deepEqual(prompts().map((prompt) => "label" in prompt && prompt.label), [0, 0]);
});

test("it says beforehand which point a release would add, and only while it would", () => {
  gesture.tap({ x: 10, y: 10 });
  const point = { type: "point", x: 60, y: 60, label: 1 };
  /** @param {number} x @param {number} y @param {import("../src/gesture.js").How} [how] */
  const begun = (x, y, how) => {
    gesture.begin({ x, y }, how);
    return gesture.expected();
  };
  assert.equal(gesture.expected(), null);
  assert.deepEqual(begun(60, 60), point);
  assert.deepEqual(begun(60, 60, { negative: true }), { ...point, label: 0 });
  assert.deepEqual(begun(60, 60), point);
  gesture.extend({ x: 70, y: 70 });
  assert.equal(gesture.expected(), null, "a box by now");
  gesture.cancel();
  assert.equal(begun(10, 10), null, "on a placed point");
  assert.equal(begun(10, 10, { negative: true }), null, "it is taken away");
  assert.equal(begun(-5, 10), null, "beside the image");
  for (const tool of /** @type {const} */ (["brush", "eraser", "scribble", "select"])) {
    take(tool);
    assert.equal(begun(60, 60), null, tool);
  }
  take("box");
  assert.deepEqual(begun(60, 60), point);
  gesture.end({ x: 60, y: 60 });
  assert.deepEqual(prompts().at(-1), point);
});

test("the mark of a press is there at once, unless it may become something else", () => {
  const point = { type: "point", x: 60, y: 60, label: 1 };
  gesture.begin({ x: 60, y: 60 });
  assert.deepEqual(ui.draft, { kind: "point", point });
  gesture.extend({ x: 30, y: 20 });
  assert.equal(ui.draft.kind, "box");
  gesture.cancel();
  assert.equal(ui.draft, null);
  gesture.begin({ x: 60, y: 60 }, { coarse: true });
  assert.equal(ui.draft, null, "a second finger may come");
  gesture.end({ x: 60, y: 60 });
  assert.deepEqual(prompts(), [point]);
  draw([[80, 80], [90, 90]]);
  gesture.begin({ x: 80, y: 85 });
  assert.equal(ui.draft, null, "a box's side that may be dragged");
  take("box");
  gesture.begin({ x: 20, y: 20 });
  assert.equal(ui.draft, null);
});

test("a drag with the right button draws no box", () => {
  draw([[60, 60], [30, 20]], { negative: true, dragging: false });
  assert.deepEqual(prompts(), [{ type: "point", x: 60, y: 60, label: 0 }]);
});

test("a placed point is moved by dragging it, taken away by a negative press, and not doubled", () => {
  gesture.tap({ x: 10, y: 10 });
  gesture.tap({ x: 50, y: 50 });
  draw([[11, 10], [31, 30]]);
  assert.deepEqual(prompts()[0], { type: "point", x: 30, y: 30, label: 1 });
  gesture.tap({ x: 30, y: 30 });
  assert.equal(prompts().length, 2);
  assert.equal(gesture.markAt({ x: 30, y: 31 }), 0);
  gesture.tap({ x: 30, y: 30 }, { negative: true });
  assert.deepEqual(prompts(), [{ type: "point", x: 50, y: 50, label: 1 }]);
});

test("a move that the kernel overtook moves nothing", () => {
  store.receiveState({ ...EMPTY_STATE, revision: 1, active: activeWith([{ type: "point", x: 10, y: 10, label: 1 }]) });
  gesture.begin({ x: 10, y: 10 });
  gesture.extend({ x: 40, y: 40 });
  assert.equal(ui.draft.kind, "move");
  store.receiveState({ ...EMPTY_STATE, revision: 2, active: activeWith([{ type: "point", x: 70, y: 70, label: 1 }]) });
  gesture.end({ x: 40, y: 40 });
  assert.deepEqual(sent, []);
});

test("a brush paints, an eraser erases, and each the other way round on request", () => {
  take("brush");
  draw([[10, 10], [20, 10], [20.1, 10]]);
  take("eraser");
  draw([[15, 10]]);
  draw([[16, 10]], { negative: true });
  const strokes = prompts().map((prompt) => prompt.type === "stroke" && [prompt.points?.length, prompt.label, prompt.radius]);
  assert.deepEqual(strokes, [[2, 1, 2], [1, 0, 2], [1, 1, 2]]);
});

test("there is nothing to erase before there is anything", () => {
  take("eraser");
  draw([[10, 10], [20, 10]]);
  assert.deepEqual(sent, []);
});

test("a stroke longer than the kernel takes becomes two that meet", () => {
  take("brush");
  draw(Array.from({ length: 3000 }, (_, k) => [(k % 90) + 5, 10 + Math.floor(k / 90)]));
  const [first, second] = prompts().map((prompt) => (prompt.type === "stroke" && prompt.points) || []);
  assert.equal(first.length, 2048);
  assert.deepEqual(second[0], first[2047]);
  assert.equal(prompts().length, 2);
});

test("a scribble is a line, a short one a point, a long one is thinned to its ends", () => {
  take("scribble");
  draw([[10, 10], [20, 15], [30, 30]]);
  draw([[50, 50]]);
  draw(Array.from({ length: 900 }, (_, k) => [(k % 90) + 5, 10 + Math.floor(k / 90)]), { negative: true });
  const [line, dot, long] = prompts();
  assert.deepEqual(line, { type: "scribble", points: [[10, 10], [20, 15], [30, 30]], label: 1 });
  assert.equal(dot.type, "point");
  assert.ok(long.type === "scribble" && long.points.length === 256 && long.label === 0);
});

test("all stays inside the image", () => {
  take("brush");
  draw([[-50, 10], [500, 700]]);
  take("point");
  gesture.tap({ x: 100, y: 10 });
  assert.deepEqual(prompts().map((prompt) => prompt.type === "stroke" && prompt.points), [[[0, 10], [99.99, 79.99]]]);
});

test("the topmost object that may be selected is", () => {
  take("select");
  const disc = (/** @type {number} */ x) => ({ base: null, strokes: [{ points: Float64Array.of(x, 40), radius: 20, label: /** @type {const} */ (1) }] });
  const object = (/** @type {number} */ id, /** @type {number} */ x, more = {}) => ({ id, index: id, color: "#112233", label: null, score: 1, visible: true, locked: false, mask: disc(x), ...more });
  store.receiveObjects({ n: 1, plane: 0, reset: true, drop: [], put: [object(0, 30), object(1, 40), object(2, 40, { locked: true }), object(3, 40, { visible: false })] });
  assert.equal(gesture.objectAt({ x: 40, y: 40 }), 1);
  assert.equal(gesture.objectAt({ x: 15, y: 40 }), 0);
  assert.equal(gesture.objectAt({ x: 90, y: 40 }), null);
  gesture.tap({ x: 40, y: 40 });
  assert.deepEqual([sent[0].type, sent[0].object], ["select", 1]);
});

test("a cancelled press leaves nothing", () => {
  for (const tool of /** @type {const} */ (["point", "box", "scribble", "brush"])) {
    take(tool);
    gesture.begin({ x: 10, y: 10 });
    gesture.extend({ x: 50, y: 50 });
    assert.ok(gesture.isActive());
    assert.ok(gesture.cancel());
    gesture.extend({ x: 60, y: 60 });
    gesture.end({ x: 60, y: 60 });
    assert.ok(!gesture.cancel() && ui.draft === null);
  }
  assert.deepEqual(sent, []);
});

test("a closed widget takes nothing", () => {
  store.receiveStatus(parseStatus({ phase: "closed" }));
  gesture.tap({ x: 10, y: 10 });
  assert.deepEqual(sent, []);
});

test("thinning keeps both ends", () => {
  assert.deepEqual(thinned([1, 2, 3, 4, 5, 6, 7], 3), [1, 4, 7]);
  assert.deepEqual(thinned([1, 2], 3), [1, 2]);
});

/** @param {import("../src/prompts.js").Prompt[]} list */
function activeWith(list) {
  return {
    id: 1, index: 0, color: "#112233", label: null, score: 1, visible: true, locked: false, mask: null,
    prompts: list, pending: false, empty: false, candidates: null, choice: 0,
  };
}
