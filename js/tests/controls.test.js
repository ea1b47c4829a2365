import assert from "node:assert/strict";
import { test } from "node:test";

import { announcementOf, announcedOf, trackingAnnouncementOf } from "../src/ui/announcer.js";
import { freeHalf, unionOf } from "../src/ui/candidates.js";
import { createCommands, enabledCommands } from "../src/input/commands.js";
import { newViewState } from "../src/state/view-state.js";
import { findRows } from "../src/ui/object-list.js";
import { heightByKey, MIN_HEIGHT, MAX_HEIGHT } from "../src/ui/resizer.js";
import { stepOf } from "../src/ui/roving.js";
import { createStore } from "../src/state/store.js";
import { isDark, opaqueRgb } from "../src/ui/theme.js";
import { brushToSlider, sliderToBrush } from "../src/ui/toolbar.js";
import { EMPTY_STATE } from "../src/state/annotation.js";
import { parseTracking } from "../src/kernel/wire-timeline.js";
import { picture } from "./examples.js";

const ignore = () => {};
const newStore = () =>
  createStore({
    client: "me",
    link: {
      sendPrompts: ignore,
      sendAction: ignore,
      sendRequest: ignore,
      sendOptions: ignore,
      sendHello: ignore,
    },
  });
const blank = newStore().snapshot();

/** @param {Partial<import("../src/state/annotation.js").ActiveObject>} [more] @returns {import("../src/state/annotation.js").ActiveObject} */
const object = (more = {}) => ({
  id: 1,
  index: 0,
  color: "#112233",
  label: null,
  score: 0.934,
  number: null,
  crowd: false,
  ownColor: null,
  visible: true,
  locked: false,
  tracked: false,
  mask: null,
  prompts: [],
  pending: false,
  empty: false,
  candidates: null,
  choice: -1,
  ...more,
});

/** @param {Partial<import("../src/state/snapshot.js").Snapshot>} change */
const snapshot = (change) => ({ ...blank, ...change });

/** @param {Partial<import("../src/state/snapshot.js").Snapshot>} before @param {Partial<import("../src/state/snapshot.js").Snapshot>} after */
const announced = (before, after, area = 12345) => {
  const ui = { negative: false };
  const now = snapshot(after);
  return announcementOf(announcedOf(snapshot(before), ui), announcedOf(now, ui), now, area);
};

const MASK = /** @type {any} */ ({ base: null, strokes: [] });
const OTHER = /** @type {any} */ ({ base: null, strokes: [] });

test("a new mask is announced with its size and score", () => {
  const active = object();
  assert.equal(announced({}, { active, rows: [active], mask: MASK }), "Mask 12,345 px, score 0.93");
  assert.equal(
    announced({ active, rows: [active], mask: MASK }, { active, rows: [active], mask: OTHER }, 1),
    "Mask 1 px, score 0.93",
  );
});

test("the same mask is announced once", () => {
  const active = object();
  const now = { active, rows: [active], mask: MASK };
  assert.equal(announced(now, now), "");
});

test("an empty mask, candidates, other objects and deletions are announced", () => {
  const active = object();
  assert.match(
    announced({}, { active: object({ empty: true }), rows: [active], mask: null }),
    /empty/,
  );
  const candidates = [0.5, 0.6, 0.7].map((score) => ({ score, mask: MASK }));
  assert.match(
    announced({}, { active, rows: [active], mask: MASK, candidates, choice: 2 }),
    /3 candidates, press 1 to 3/,
  );
  const chosen = { active, rows: [active], mask: MASK, candidates, choice: 2 };
  assert.match(
    announced(chosen, { ...chosen, mask: OTHER, choice: 1 }),
    /Candidate 2 of 3, score 0\.60/,
  );
  const rows = [object({ id: 7, label: "cat" }), object({ id: 8 })];
  assert.match(
    announced({ rows }, { rows, active: rows[0], mask: MASK }),
    /Editing object 1 of 2, cat/,
  );
  assert.match(announced({ rows, active: rows[0] }, { rows }), /finished\. 2 objects/);
  assert.match(announced({ rows }, { rows: rows.slice(1) }), /Deleted\. 1 object$/);
});

