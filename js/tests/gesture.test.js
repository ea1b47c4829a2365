import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { createGesture, thinned } from "../src/input/gesture.js";
import { createStore } from "../src/state/store.js";
import { EMPTY_STATE } from "../src/state/annotation.js";
import { parseStatus } from "../src/kernel/wire.js";

/** @type {import("../src/state/store.js").Store} */
let store;
/** @type {any[]} */
let sent;
/** @type {any} */
let ui;
/** What was done with proposals. @type {any[]} */
let decided;
/** @type {import("../src/state/proposals.js").Proposal[]} */
let shown;
/** @type {ReturnType<typeof createGesture>} */
let gesture;

beforeEach(() => {
  sent = [];
  ui = { negative: false, draft: null, grabbed: null };
  const link = {
    sendPrompts: (/** @type {any} */ request) => void sent.push(request),
    sendAction: (/** @type {any} */ request) => void sent.push(request),
    sendRequest() {},
    sendOptions() {},
    sendHello() {},
  };
  store = createStore({ client: "me", link });
  store.receivePicture({
    width: 100,
    height: 80,
    viewWidth: 100,
    viewHeight: 80,
    mime: "",
    data: new Uint8Array(1),
    plane: 0,
    name: "",
    tiles: null,
  });
  decided = [];
  shown = [];
  const commands = {
    set: (/** @type {any} */ change) => void Object.assign(ui, change),
    propose: (/** @type {any} */ region) => void decided.push(["propose", region]),
    decide: (/** @type {any} */ type, /** @type {any} */ numbers) =>
      void decided.push([type, [...numbers]]),
  };
  const stage = { cssPixel: () => 0.5 };
  gesture = createGesture({ store, stage, ui, commands, proposals: () => shown });
});

const prompts = () => store.snapshot().prompts;
/** @param {import("../src/state/options.js").Tool} tool */
const take = (tool) => store.receiveOptions({ tool });
/** @param {number[][]} path @param {import("../src/input/gesture.js").PressOptions} [how] */
function draw(path, how) {
  gesture.begin({ x: path[0][0], y: path[0][1] }, how);
  for (const [x, y] of path.slice(1)) gesture.extend({ x, y });
  const [x, y] = path[path.length - 1];
  gesture.end({ x, y });
}

test("a press without movement is a point, one with movement a box in any direction", () => {
  gesture.tap({ x: 10, y: 10 });
  draw([
    [60, 60],
    [30, 20],
  ]);
  assert.deepEqual(prompts(), [
    { type: "point", x: 10, y: 10, label: 1 },
    { type: "box", x0: 30, y0: 20, x1: 60, y1: 60 },
  ]);
  assert.equal(ui.draft, null);
});

test("a modifier and the switch each make a point negative", () => {
  gesture.tap({ x: 10, y: 10 }, { negative: true });
  ui.negative = true;
  gesture.tap({ x: 40, y: 40 });
  assert.deepEqual(
    prompts().map((prompt) => "label" in prompt && prompt.label),
    [0, 0],
  );
});

