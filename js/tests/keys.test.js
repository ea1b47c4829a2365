import assert from "node:assert/strict";
import { test } from "node:test";

import { candidateByTab, meaningOf } from "../src/keys.js";

/** @param {string} key @param {Partial<KeyboardEvent>} [modifiers] */
const meaning = (key, modifiers = {}) =>
  meaningOf(/** @type {KeyboardEvent} */ ({ key, code: "", ctrlKey: false, metaKey: false, shiftKey: false, altKey: false, repeat: false, ...modifiers }));

test("keys and their commands", () => {
  /** @type {[string, Partial<KeyboardEvent>, string][]} */
  const expected = [
    ["n", {}, "commit"],
    ["N", { shiftKey: true }, "commit"],
    ["Enter", {}, "commit"],
    ["Backspace", {}, "delete"],
    ["?", { shiftKey: true }, "help"],
    ["z", { ctrlKey: true }, "undo"],
    ["Z", { metaKey: true, shiftKey: true }, "redo"],
    ["y", { ctrlKey: true }, "redo"],
    ["+", { shiftKey: true }, "zoomIn"],
    ["-", {}, "zoomOut"],
    ["0", {}, "fit"],
    ["]", {}, "larger"],
  ];
  for (const [key, modifiers, command] of expected) assert.deepEqual(meaning(key, modifiers), { command });
});

test("a letter takes a tool, with Caps Lock too", () => {
  assert.deepEqual(meaning("b"), { tool: "brush" });
  assert.deepEqual(meaning("V"), { tool: "select" });
});

test("digits choose candidates, with Shift classes, whatever character the keyboard makes of it", () => {
  assert.deepEqual(meaning("2", { code: "Digit2" }), { digit: 2 });
  assert.deepEqual(meaning("2", { code: "Numpad2" }), { digit: 2 });
  assert.deepEqual(meaning('"', { code: "Digit2", shiftKey: true }), { classNumber: 2 });
});

test("a held key repeats what is a step, never what makes or removes something", () => {
  assert.deepEqual(meaning("+", { repeat: true }), { command: "zoomIn" });
  for (const key of ["n", "Delete", "x", "f", "?", "l"]) assert.equal(meaning(key, { repeat: true }), null);
});

test("keys that belong to the browser", () => {
  for (const modifiers of [{ ctrlKey: true }, { metaKey: true }, { altKey: true }]) {
    for (const key of ["n", "x", "b", "0", "+", "1"]) assert.equal(meaning(key, modifiers), null);
  }
  assert.equal(meaning("d"), null);
  assert.equal(meaning("F5"), null);
});

test("Tab goes through the candidates and then on: it is no trap", () => {
  assert.equal(candidateByTab(false, 0, 3), 1);
  assert.equal(candidateByTab(false, 2, 3), null);
  assert.equal(candidateByTab(true, 2, 3), 1);
  assert.equal(candidateByTab(true, 0, 3), null);
  assert.equal(candidateByTab(false, -1, 3), null);
});