test("objects are found by part of a label, in any case, or by their number", () => {
  const rows = ["Cat", "wildcat", null, "12"].map((label, id) => object({ id, label }));
  assert.deepEqual(findRows(rows, "CAT"), [0, 1]);
  assert.deepEqual(findRows(rows, "  "), [0, 1, 2, 3]);
  assert.deepEqual(findRows(rows, "3"), [2]);
  assert.deepEqual(findRows(rows, "(.*"), []);
});

test("arrow keys move through a row of buttons and wrap around, reversed for right-to-left text", () => {
  assert.equal(stepOf("ArrowRight", 2, 3), 0);
  assert.equal(stepOf("ArrowLeft", 0, 3), 2);
  assert.equal(stepOf("ArrowLeft", 0, 3, true), 1);
  assert.equal(stepOf("End", 0, 3), 2);
  assert.equal(stepOf("a", 0, 3), null);
  assert.equal(stepOf("ArrowRight", -1, 0), null);
});

test("keys change the height within its bounds; Home makes it automatic", () => {
  assert.equal(heightByKey({ key: "ArrowDown", shiftKey: false }, 400), 420);
  assert.equal(heightByKey({ key: "ArrowUp", shiftKey: true }, 130), MIN_HEIGHT);
  assert.equal(heightByKey({ key: "ArrowDown", shiftKey: true }, MAX_HEIGHT), MAX_HEIGHT);
  assert.equal(heightByKey({ key: "Home", shiftKey: false }, 400), 0);
  assert.equal(heightByKey({ key: "a", shiftKey: false }, 400), null);
});

test("the brush slider returns every size that it shows", () => {
  for (const largest of [1, 2, 37, 4000, 50000]) {
    for (const size of [1, 2, 17, 300, 2000].filter((value) => value <= largest)) {
      assert.equal(sliderToBrush(brushToSlider(size, largest), largest), size);
    }
  }
  assert.equal(sliderToBrush(0, 4000), 1);
});

test("a translucent colour is not taken for the background", () => {
  assert.equal(opaqueRgb("rgba(0, 0, 0, 0)"), null);
  assert.equal(opaqueRgb("transparent"), null);
  assert.deepEqual(opaqueRgb("rgb(17, 17, 17)"), [17, 17, 17]);
  const painted = (/** @type {number} */ alpha) => () => ({
    red: 240,
    green: 241,
    blue: 242,
    alpha,
  });
  assert.deepEqual(opaqueRgb("oklch(0.95 0.01 200)", painted(1)), [240, 241, 242]);
  assert.equal(opaqueRgb("color(srgb 0.9 0.9 0.9 / 0.5)", painted(0.5)), null);
  assert.equal(isDark([17, 17, 17]), true);
  assert.equal(isDark([255, 255, 255]), false);
});

test("commands without an effect are disabled, and all on a closed widget", () => {
  const rows = [object({ id: 1 }), object({ id: 2 })];
  const first = enabledCommands(snapshot({ rows, active: rows[0], target: 1 }));
  assert.deepEqual([first.raise, first.lower, first.delete], [false, true, true]);
  assert.equal(
    enabledCommands(snapshot({ rows, active: object({ locked: true }), target: 1 })).delete,
    false,
  );
  assert.equal(
    enabledCommands(snapshot({ rows, active: rows[0], target: null })).commit,
    false,
    "it is being finished",
  );
  const closed = enabledCommands(
    snapshot({
      rows,
      active: rows[0],
      canUndo: true,
      status: { ...blank.status, phase: "closed" },
    }),
  );
  assert.deepEqual(
    [closed.undo, closed.commit, closed.delete, closed.clear, closed.help],
    [false, false, false, false, true],
  );
});

