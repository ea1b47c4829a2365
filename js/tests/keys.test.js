import assert from "node:assert/strict";
import { test } from "node:test";

import { handlesKey } from "../src/input/field-keys.js";
import { characterOf, isForHost, isHold, meaningOf } from "../src/input/keymap.js";
import * as texts from "../src/ui/texts.js";

const NO_MODIFIERS = {
  ctrlKey: false,
  metaKey: false,
  shiftKey: false,
  altKey: false,
  repeat: false,
};

/** @param {string} key @param {Partial<KeyboardEvent>} [more] */
const pressed = (key, more = {}) =>
  /** @type {KeyboardEvent} */ ({ key, code: "", ...NO_MODIFIERS, ...more });
/** @param {string} key @param {Partial<KeyboardEvent>} [more] */
const meaning = (key, more) => meaningOf(pressed(key, more));
/** @param {string} key @param {Partial<KeyboardEvent>} [more] */
const forHost = (key, more) => isForHost(pressed(key, more));

/** A key as a keyboard tells it: its place, what it types, and with which modifiers. @typedef {[code: string, key: string, modifiers?: Partial<KeyboardEvent>]} Typed */

const SHIFT = { shiftKey: true };
const CTRL = { ctrlKey: true };
/** @type {Partial<KeyboardEvent>} */
const ALT_GR = { getModifierState: (name) => name === "AltGraph" };
/** AltGr as Windows reports it: Ctrl and Alt. */
const CTRL_ALT = { ctrlKey: true, altKey: true };

test("keys and their commands", () => {
  /** @type {[string, Partial<KeyboardEvent>, string][]} */
  const expected = [
    ["n", {}, "commit"],
    ["N", SHIFT, "commit"],
    ["Enter", {}, "commit"],
    ["Delete", {}, "delete"],
    ["Backspace", {}, "removeLast"],
    ["?", SHIFT, "help"],
    ["z", CTRL, "undo"],
    ["Z", { metaKey: true, shiftKey: true }, "redo"],
    ["y", CTRL, "redo"],
    ["+", SHIFT, "zoomIn"],
    ["-", {}, "zoomOut"],
    ["0", {}, "fit"],
    ["z", {}, "actual"],
    ["]", {}, "larger"],
    ["c", {}, "nextCandidate"],
    ["C", SHIFT, "previousCandidate"],
    ["t", {}, "track"],
    ["T", SHIFT, "trackAll"],
    ["a", {}, "name"],
    ["F2", {}, "name"],
    ["k", {}, "play"],
    ["d", {}, "nextDoubtful"],
    ["D", SHIFT, "previousDoubtful"],
    ["q", {}, "nextKeyframe"],
    ["Q", SHIFT, "previousKeyframe"],
    ["i", {}, "markIn"],
    ["I", SHIFT, "markOut"],
    ["ArrowUp", { altKey: true }, "raise"],
    ["ArrowDown", { altKey: true }, "lower"],
  ];
  for (const [key, modifiers, command] of expected)
    assert.deepEqual(meaning(key, modifiers), { command }, key);
});

test("a letter selects a tool, also with Caps Lock", () => {
  assert.deepEqual(meaning("b"), { tool: "brush" });
  assert.deepEqual(meaning("V"), { tool: "select" });
  assert.deepEqual(meaning("C"), { command: "nextCandidate" }, "Caps Lock is no Shift");
});