test("the point that a release would add is known before, and only while it would be added", () => {
  gesture.tap({ x: 10, y: 10 });
  const point = { type: "point", x: 60, y: 60, label: 1 };
  /** @param {number} x @param {number} y @param {import("../src/input/gesture.js").PressOptions} [how] */
  const begun = (x, y, how) => {
    gesture.begin({ x, y }, how);
    return gesture.pointOnRelease();
  };
  assert.equal(gesture.pointOnRelease(), null);
  assert.deepEqual(begun(60, 60), point);
  assert.deepEqual(begun(60, 60, { negative: true }), { ...point, label: 0 });
  assert.deepEqual(begun(60, 60), point);
  gesture.extend({ x: 70, y: 70 });
  assert.equal(gesture.pointOnRelease(), null, "a box by now");
  gesture.cancel();
  assert.equal(begun(10, 10), null, "on a placed point");
  assert.equal(begun(10, 10, { negative: true }), null, "it is removed");
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

test("the mark of a press is shown at once, unless the press may become something else", () => {
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
  draw([
    [80, 80],
    [90, 90],
  ]);
  gesture.begin({ x: 80, y: 85 });
  assert.equal(ui.draft, null, "a box's side that may be dragged");
  take("box");
  gesture.begin({ x: 20, y: 20 });
  assert.equal(ui.draft, null);
});

test("a drag with the right button draws no box", () => {
  draw(
    [
      [60, 60],
      [30, 20],
    ],
    { negative: true, dragging: false },
  );
  assert.deepEqual(prompts(), [{ type: "point", x: 60, y: 60, label: 0 }]);
});

test("a placed point is moved by a drag, removed by a negative press, and not duplicated", () => {
  gesture.tap({ x: 10, y: 10 });
  gesture.tap({ x: 50, y: 50 });
  draw([
    [11, 10],
    [31, 30],
  ]);
  assert.deepEqual(prompts()[0], { type: "point", x: 30, y: 30, label: 1 });
  gesture.tap({ x: 30, y: 30 });
  assert.equal(prompts().length, 2);
  assert.equal(gesture.markAt({ x: 30, y: 31 }), 0);
  gesture.tap({ x: 30, y: 30 }, { negative: true });
  assert.deepEqual(prompts(), [{ type: "point", x: 50, y: 50, label: 1 }]);
});

test("a drag of a prompt that the kernel has removed moves nothing", () => {
  store.receiveState({
    ...EMPTY_STATE,
    revision: 1,
    active: activeWith([{ type: "point", x: 10, y: 10, label: 1 }]),
  });
  gesture.begin({ x: 10, y: 10 });
  gesture.extend({ x: 40, y: 40 });
  assert.equal(ui.draft.kind, "move");
  store.receiveState({
    ...EMPTY_STATE,
    revision: 2,
    active: activeWith([{ type: "point", x: 70, y: 70, label: 1 }]),
  });
  gesture.end({ x: 40, y: 40 });
  assert.deepEqual(sent, []);
});

test("an answer during a press does not change what is dragged or removed", () => {
  const [a, b] = [
    { type: "point", x: 10, y: 10, label: 1 },
    { type: "point", x: 50, y: 50, label: 1 },
  ];
  const answer = (/** @type {number} */ revision) =>
    store.receiveState({
      ...EMPTY_STATE,
      revision,
      ack: { me: revision },
      active: activeWith(/** @type {any} */ ([{ ...a }, { ...b }])),
    });
  answer(1);
  gesture.begin({ x: 50, y: 50 });
  gesture.extend({ x: 60, y: 60 });
  answer(2);
  gesture.end({ x: 70, y: 60 });
  assert.deepEqual(prompts(), [a, { ...b, x: 70, y: 60 }]);
  answer(3);
  gesture.begin({ x: 10, y: 10 }, { negative: true });
  answer(4);
  assert.equal(gesture.pointOnRelease(), null);
  gesture.end({ x: 10, y: 10 });
  assert.deepEqual(prompts(), [b]);
});

test("a dragged point stays the same when an earlier one is removed meanwhile", () => {
  const [a, b] = [
    { type: "point", x: 10, y: 10, label: 1 },
    { type: "point", x: 50, y: 50, label: 1 },
  ];
  store.receiveState({
    ...EMPTY_STATE,
    revision: 1,
    active: activeWith(/** @type {any} */ ([a, b])),
  });
  gesture.begin({ x: 50, y: 50 });
  gesture.extend({ x: 60, y: 60 });
  store.receiveState({
    ...EMPTY_STATE,
    revision: 2,
    active: activeWith(/** @type {any} */ ([{ ...b }])),
  });
  gesture.extend({ x: 70, y: 60 });
  assert.equal(ui.draft.index, 0);
  gesture.end({ x: 70, y: 60 });
  assert.deepEqual(prompts(), [{ ...b, x: 70, y: 60 }]);
});

test("a negative press on a point that was just removed adds no negative point", () => {
  store.receiveState({
    ...EMPTY_STATE,
    revision: 1,
    active: activeWith([{ type: "point", x: 10, y: 10, label: 1 }]),
  });
  gesture.begin({ x: 10, y: 10 }, { negative: true });
  store.receiveState({ ...EMPTY_STATE, revision: 2 });
  gesture.end({ x: 10, y: 10 });
  assert.deepEqual(sent, []);
});

test("a click on a point of an object that is being finished belongs to the next object", () => {
  const at = { x: 60, y: 60 };
  for (let k = 0; k < 3; k++) {
    gesture.tap(at);
    assert.deepEqual(prompts(), [{ type: "point", ...at, label: 1 }], `object ${k}`);
    store.act("commit");
    assert.deepEqual(prompts(), []);
    assert.equal(store.snapshot().target, null);
  }
  for (const n of [2, 3, 4])
    store.receiveState({ ...EMPTY_STATE, revision: n, epoch: n - 1, ack: { me: n } });
  const commits = sent.filter(({ type }) => type === "commit");
  assert.deepEqual(
    commits.map(({ prompts: sentWith }) => sentWith.length),
    [1, 1, 1],
  );
});

test("removing a new object at once leaves the earlier objects alone", () => {
  for (const x of [20, 40]) {
    gesture.tap({ x, y: 60 });
    store.act("commit");
  }
  gesture.tap({ x: 60, y: 60 });
  store.discardPrompts();
  assert.deepEqual(prompts(), []);
  for (const n of [2, 3, 4, 5])
    store.receiveState({ ...EMPTY_STATE, revision: n, epoch: n - 1, ack: { me: n } });
  const commits = sent.filter(({ type }) => type === "commit");
  assert.deepEqual(
    commits.map(({ prompts: [prompt] }) => prompt.x),
    [20, 40],
  );
  assert.deepEqual(prompts(), []);
});

test("the brush paints and the eraser erases, and each does the opposite with the modifier", () => {
  take("brush");
  draw([
    [10, 10],
    [20, 10],
    [20.1, 10],
  ]);
  take("eraser");
  draw([[15, 10]]);
  draw([[16, 10]], { negative: true });
  const strokes = prompts().map(
    (prompt) => prompt.type === "stroke" && [prompt.points?.length, prompt.label, prompt.radius],
  );
  assert.deepEqual(strokes, [
    [2, 1, 6],
    [1, 0, 6],
    [1, 1, 6],
  ]);
});

test("with Shift a stroke begins at the end of the previous one on the same object", () => {
  take("brush");
  assert.equal(gesture.lineStart(), null);
  draw([[10, 10]], { straight: true });
  assert.deepEqual(gesture.lineStart(), { x: 10, y: 10 });
  draw(
    [
      [50, 20],
      [50, 30],
    ],
    { straight: true },
  );
  take("eraser");
  draw([[20, 30]], { straight: true });
  const points = () => prompts().map((prompt) => prompt.type === "stroke" && prompt.points);
  assert.deepEqual(points(), [
    [[10, 10]],
    [
      [10, 10],
      [50, 20],
      [50, 30],
    ],
    [
      [50, 30],
      [20, 30],
    ],
  ]);
  take("point");
  assert.equal(gesture.lineStart(), null);
  store.act("commit");
  take("brush");
  assert.equal(gesture.lineStart(), null);
  draw([[70, 70]], { straight: true });
  assert.deepEqual(points(), [[[70, 70]]], "no line begins on another object");
});

test("the eraser end of a pen erases with any tool", () => {
  take("brush");
  draw([
    [10, 10],
    [20, 10],
  ]);
  take("point");
  draw(
    [
      [15, 10],
      [18, 10],
    ],
    { erasing: true },
  );
  assert.deepEqual(
    prompts().map((prompt) => prompt.type === "stroke" && prompt.label),
    [1, 0],
  );
});

test("the eraser does nothing before there is an object", () => {
  take("eraser");
  draw([
    [10, 10],
    [20, 10],
  ]);
  assert.deepEqual(sent, []);
});

test("a stroke with too many vertices becomes two connected ones", () => {
  take("brush");
  draw(Array.from({ length: 3000 }, (_, k) => [(k % 90) + 5, 10 + Math.floor(k / 90)]));
  const [first, second] = prompts().map(
    (prompt) => (prompt.type === "stroke" && prompt.points) || [],
  );
  assert.equal(first.length, 2048);
  assert.deepEqual(second[0], first[2047]);
  assert.equal(prompts().length, 2);
});

test("a short scribble becomes a point, and a long one is thinned and keeps its ends", () => {
  take("scribble");
  draw([
    [10, 10],
    [20, 15],
    [30, 30],
  ]);
  draw([[50, 50]]);
  draw(
    Array.from({ length: 900 }, (_, k) => [(k % 90) + 5, 10 + Math.floor(k / 90)]),
    { negative: true },
  );
  const [line, dot, long] = prompts();
  assert.deepEqual(line, {
    type: "scribble",
    points: [
      [10, 10],
      [20, 15],
      [30, 30],
    ],
    label: 1,
  });
  assert.equal(dot.type, "point");
  assert.ok(long.type === "scribble" && long.points.length === 256 && long.label === 0);
});

test("prompts stay inside the image", () => {
  take("brush");
  draw([
    [-50, 10],
    [500, 700],
  ]);
  take("point");
  gesture.tap({ x: 100, y: 10 });
  assert.deepEqual(
    prompts().map((prompt) => prompt.type === "stroke" && prompt.points),
    [
      [
        [0, 10],
        [99.99, 79.99],
      ],
    ],
  );
});

test("the topmost selectable object is selected", () => {
  take("select");
  const disc = (/** @type {number} */ x) => ({
    base: null,
    strokes: [{ points: Float64Array.of(x, 40), radius: 20, label: /** @type {const} */ (1) }],
  });
  const object = (/** @type {number} */ id, /** @type {number} */ x, more = {}) => ({
    id,
    index: id,
    color: "#112233",
    label: null,
    score: 1,
    number: null,
    crowd: false,
    prompts: [],
    ownColor: null,
    visible: true,
    locked: false,
    tracked: false,
    mask: disc(x),
    ...more,
  });
  store.receiveObjects({
    n: 1,
    plane: 0,
    reset: true,
    drop: [],
    put: [
      object(0, 30),
      object(1, 40),
      object(2, 40, { locked: true }),
      object(3, 40, { visible: false }),
    ],
  });
  assert.equal(gesture.objectAt({ x: 40, y: 40 }), 1);
  assert.equal(gesture.objectAt({ x: 15, y: 40 }), 0);
  assert.equal(gesture.objectAt({ x: 90, y: 40 }), null);
  gesture.tap({ x: 40, y: 40 });
  assert.deepEqual([sent[0].type, sent[0].object], ["select", 1]);
});

test("a cancelled press adds nothing", () => {
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

test("a closed widget accepts no prompts", () => {
  store.receiveTraits({ status: parseStatus({ phase: "closed" }) });
  gesture.tap({ x: 10, y: 10 });
  assert.deepEqual(sent, []);
});

test("thinning keeps both ends", () => {
  assert.deepEqual(thinned([1, 2, 3, 4, 5, 6, 7], 3), [1, 4, 7]);
  assert.deepEqual(thinned([1, 2], 3), [1, 2]);
});

/** @param {import("../src/state/prompts.js").Prompt[]} list */
function activeWith(list) {
  return {
    id: 1,
    index: 0,
    color: "#112233",
    label: null,
    score: 1,
    number: null,
    crowd: false,
    ownColor: null,
    visible: true,
    locked: false,
    tracked: false,
    mask: null,
    prompts: list,
    pending: false,
    empty: false,
    candidates: null,
    choice: 0,
  };
}

/** A proposal that fills a box. @param {number} number @param {import("../src/pixels/geometry.js").Corners} box @returns {import("../src/state/proposals.js").Proposal} */
const proposal = (number, box) => ({
  number,
  crop: { x0: 0, y0: 0, x1: 100, y1: 80 },
  box,
  score: 0.9,
  stability: 0.9,
  area: (box.x1 - box.x0) * (box.y1 - box.y0),
  mask: {
    base: {
      kind: "logits",
      width: 1,
      height: 1,
      x0: 0,
      y0: 0,
      x1: 1,
      y1: 1,
      data: Int8Array.of(1),
      area: box,
    },
    strokes: [],
  },
});

/** The page has got two small proposals beside each other on a large one. */
function propose() {
  take("propose");
  shown = [
    proposal(1, { x0: 0, y0: 0, x1: 90, y1: 70 }),
    proposal(2, { x0: 10, y0: 10, x1: 30, y1: 30 }),
    proposal(3, { x0: 40, y0: 10, x1: 60, y1: 30 }),
  ];
  const message = { n: 1, job: 7, reset: true, accepted: [], rejected: [], likeness: null };
  store.receiveProposals({ ...message, put: shown });
}

test("without proposals, a drag with their tool is the region to search, and a click nothing", () => {
  take("propose");
  gesture.tap({ x: 20, y: 20 });
  assert.deepEqual(decided, []);
  draw([
    [60, 60],
    [30, 20],
  ]);
  assert.deepEqual(decided, [["propose", { x0: 30, y0: 20, x1: 60, y1: 60 }]]);
  assert.deepEqual(sent, []);
});

test("a click accepts the smallest proposal there, and rejects it with Alt", () => {
  propose();
  assert.equal(gesture.proposalAt({ x: 20, y: 20 }), 2);
  gesture.tap({ x: 20, y: 20 });
  gesture.tap({ x: 80, y: 60 }, { negative: true });
  gesture.tap({ x: 95, y: 75 });
  ui.negative = true;
  gesture.tap({ x: 50, y: 20 });
  assert.deepEqual(decided, [
    ["accept", [2]],
    ["reject", [1]],
    ["accept", []],
    ["reject", [3]],
  ]);
  assert.deepEqual(sent, []);
});

test("a drag accepts all that it crosses; when it is cancelled nothing happens", () => {
  propose();
  draw([
    [20, 20],
    [50, 20],
    [20, 20],
  ]);
  assert.deepEqual(decided, [["accept", [2, 1, 3]]], "also what is between two positions");
  gesture.begin({ x: 20, y: 20 });
  assert.deepEqual(ui.draft, {
    kind: "pick",
    numbers: [2],
    rejects: false,
    at: { x: 20, y: 20 },
  });
  gesture.cancel();
  assert.equal(ui.draft, null);
  assert.equal(decided.length, 1);
});

test("another region can be drawn although there are proposals", () => {
  propose();
  ui.drawsRegion = true;
  draw([
    [10, 10],
    [40, 40],
  ]);
  assert.deepEqual(decided, [["propose", { x0: 10, y0: 10, x1: 40, y1: 40 }]]);
});
