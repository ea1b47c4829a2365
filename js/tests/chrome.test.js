import assert from "node:assert/strict";
import { test } from "node:test";

import { announcementOf, heardFrom } from "../src/announcer.js";
import { awayFrom, unionOf } from "../src/candidates.js";
import { createCommands, enabledCommands, newViewState } from "../src/commands.js";
import { findRows } from "../src/objects.js";
import { heightByKey, LEAST_HEIGHT, MOST_HEIGHT } from "../src/resizer.js";
import { stepOf } from "../src/roving.js";
import { createStore } from "../src/store.js";
import { isDark, opaque } from "../src/theme.js";
import { brushToSlider, sliderToBrush } from "../src/toolbar.js";

const ignore = () => {};
const newStore = () => createStore({ client: "me", link: { sendPrompts: ignore, sendAction: ignore, sendQuestion: ignore, sendOptions: ignore, sendHello: ignore } });
const blank = newStore().snapshot();

/** @param {Partial<import("../src/wire.js").ActiveObject>} [more] @returns {import("../src/wire.js").ActiveObject} */
const object = (more = {}) => ({
  id: 1, index: 0, color: "#112233", label: null, score: 0.934, visible: true, locked: false, mask: null,
  prompts: [], pending: false, empty: false, candidates: null, choice: -1, ...more,
});

/** @param {Partial<import("../src/store.js").Snapshot>} change */
const snapshot = (change) => ({ ...blank, ...change });

/** @param {Partial<import("../src/store.js").Snapshot>} before @param {Partial<import("../src/store.js").Snapshot>} after */
const said = (before, after, area = 12345) => {
  const ui = { negative: false };
  const now = snapshot(after);
  return announcementOf(heardFrom(snapshot(before), ui), heardFrom(now, ui), now, area);
};

const MASK = /** @type {any} */ ({ base: null, strokes: [] });
const OTHER = /** @type {any} */ ({ base: null, strokes: [] });

test("a new mask is announced with its size and score", () => {
  const active = object();
  assert.equal(said({}, { active, rows: [active], mask: MASK }), "Mask 12,345 px, score 0.93");
  assert.equal(said({ active, rows: [active], mask: MASK }, { active, rows: [active], mask: OTHER }, 1), "Mask 1 px, score 0.93");
});

test("the same mask is announced once", () => {
  const active = object();
  const now = { active, rows: [active], mask: MASK };
  assert.equal(said(now, now), "");
});

test("an empty mask, candidates, other objects and deletions are announced", () => {
  const active = object();
  assert.match(said({}, { active: object({ empty: true }), rows: [active], mask: null }), /empty/);
  const candidates = [0.5, 0.6, 0.7].map((score) => ({ score, mask: MASK }));
  assert.match(said({}, { active, rows: [active], mask: MASK, candidates, choice: 2 }), /3 candidates, press 1 to 3/);
  const chosen = { active, rows: [active], mask: MASK, candidates, choice: 2 };
  assert.match(said(chosen, { ...chosen, mask: OTHER, choice: 1 }), /Candidate 2 of 3, score 0\.60/);
  const rows = [object({ id: 7, label: "cat" }), object({ id: 8 })];
  assert.match(said({ rows }, { rows, active: rows[0], mask: MASK }), /Editing object 1 of 2, cat/);
  assert.match(said({ rows, active: rows[0] }, { rows }), /finished\. 2 objects/);
  assert.match(said({ rows }, { rows: rows.slice(1) }), /Deleted\. 1 object$/);
});

test("objects are found by part of a label, in any case, or by their number", () => {
  const rows = ["Cat", "wildcat", null, "12"].map((label, id) => object({ id, label }));
  assert.deepEqual(findRows(rows, "CAT"), [0, 1]);
  assert.deepEqual(findRows(rows, "  "), [0, 1, 2, 3]);
  assert.deepEqual(findRows(rows, "3"), [2]);
  assert.deepEqual(findRows(rows, "(.*"), []);
});

test("arrow keys go round in a row of buttons, the other way where one reads from the right", () => {
  assert.equal(stepOf("ArrowRight", 2, 3), 0);
  assert.equal(stepOf("ArrowLeft", 0, 3), 2);
  assert.equal(stepOf("ArrowLeft", 0, 3, true), 1);
  assert.equal(stepOf("End", 0, 3), 2);
  assert.equal(stepOf("a", 0, 3), null);
  assert.equal(stepOf("ArrowRight", -1, 0), null);
});

test("the height follows the keys within its bounds; Home makes it automatic", () => {
  assert.equal(heightByKey({ key: "ArrowDown", shiftKey: false }, 400), 420);
  assert.equal(heightByKey({ key: "ArrowUp", shiftKey: true }, 130), LEAST_HEIGHT);
  assert.equal(heightByKey({ key: "ArrowDown", shiftKey: true }, MOST_HEIGHT), MOST_HEIGHT);
  assert.equal(heightByKey({ key: "Home", shiftKey: false }, 400), 0);
  assert.equal(heightByKey({ key: "a", shiftKey: false }, 400), null);
});

test("the brush slider gives back every size that it shows", () => {
  for (const largest of [1, 2, 37, 4000, 50000]) {
    for (const size of [1, 2, 17, 300, 2000].filter((value) => value <= largest)) {
      assert.equal(sliderToBrush(brushToSlider(size, largest), largest), size);
    }
  }
  assert.equal(sliderToBrush(0, 4000), 1);
});

test("a colour that one sees through is no ground", () => {
  assert.equal(opaque("rgba(0, 0, 0, 0)"), null);
  assert.equal(opaque("transparent"), null);
  assert.deepEqual(opaque("rgb(17, 17, 17)"), [17, 17, 17]);
  assert.equal(isDark([17, 17, 17]), true);
  assert.equal(isDark([255, 255, 255]), false);
});

test("what makes no sense is disabled, and nothing works on a closed widget", () => {
  const rows = [object({ id: 1 }), object({ id: 2 })];
  const first = enabledCommands(snapshot({ rows, active: rows[0] }));
  assert.deepEqual([first.raise, first.lower, first.delete], [false, true, true]);
  assert.equal(enabledCommands(snapshot({ rows, active: object({ locked: true }) })).delete, false);
  const closed = enabledCommands(snapshot({ rows, active: rows[0], canUndo: true, status: { ...blank.status, phase: "closed" } }));
  assert.deepEqual([closed.undo, closed.commit, closed.delete, closed.clear, closed.help], [false, false, false, false, true]);
});

test("Delete takes the placed point under the cursor before it takes the object", () => {
  const store = newStore();
  const ui = newViewState();
  const display = { zoomBy: ignore, fit: ignore, actualSize: ignore, toggleFull: ignore, markAt: (/** @type {{ x: number }} */ { x }) => (x === 5 ? 0 : null) };
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

test("the candidates are shown at one scale, away from where one clicked", () => {
  assert.deepEqual(unionOf([{ x0: 5, y0: 1, x1: 9, y1: 3 }, null, { x0: 2, y0: 2, x1: 6, y1: 8 }]), { x0: 2, y0: 1, x1: 9, y1: 8 });
  assert.equal(unionOf([null]), null);
  assert.equal(awayFrom([{ type: "point", x: 0, y: 80, label: 1 }], 100), "top");
  assert.equal(awayFrom([{ type: "point", x: 0, y: 80, label: 1 }, { type: "point", x: 0, y: 20, label: 1 }], 100), "bottom");
  assert.equal(awayFrom([], 100), "bottom");
});