test("Delete removes the placed point under the cursor before the object", () => {
  const store = newStore();
  const ui = newViewState();
  const display = {
    zoomBy: ignore,
    fit: ignore,
    actualSize: ignore,
    toggleFull: ignore,
    cssPixel: () => 1,
    mergeSelected: ignore,
    nameObject: ignore,
    play: ignore,
    stopPlaying: ignore,
    markAt: (/** @type {{ x: number }} */ { x }) => (x === 5 ? 0 : null),
  };
  const commands = createCommands(store, ui, ignore, () => display);
  store.addPrompt({ type: "point", x: 5, y: 5, label: 1 });
  store.addPrompt({ type: "point", x: 9, y: 9, label: 1 });
  ui.cursor = { x: 5, y: 5 };
  commands.run("delete");
  assert.deepEqual(store.snapshot().prompts, [{ type: "point", x: 9, y: 9, label: 1 }]);
  ui.cursor = { x: 9, y: 9 };
  commands.run("delete");
  assert.deepEqual(store.snapshot().prompts, []);
});

test("Backspace removes the prompt placed last, and never an initial mask", () => {
  const store = newStore();
  const commands = createCommands(store, newViewState(), ignore, () => /** @type {any} */ ({}));
  /** @type {import("../src/state/prompts.js").Prompt[]} */
  const [mask, point, stroke] = [
    { type: "mask", key: "m" },
    { type: "point", x: 5, y: 5, label: 1 },
    { type: "stroke", key: null, points: [[1, 1]], radius: 2, label: 1 },
  ];
  for (const prompt of [mask, point, stroke, /** @type {const} */ ({ type: "choice", index: 1 })])
    store.addPrompt(prompt);
  commands.run("removeLast");
  assert.deepEqual(store.snapshot().prompts, [mask, point, { type: "choice", index: 1 }]);
  commands.run("removeLast");
  assert.deepEqual(store.snapshot().prompts, [mask]);
  assert.equal(enabledCommands(store.snapshot()).removeLast, false);
});

test("digits choose a class if there are classes, else a candidate", () => {
  const store = newStore();
  const commands = createCommands(store, newViewState(), ignore, () => /** @type {any} */ ({}));
  assert.equal(commands.chooseDigit(1), false, "nothing to choose");
  const candidate = { mask: null, score: 0.5 };
  const point = /** @type {const} */ ({ type: "point", x: 5, y: 5, label: 1 });
  const active = {
    ...object({ id: 1 }),
    prompts: [point],
    pending: false,
    empty: false,
    candidates: [candidate, candidate, candidate],
    choice: 0,
  };
  store.receiveState({ ...EMPTY_STATE, revision: 1, active });
  assert.equal(commands.chooseDigit(3), true);
  assert.equal(store.snapshot().choice, 2);
  commands.run("nextCandidate");
  assert.equal(store.snapshot().choice, 0, "it wraps around");
  commands.run("previousCandidate");
  assert.equal(store.snapshot().choice, 2);
  store.receiveTraits({ classes: [{ name: "cat", color: "#112233" }] });
  assert.equal(commands.chooseDigit(1), true);
  assert.equal(store.snapshot().choice, 2);
  assert.equal(store.snapshot().active?.label, "cat");
  assert.equal(commands.chooseDigit(2), false);
});

test("choosing a label of objects on another plane declares it if there are classes", () => {
  /** @type {any[]} */
  const sent = [];
  const send = (/** @type {any} */ action) => void sent.push(action);
  const store = createStore({
    client: "me",
    link: {
      sendPrompts: ignore,
      sendAction: send,
      sendRequest: ignore,
      sendOptions: ignore,
      sendHello: ignore,
    },
  });
  const commands = createCommands(store, newViewState(), ignore, () => /** @type {any} */ ({}));
  let revision = 0;
  const answer = (
    active = /** @type {import("../src/state/annotation.js").ActiveObject | null} */ (null),
  ) => {
    revision += 1;
    store.receiveState({ ...EMPTY_STATE, revision, ack: { me: 1000 * revision }, active });
  };
  /** @param {() => void} act @returns {any[]} what is sent, each action when the one before is answered */
  const actions = (act) => {
    const { active } = store.snapshot();
    act();
    for (let k = 0; k < 3; k++) answer(active);
    return sent.splice(0).map(({ type, label, name, use, active: also }) => ({
      type,
      ...(label && { label }),
      ...(name && { name }),
      ...(use === false && { use }),
      ...(also && { active: also }),
    }));
  };
  store.receiveTraits({ classes: [{ name: "cow", color: null }] });
  assert.deepEqual(
    actions(() => commands.chooseClass("cow")),
    [{ type: "class", label: "cow" }],
    "there are no classes",
  );
  store.receiveTraits({
    classes: [
      { name: "dog", color: "#112233" },
      { name: "cow", color: null },
    ],
  });
  answer(object({ id: 1 }));
  assert.deepEqual(
    actions(() => commands.chooseDigit(2)),
    [
      { type: "class_add", name: "cow", use: false },
      { type: "class", label: "cow", active: true },
    ],
  );
  assert.deepEqual(
    actions(() => commands.addClass("hen")),
    [
      { type: "class_add", name: "hen" },
      { type: "class", label: "hen", active: true },
    ],
  );
});

