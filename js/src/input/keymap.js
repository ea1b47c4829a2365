/**
 * What a key does, on any keyboard layout. No DOM.
 *
 * @typedef {import("./commands.js").CommandName} CommandName
 * @typedef {import("../state/options.js").Tool} Tool
 *
 * @typedef {{ command: CommandName } | { tool: Tool } | { digit: number } | { hold: "hideMasks" }} Meaning
 * @typedef {Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "metaKey" | "shiftKey" | "altKey" | "repeat">
 *   & Partial<Pick<KeyboardEvent, "getModifierState">>} Key
 */

/** @type {Record<string, CommandName>} */
const COMMANDS = {
  n: "commit",
  Enter: "commit",
  Delete: "delete",
  Backspace: "removeLast",
  x: "polarity",
  c: "nextCandidate",
  t: "track",
  a: "name",
  F2: "name",
  k: "play",
  d: "nextDoubtful",
  q: "nextKeyframe",
  i: "markIn",
  u: "absent",
  "[": "smaller",
  "]": "larger",
  PageUp: "previousPlane",
  "<": "previousPlane",
  PageDown: "nextPlane",
  ">": "nextPlane",
  "+": "zoomIn",
  "=": "zoomIn",
  "-": "zoomOut",
  "−": "zoomOut",
  0: "fit",
  z: "actual",
  l: "preview",
  o: "perClick",
  j: "merge",
  ",": "settings",
  g: "files",
  f: "full",
  "?": "help",
};

/** With Shift something else. @type {Record<string, CommandName>} */
const SHIFTED_COMMANDS = {
  c: "previousCandidate",
  t: "trackAll",
  d: "previousDoubtful",
  q: "previousKeyframe",
  i: "markOut",
};

/** With Alt. @type {Record<string, CommandName>} */
const ALT_COMMANDS = { ArrowUp: "raise", ArrowDown: "lower" };

/** @type {Record<string, Tool>} */
const TOOLS = {
  p: "point",
  r: "box",
  s: "scribble",
  b: "brush",
  e: "eraser",
  w: "propose",
  v: "select",
  h: "pan",
};

/** @type {Record<string, "hideMasks">} */
const HOLDS = { m: "hideMasks" };

/** Worth repeating while the key is held. @type {ReadonlySet<CommandName>} */
const REPEATED = new Set(
  /** @type {const} */ ([
    "undo",
    "redo",
    "smaller",
    "larger",
    "previousPlane",
    "nextPlane",
    "zoomIn",
    "zoomOut",
    "raise",
    "lower",
    "nextDoubtful",
    "previousDoubtful",
    "nextKeyframe",
    "previousKeyframe",
    "nextCandidate",
    "previousCandidate",
  ]),
);

/** The characters of a US keyboard by the place of their key, without and with Shift. @type {Record<string, [string, string]>} */
const US_LAYOUT = {
  BracketLeft: ["[", "{"],
  BracketRight: ["]", "}"],
  Comma: [",", "<"],
  Period: [".", ">"],
  Slash: ["/", "?"],
  Minus: ["-", "_"],
  Equal: ["=", "+"],
};

/** Reported for keys of an input method. */
const UNIDENTIFIED = new Set(["Process", "Unidentified"]);

const FOREIGN_LETTER = /(?!\p{Script=Latin})\p{L}/u;

/** Symbols that are typed with AltGr, or Option on a Mac, on some keyboards. */
const SYMBOL = /^[[\]<>?+=,-]$/;

/**
 * The character of a key: the one that it types or, if that is a letter of another alphabet, the one on
 * a US keyboard.
 *
 * @param {Pick<Key, "key" | "code" | "shiftKey">} event
 * @returns {string} letters in lower case; other keys by their names
 */
export function characterOf({ key, code = "", shiftKey }) {
  if (!UNIDENTIFIED.has(key) && !FOREIGN_LETTER.test(key))
    return key.length === 1 ? key.toLowerCase() : key;
  const [, letter, digit] = /^(?:Key([A-Z])|Digit([0-9]))$/.exec(code) ?? [];
  return letter?.toLowerCase() ?? digit ?? US_LAYOUT[code]?.[shiftKey ? 1 : 0] ?? key;
}