/** What each keyboard types for the keys that the help names. @type {Record<string, Record<string, Typed>>} */
const LAYOUTS = {
  german: {
    undo: ["KeyY", "z", CTRL],
    redo: ["KeyZ", "y", CTRL],
    actual: ["KeyY", "z"],
    smaller: ["Digit8", "[", ALT_GR],
    larger: ["Digit9", "]", ALT_GR],
    help: ["Minus", "?", SHIFT],
    zoomIn: ["BracketRight", "+"],
    zoomOut: ["Slash", "-"],
    settings: ["Comma", ","],
    previousPlane: ["IntlBackslash", "<"],
    nextPlane: ["IntlBackslash", ">", SHIFT],
    fit: ["Digit0", "0"],
    commit: ["KeyN", "n"],
  },
  "german, as Windows tells AltGr": {
    smaller: ["Digit8", "[", CTRL_ALT],
    larger: ["Digit9", "]", CTRL_ALT],
  },
  french: {
    undo: ["KeyW", "z", CTRL],
    redo: ["KeyY", "y", CTRL],
    actual: ["KeyW", "z"],
    smaller: ["Digit5", "[", ALT_GR],
    larger: ["Minus", "]", ALT_GR],
    help: ["KeyM", "?", SHIFT],
    zoomIn: ["Equal", "+", SHIFT],
    zoomOut: ["Digit6", "-"],
    settings: ["KeyM", ","],
    previousPlane: ["IntlBackslash", "<"],
    nextPlane: ["IntlBackslash", ">", SHIFT],
    fit: ["Digit0", "0", SHIFT],
    commit: ["KeyN", "n"],
    name: ["KeyQ", "a"],
    nextKeyframe: ["KeyA", "q"],
    previousKeyframe: ["KeyA", "Q", SHIFT],
  },
  russian: {
    undo: ["KeyZ", "я", CTRL],
    redo: ["KeyZ", "Я", { ctrlKey: true, shiftKey: true }],
    actual: ["KeyZ", "я"],
    smaller: ["BracketLeft", "х"],
    larger: ["BracketRight", "ъ"],
    help: ["Digit7", "?", SHIFT],
    zoomIn: ["Equal", "="],
    zoomOut: ["Minus", "-"],
    settings: ["Comma", "б"],
    previousPlane: ["Comma", "Б", SHIFT],
    nextPlane: ["Period", "Ю", SHIFT],
    fit: ["Digit0", "0"],
    commit: ["KeyN", "т"],
    files: ["KeyG", "п"],
    preview: ["KeyL", "д"],
    full: ["KeyF", "а"],
    polarity: ["KeyX", "ч"],
    nextCandidate: ["KeyC", "с"],
    previousCandidate: ["KeyC", "С", SHIFT],
    track: ["KeyT", "е"],
    trackAll: ["KeyT", "Е", SHIFT],
    name: ["KeyA", "ф"],
    play: ["KeyK", "л"],
    nextDoubtful: ["KeyD", "в"],
    previousKeyframe: ["KeyQ", "Й", SHIFT],
    markOut: ["KeyI", "Ш", SHIFT],
  },
  greek: {
    commit: ["KeyN", "ν"],
    undo: ["KeyZ", "ζ", CTRL],
    polarity: ["KeyX", "χ"],
    smaller: ["BracketLeft", "["],
  },
  hebrew: {
    commit: ["KeyN", "מ"],
    undo: ["KeyZ", "ז", CTRL],
    files: ["KeyG", "ע"],
    settings: ["Comma", "ת"],
    nextPlane: ["Period", ">", SHIFT],
  },
  arabic: {
    commit: ["KeyN", "ى"],
    undo: ["KeyZ", "ئ", CTRL],
    polarity: ["KeyX", "ء"],
    smaller: ["BracketLeft", "ج"],
  },
  korean: { commit: ["KeyN", "ㅜ"], undo: ["KeyZ", "ㅋ", CTRL] },
  "an input method that tells no character": {
    commit: ["KeyN", "Process"],
    undo: ["KeyZ", "Process", CTRL],
  },
};

test("all keys in the help can be typed on German, French, Russian and other keyboards", () => {
  for (const [layout, keys] of Object.entries(LAYOUTS)) {
    for (const [command, [code, key, modifiers]] of Object.entries(keys)) {
      assert.deepEqual(
        meaning(key, { code, ...modifiers }),
        { command },
        `${command} on ${layout}`,
      );
      assert.ok(!forHost(key, { code, ...modifiers }), `${command} on ${layout} is the widget's`);
    }
  }
});