test("the candidates are shown at one scale, in the half of the image without the click", () => {
  assert.deepEqual(
    unionOf([{ x0: 5, y0: 1, x1: 9, y1: 3 }, null, { x0: 2, y0: 2, x1: 6, y1: 8 }]),
    { x0: 2, y0: 1, x1: 9, y1: 8 },
  );
  assert.equal(unionOf([null]), null);
  assert.equal(freeHalf([{ type: "point", x: 0, y: 80, label: 1 }], 100), "top");
  assert.equal(
    freeHalf(
      [
        { type: "point", x: 0, y: 80, label: 1 },
        { type: "point", x: 0, y: 20, label: 1 },
      ],
      100,
    ),
    "bottom",
  );
  assert.equal(freeHalf([], 100), "bottom");
});

/** A widget whose commands are run, and what it sends and does. @param {boolean} isStack */
function newCommands(isStack) {
  /** @type {any[]} */
  const sent = [];
  /** @type {string[]} */
  const done = [];
  const store = createStore({
    client: "me",
    link: {
      sendPrompts: ignore,
      sendAction: ({ type, rid, epoch, prompts, ...detail }) => void sent.push({ type, ...detail }),
      sendRequest: ignore,
      sendOptions: ignore,
      sendHello: ignore,
    },
  });
  const ui = newViewState();
  const display = /** @type {any} */ ({
    nameObject: () => done.push("name"),
    play: () => done.push("play"),
    stopPlaying() {
      done.push("stop");
      ui.playing = null;
    },
  });
  const tracking = parseTracking({ timeline: 1, unavailable: "" });
  store.receiveTraits({
    status: { ...store.snapshot().status, phase: "ready" },
    ...(isStack && { stack: { axis: "T", count: 40, annotated: [] }, tracking }),
  });
  store.receivePicture(picture(0));
  const commands = createCommands(store, ui, ignore, () => display);
  let revision = 0;
  /** The kernel acknowledges all and shows this plane. @param {number} plane */
  function show(plane) {
    revision += 1;
    store.receiveState({ ...EMPTY_STATE, revision, ack: { me: 100 * revision }, plane });
  }
  return { store, ui, commands, sent, done, show };
}

const LANE = /** @type {const} */ ({
  number: 3,
  label: null,
  color: "#112233",
  visible: true,
  locked: false,
  absent: [],
});

test("T tracks on a stack, and names the object on a plain image", () => {
  const plain = newCommands(false);
  plain.commands.run("track");
  plain.commands.run("trackAll");
  assert.deepEqual([plain.done, plain.sent], [["name", "name"], []]);
  const { store, commands, sent, show } = newCommands(true);
  commands.run("track");
  assert.deepEqual(sent, [], "there is nothing to track");
  store.receiveTimeline({
    n: 1,
    reset: true,
    put: [{ ...LANE, keyframes: [[0, 1]], runs: [] }],
    drop: [],
  });
  commands.run("track");
  show(0);
  assert.deepEqual(sent.pop(), { type: "track", numbers: null }, "no object is being edited");
  commands.point({ x: 4, y: 4 }, false);
  commands.run("track");
  show(0);
  assert.deepEqual(sent.pop(), { type: "track", active: true });
  commands.run("trackAll");
  assert.deepEqual(sent.pop(), { type: "track", numbers: null });
});