/**
 * Whether a character was typed with AltGr: Windows reports that as Ctrl and Alt.
 *
 * @param {Key} event
 */
const isAltGr = (event) =>
  event.getModifierState?.("AltGraph") === true ||
  (event.ctrlKey && event.altKey && event.key.length === 1 && !/[a-z0-9]/i.test(event.key));

/** A symbol that this keyboard has only with AltGr or, on a Mac, with Option. @param {Key} event */
const isTypedSymbol = (event) =>
  SYMBOL.test(event.key) &&
  !event.metaKey &&
  (isAltGr(event) || (event.altKey && !event.ctrlKey && isApple()));

export const isApple = () => /mac|iphone|ipad/i.test(globalThis.navigator?.platform ?? "");

/**
 * The number of a key for digits. Where digits need Shift, as on a French keyboard, their keys work without it, too.
 *
 * @param {Key} event
 * @param {string} character
 * @returns {number | null} 1 to 9
 */
function digitOf({ code = "", shiftKey }, character) {
  if (/^[1-9]$/.test(character)) return Number(character);
  const place = /^Digit([1-9])$/.exec(code)?.[1];
  return place && !shiftKey && !(character in COMMANDS) ? Number(place) : null;
}

/** @param {Key} event @returns {Meaning | null} */
export function meaningOf(event) {
  const typed = isTypedSymbol(event);
  const character = characterOf(event);
  if (!typed && (event.ctrlKey || event.metaKey)) return withControl(character, event);
  if (!typed && event.altKey) return asCommand(ALT_COMMANDS[character], event);
  const digit = digitOf(event, character);
  if (digit !== null) return { digit };
  if (character in TOOLS) return { tool: TOOLS[character] };
  if (character in HOLDS) return { hold: HOLDS[character] };
  return asCommand((event.shiftKey && SHIFTED_COMMANDS[character]) || COMMANDS[character], event);
}

/** @param {CommandName | undefined} command @param {Key} event @returns {Meaning | null} */
const asCommand = (command, { repeat }) =>
  command && (!repeat || REPEATED.has(command)) ? { command } : null;

/** @param {string} character @param {Key} event @returns {Meaning | null} */
function withControl(character, { shiftKey, altKey }) {
  if (altKey) return null;
  if (character === "z") return { command: shiftKey ? "redo" : "undo" };
  return character === "y" ? { command: "redo" } : null;
}

/** Whether a key has an effect only while it is held. @param {Pick<Key, "key" | "code" | "shiftKey">} event */
export const isHold = (event) => characterOf(event) in HOLDS;

/** Keys that edit with Ctrl or ⌘: text and objects in the widget, but cells in the notebook. */
const EDITING = new Set(["a", "c", "v", "x", "y", "z"]);
const ERASING = new Set(["Backspace", "Delete"]);

const MOVING = /^(Arrow|Home|End|Page)/;

/**
 * Whether the notebook or the browser should handle a key: it runs a cell, saves, opens a menu. Not so
 * letters, digits and keys that edit, which would change the notebook's cells.
 *
 * @param {Key} event
 * @param {{ inText?: boolean }} [where] whether text is being typed: keys that move its cursor stay there
 */
export function isForHost(event, { inText = false } = {}) {
  const { key, shiftKey, altKey } = event;
  const control = event.ctrlKey || event.metaKey;
  if (key === "Enter") return control || altKey || shiftKey;
  if (/^F\d+$/.test(key)) return meaningOf(event) === null;
  if ((!control && !altKey) || isAltGr(event)) return false;
  if (inText && (MOVING.test(key) || !control)) return false;
  if (control && !altKey && (ERASING.has(key) || (!shiftKey && EDITING.has(characterOf(event)))))
    return false;
  return meaningOf(event) === null;
}