test("with another alphabet, letters are found by the position of the key", () => {
  assert.deepEqual(meaning("з", { code: "KeyP" }), { tool: "point" });
  assert.deepEqual(meaning("и", { code: "KeyB" }), { tool: "brush" });
  assert.deepEqual(meaning("لا", { code: "KeyB" }), { tool: "brush" }, "one key, two letters");
  assert.deepEqual(meaning("ь", { code: "KeyM" }), { hold: "hideMasks" });
  assert.ok(isHold(pressed("ь", { code: "KeyM" })));
  assert.deepEqual(
    meaning("w", { code: "KeyZ" }),
    { tool: "propose" },
    "a Latin letter counts, not the position of its key",
  );
  assert.equal(characterOf(pressed("ü", { code: "BracketLeft" })), "ü");
});

test("digits are found by the character or, where they need Shift, by the position of the key", () => {
  assert.deepEqual(meaning("2", { code: "Digit2" }), { digit: 2 });
  assert.deepEqual(meaning("2", { code: "Numpad2" }), { digit: 2 });
  assert.deepEqual(meaning("2", { code: "Digit2", ...SHIFT }), { digit: 2 }, "French, with Shift");
  assert.deepEqual(meaning("é", { code: "Digit2" }), { digit: 2 }, "French, without");
  assert.deepEqual(meaning("&", { code: "Digit1" }), { digit: 1 });
  assert.equal(meaning('"', { code: "Digit2", ...SHIFT }), null, "German, with Shift");
});

test("on a Mac, Option types symbols; elsewhere Alt is for menus", () => {
  const option = { code: "Digit5", altKey: true };
  assert.equal(meaning("[", option), null);
  Object.defineProperty(globalThis, "navigator", {
    value: { platform: "MacIntel" },
    configurable: true,
  });
  assert.deepEqual(meaning("[", option), { command: "smaller" });
  assert.ok(!forHost("[", option));
});

test("a held key repeats steps, but never adds or removes anything", () => {
  assert.deepEqual(meaning("+", { repeat: true }), { command: "zoomIn" });
  for (const key of ["n", "Delete", "Backspace", "x", "f", "?", "l"])
    assert.equal(meaning(key, { repeat: true }), null);
});

test("keys that belong to the browser", () => {
  for (const modifiers of [CTRL, { metaKey: true }, { altKey: true }]) {
    for (const key of ["n", "x", "b", "0", "1", "t"]) assert.equal(meaning(key, modifiers), null);
  }
  assert.equal(meaning("y"), null);
  assert.equal(meaning("F5"), null);
  assert.equal(meaning("Tab"), null, "it moves the focus, and nothing else");
});

test("keys that run a cell, save or open a menu are left to the notebook", () => {
  /** @type {[string, Partial<KeyboardEvent>][]} */
  const host = [
    ["Enter", SHIFT],
    ["Enter", CTRL],
    ["Enter", { altKey: true }],
    ["Enter", { metaKey: true }],
    ["s", CTRL],
    ["S", { ctrlKey: true, shiftKey: true }],
    ["ы", { code: "KeyS", ctrlKey: true }],
    ["f", CTRL],
    ["b", CTRL],
    ["F5", {}],
    ["F11", {}],
    ["C", { ctrlKey: true, shiftKey: true }],
    ["w", { altKey: true }],
    ["1", { code: "Digit1", altKey: true }],
    ["ArrowUp", { ctrlKey: true, shiftKey: true }],
  ];
  for (const [key, modifiers] of host)
    assert.ok(forHost(key, modifiers), `${key} ${JSON.stringify(modifiers)}`);
});