test("a model that cannot track disables what needs it", () => {
  const { store } = newCommands(true);
  const enabled = (/** @type {object} */ more) =>
    enabledCommands({ ...store.snapshot(), rows: [object()], ...more });
  assert.equal(enabled({}).track, true);
  const tracking = parseTracking({ timeline: 1, unavailable: "It cannot track." });
  assert.deepEqual(
    [enabled({ tracking }).track, enabled({ tracking }).trackAll, enabled({ tracking }).play],
    [false, false, true],
  );
  assert.equal(enabled({}).cancelTrack, false);
  const running = parseTracking({ timeline: 1, running: true });
  assert.equal(enabled({ tracking: running }).cancelTrack, true);
});

test("keys go to keyframes and doubtful frames, and set marks", () => {
  const { store, commands, sent, show } = newCommands(true);
  const runs = /** @type {import("../src/state/timeline.js").Run[]} */ ([[12, 14, "doubtful"]]);
  const keyframes = /** @type {[number, number][]} */ ([
    [0, 1],
    [20, 21],
  ]);
  store.receiveTimeline({ n: 1, reset: true, put: [{ ...LANE, keyframes, runs }], drop: [] });
  commands.run("nextKeyframe");
  assert.deepEqual(sent.pop(), { type: "plane", plane: 20 });
  show(20);
  commands.run("nextKeyframe");
  assert.deepEqual(sent, [], "there is no other one");
  commands.run("previousDoubtful");
  assert.deepEqual(sent.pop(), { type: "plane", plane: 13 });
  show(13);
  commands.run("markIn");
  assert.deepEqual(sent.pop(), { type: "mark", planes: [13, 40] });
  show(13);
  commands.selectLane(3);
  assert.deepEqual(sent.pop(), { type: "select", object: 2 ** 32 + 3 }, "also where it is not");
});

test("the object being worked on is marked as absent, or is there again", () => {
  const { store, commands, sent } = newCommands(true);
  const lane = { ...LANE, keyframes: [], runs: [] };
  store.receiveTimeline({ n: 1, reset: true, put: [lane], drop: [] });
  commands.run("absent");
  assert.deepEqual(sent, [], "no object is being worked on");
  const active = object({ number: 3 });
  store.receiveState({ ...EMPTY_STATE, revision: 1, active, plane: 5 });
  commands.run("absent");
  assert.deepEqual(sent.pop(), { type: "absent", numbers: [3], absent: true });
  store.receiveState({ ...EMPTY_STATE, revision: 2, active, plane: 5, ack: { me: 9 } });
  store.receiveTimeline({ n: 2, reset: true, put: [{ ...lane, absent: [[5, 6]] }], drop: [] });
  commands.run("absent");
  assert.deepEqual(sent.pop(), { type: "absent", numbers: [3], absent: false });
});

test("a job's start, progress and end are announced to screen readers", () => {
  const at = (/** @type {object} */ more) => parseTracking({ timeline: 1, total: 40, ...more });
  const said = (/** @type {object} */ before, /** @type {object} */ now) =>
    trackingAnnouncementOf(at(before), at(now));
  assert.equal(said({}, { running: true }), "Tracking");
  assert.equal(said({ running: true, done: 9 }, { running: true, done: 10 }), "Tracked 25 %");
  assert.equal(said({ running: true, done: 10 }, { running: true, done: 19 }), "");
  assert.equal(said({ running: true, done: 39 }, { done: 40 }), "Tracking finished, 40 frames");
  assert.match(said({ running: true, done: 7 }, { done: 8 }), /stopped\. 8 of 40 frames are kept/);
  assert.match(said({ running: true }, { error: "No memory." }), /ended: No memory/);
  assert.equal(said({ done: 40 }, { done: 40 }), "");
});

test("an edit during playback only stops it; a step goes on from there", () => {
  const { ui, commands, sent, done, show } = newCommands(true);
  show(4);
  commands.run("play");
  ui.playing = 7;
  commands.run("clear");
  assert.deepEqual([done, sent], [["play", "stop"], []]);
  ui.playing = 9;
  commands.run("nextPlane");
  assert.deepEqual([done.pop(), sent.pop()], ["stop", { type: "plane", plane: 5 }]);
  ui.playing = 9;
  commands.run("markOut");
  assert.deepEqual([ui.playing, sent.pop()], [9, { type: "mark", planes: [0, 10] }]);
});
