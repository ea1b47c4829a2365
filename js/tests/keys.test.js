import assert from "node:assert/strict";
import { test } from "node:test";

import { commandOf } from "../src/keys.js";

/** @param {string} key @param {Partial<KeyboardEvent>} [modifiers] */
const command = (key, modifiers = {}) =>
  commandOf(/** @type {KeyboardEvent} */ ({ key, ctrlKey: false, metaKey: false, shiftKey: false, altKey: false, ...modifiers }));

test("keys and their commands", () => {
  assert.equal(command("n"), "commit");
  assert.equal(command("N", { shiftKey: true }), "commit");
  assert.equal(command("Enter"), "commit");
  assert.equal(command("Backspace"), "delete");
  assert.equal(command("?", { shiftKey: true }), "help");
  assert.equal(command("z", { ctrlKey: true }), "undo");
  assert.equal(command("Z", { metaKey: true, shiftKey: true }), "redo");
  assert.equal(command("y", { ctrlKey: true }), "redo");
});

test("keys that belong to the browser", () => {
  for (const modifiers of [{ ctrlKey: true }, { metaKey: true }, { altKey: true }]) {
    assert.equal(command("n", modifiers), undefined);
    assert.equal(command("x", modifiers), undefined);
  }
  assert.equal(command("d"), undefined);
});