test("keys that would change the notebook's cells are not", () => {
  for (const key of [
    "d",
    "a",
    "b",
    "m",
    "x",
    "c",
    "v",
    "z",
    "0",
    "i",
    "Enter",
    "Delete",
    "ArrowUp",
    "Escape",
    " ",
    "Tab",
  ])
    assert.ok(!forHost(key), key);
  for (const key of ["z", "y", "x", "c", "v", "a", "Backspace", "Delete"])
    assert.ok(!forHost(key, CTRL), `Ctrl+${key}`);
});

test("in a text field, keys that move the cursor and characters typed with AltGr or Option stay there", () => {
  const inText = (/** @type {string} */ key, /** @type {Partial<KeyboardEvent>} */ more) =>
    isForHost(pressed(key, more), { inText: true });
  assert.ok(!inText("ArrowLeft", { ctrlKey: true, shiftKey: true }));
  assert.ok(!inText("@", CTRL_ALT));
  assert.ok(!inText("å", { altKey: true }));
  assert.ok(inText("s", CTRL));
  assert.ok(inText("Enter", SHIFT));
});

test("a slider, a checkbox and a button handle only the keys that they need", () => {
  const handles = (
    /** @type {import("../src/input/field-keys.js").FieldKind} */ kind,
    /** @type {string} */ key,
    more = {},
  ) => handlesKey(kind, pressed(key, more));
  assert.ok(handles("text", "n") && handles("text", "z", CTRL));
  assert.ok(
    handles("range", "ArrowLeft") &&
      handles("range", "PageUp") &&
      !handles("range", "n") &&
      !handles("range", " "),
  );
  assert.ok(handles("checkbox", " ") && !handles("checkbox", "b"));
  assert.ok(handles("radio", "ArrowDown") && !handles("radio", "n"));
  assert.ok(handles("button", "Enter") && !handles("button", "p"));
  assert.ok(handles("select", "c") && !handles("select", "z", CTRL));
  assert.ok(!handles(null, "Enter"));
});

/** Entries of the help that are no keys of a command. */
const POINTER = /click|drag|wheel|pen|pinch|list|arrows|\bspace|tab|esc/i;

test("every key in the help has a meaning, and every command with a key is in the help", () => {
  const rows = texts.help.flatMap(({ rows: all }) => all.map(([keys]) => keys));
  const parts = rows
    .flatMap((keys) => keys.split(/, (?=\S)/))
    .filter((part) => part === "," || !POINTER.test(part));
  const named = parts.flatMap((part) => part.replace(" (hold)", "").split(/[ …]+/)).filter(Boolean);
  for (const name of named)
    assert.ok(meaningOf(asEvent(name)), `${name} of the help means nothing`);
  const commands = new Set(named.map((name) => JSON.stringify(meaningOf(asEvent(name)))));
  for (const [name, { keys }] of Object.entries(texts.buttons)) {
    if (keys)
      assert.ok(commands.has(JSON.stringify({ command: name })), `${name} is not in the help`);
  }
  for (const tool of Object.keys(texts.tools))
    assert.ok(commands.has(JSON.stringify({ tool })), `${tool} is not in the help`);
});

test("the key shown for a button does what the button does", () => {
  for (const [name, { keys = "" }] of Object.entries(texts.buttons)) {
    for (const key of keys.split(/ {2}/).filter(Boolean))
      assert.deepEqual(meaningOf(asEvent(key)), { command: name }, key);
  }
});

/** @type {Record<string, string>} */
const NAMES = { Del: "Delete", PgUp: "PageUp", PgDn: "PageDown", "↑": "ArrowUp", "↓": "ArrowDown" };

/** The event of a key as the help writes it. @param {string} written */
function asEvent(written) {
  const parts = written.split(/\+(?=.)/);
  const key = parts.pop() ?? "";
  const has = (/** @type {string} */ name) => parts.includes(name);
  return pressed(NAMES[key] ?? key, {
    ctrlKey: has("Ctrl"),
    shiftKey: has("Shift"),
    altKey: has("Alt"),
  });
}
