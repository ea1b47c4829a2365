/**
 * Keys while the widget has the focus. None of them reaches the notebook, where `d d` deletes
 * the cell.
 *
 * @typedef {import("./commands.js").CommandName} CommandName
 * @typedef {import("./options.js").Tool} Tool
 * @typedef {import("./geometry.js").Position} Position
 *
 * @typedef {{ command: CommandName } | { tool: Tool } | { digit: number } | { classNumber: number } | { hold: "hideMasks" }} Meaning
 *
 * @typedef {object} Gesture what a pointer does on the image; the crosshair does the same
 * @property {(at: Position, options: { negative: boolean }) => void} begin
 * @property {(at: Position) => void} extend
 * @property {(at: Position) => void} end
 * @property {() => boolean} cancel
 * @property {() => boolean} isActive
 * @property {(at: Position, options: { negative: boolean }) => void} tap
 *
 * @typedef {object} KeyStage
 * @property {HTMLCanvasElement} canvas
 * @property {() => number} cssPixel image pixels in a CSS pixel
 * @property {(dx: number, dy: number) => void} panBy CSS pixels
 * @property {(position: Position) => void} reveal
 * @property {{ move: (position: Position) => void }} probe asks for the value of a pixel
 */
import { clamp } from "./geometry.js";

/** @type {Record<string, CommandName>} */
const COMMANDS = {
  n: "commit",
  Enter: "commit",
  Delete: "delete",
  Backspace: "delete",
  x: "polarity",
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
  l: "preview",
  ",": "settings",
  g: "files",
  f: "full",
  "?": "help",
};

/** @type {Record<string, Tool>} */
const TOOLS = { p: "point", r: "box", s: "scribble", b: "brush", e: "eraser", v: "select", h: "pan" };

/** @type {Record<string, "hideMasks">} */
const HOLDS = { m: "hideMasks" };

/** Worth repeating while the key is held. @type {ReadonlySet<CommandName>} */
const REPEATED = new Set(/** @type {const} */ (["undo", "redo", "smaller", "larger", "previousPlane", "nextPlane", "zoomIn", "zoomOut"]));

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** CSS pixels that an arrow key moves the crosshair, and how much farther with Shift. */
const STEP = 4;
const STRIDE = 8;

/** CSS pixels that an arrow key moves the view with the tool for that. */
const PAN_STEP = 40;

/** Tools that press, move and release; the others only touch. @type {ReadonlySet<Tool>} */
const DRAWING = new Set(/** @type {const} */ (["box", "scribble", "brush", "eraser"]));

/** @param {KeyboardEvent} event @returns {Meaning | null} */
export function meaningOf(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) return withControl(key, event.shiftKey);
  if (event.altKey) return null;
  // The digit's place, not its character: with Shift that differs from one keyboard to the next.
  const digit = /^Digit([1-9])$/.exec(event.code ?? "")?.[1];
  if (event.shiftKey && digit) return { classNumber: Number(digit) };
  if (/^[1-9]$/.test(key)) return { digit: Number(key) };
  if (key in TOOLS) return { tool: TOOLS[key] };
  if (key in HOLDS) return { hold: HOLDS[key] };
  const command = COMMANDS[key];
  return command && (!event.repeat || REPEATED.has(command)) ? { command } : null;
}

/** @param {string} key @param {boolean} shift @returns {Meaning | null} */
function withControl(key, shift) {
  if (key === "z") return { command: shift ? "redo" : "undo" };
  return key === "y" ? { command: "redo" } : null;
}

/**
 * Where Tab leads from the image while there are candidates: to the next one, and at the end out
 * of the image as always.
 *
 * @param {boolean} back
 * @param {number} choice
 * @param {number} count
 * @returns {number | null}
 */
export function candidateByTab(back, choice, count) {
  const next = choice + (back ? -1 : 1);
  return choice >= 0 && next >= 0 && next < count ? next : null;
}

/**
 * @param {HTMLElement} root
 * @param {{
 *   stage: KeyStage,
 *   store: import("./store.js").Store,
 *   ui: import("./commands.js").ViewState,
 *   commands: import("./commands.js").Commands,
 *   gesture: Gesture,
 *   leave: () => boolean,
 *   signal: AbortSignal,
 * }} options `leave`: close what is open over the widget; false when nothing was
 */
export function listenToKeys(root, { stage, store, ui, commands, gesture, leave, signal }) {
  const { canvas } = stage;

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    event.stopPropagation();
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.isComposing) return;
    if (event.key === "Escape") return escape();
    if (isField(target)) return;
    // Enter and Space press the button that has the focus.
    if (target.closest("button") && (event.key === "Enter" || event.key === " ")) return;
    if (target === canvas && onCanvasKey(event)) return event.preventDefault();
    const meaning = meaningOf(event);
    // JupyterLab does not see the key, so it would be the browser that saves the page.
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") event.preventDefault();
    else if (meaning && obey(meaning)) event.preventDefault();
  }

  function escape() {
    if (!gesture.cancel() && !leave()) commands.set({ crosshair: false });
  }

  /** @param {Meaning} meaning @returns {boolean} */
  function obey(meaning) {
    if ("command" in meaning) commands.run(meaning.command);
    else if ("tool" in meaning) takeTool(meaning.tool);
    else if ("digit" in meaning) return chooseDigit(meaning.digit);
    else if ("classNumber" in meaning) return chooseClass(meaning.classNumber);
    else if (!ui[meaning.hold]) commands.set({ [meaning.hold]: true });
    return true;
  }

  /** @param {Tool} tool */
  function takeTool(tool) {
    gesture.cancel();
    commands.option("tool", tool);
  }

  /** @param {number} digit */
  function chooseDigit(digit) {
    if (store.snapshot().candidates) return commands.choose(digit - 1);
    if (digit !== 1) return false;
    commands.run("actual");
    return true;
  }

  /** @param {number} number */
  function chooseClass(number) {
    const chosen = store.snapshot().classes[number - 1];
    if (chosen) commands.chooseClass(chosen.name);
    return chosen !== undefined;
  }

  /** @param {KeyboardEvent} event @returns {boolean} */
  function onCanvasKey(event) {
    const { picture, candidates, choice } = store.snapshot();
    if (!picture || event.ctrlKey || event.metaKey) return false;
    if (event.key === "Tab" && candidates) {
      const next = candidateByTab(event.shiftKey, choice, candidates.length);
      return next !== null && commands.choose(next);
    }
    if (event.key in ARROWS) return onArrow(event, picture);
    if (event.key === " ") return onSpace(event, picture);
    // Enter ends what Space began, before it ends the object.
    return event.key === "Enter" && endDrawing();
  }

  /** @param {KeyboardEvent} event @param {import("./geometry.js").Size} picture */
  function onArrow({ key, shiftKey, altKey }, picture) {
    if (altKey) return false;
    const [dx, dy] = ARROWS[key];
    if (store.snapshot().options.tool === "pan") {
      stage.panBy(-dx * PAN_STEP, -dy * PAN_STEP);
      return true;
    }
    // At least one image pixel: on an enlarged image smaller steps would change nothing.
    const length = Math.max(STEP * stage.cssPixel(), 1) * (shiftKey ? STRIDE : 1);
    const { x, y } = crosshair(picture);
    moveTo({ x: x + dx * length, y: y + dy * length }, picture);
    if (gesture.isActive() && ui.cursor) gesture.extend(ui.cursor);
    return true;
  }

  /** @param {KeyboardEvent} event @param {import("./geometry.js").Size} picture */
  function onSpace(event, picture) {
    const { tool } = store.snapshot().options;
    // With the mouse on the image Space holds it, as everywhere where pictures are edited.
    if (tool === "pan" || (!ui.crosshair && ui.cursor)) {
      if (!ui.holdPan) commands.set({ holdPan: true });
      return true;
    }
    if (event.repeat) return true;
    const at = crosshair(picture);
    moveTo(at, picture);
    const negative = event.shiftKey || event.altKey;
    if (!DRAWING.has(tool)) gesture.tap(at, { negative });
    else if (!endDrawing()) gesture.begin(at, { negative });
    commands.set({ crosshair: true });
    return true;
  }

  /** @returns {boolean} whether there was something to end */
  function endDrawing() {
    if (!gesture.isActive() || !ui.cursor || !ui.crosshair) return false;
    gesture.end(ui.cursor);
    commands.set({ crosshair: true });
    return true;
  }

  /** @param {import("./geometry.js").Size} picture @returns {Position} */
  const crosshair = (picture) => ui.cursor ?? { x: picture.width / 2, y: picture.height / 2 };

  /** @param {Position} position @param {import("./geometry.js").Size} image */
  function moveTo({ x, y }, image) {
    const inside = (/** @type {number} */ value, /** @type {number} */ side) => clamp(value, 0, side - 0.01);
    const cursor = { x: inside(x, image.width), y: inside(y, image.height) };
    commands.set({ cursor, crosshair: true });
    stage.reveal(cursor);
    stage.probe.move(cursor);
  }

  function release() {
    if (ui.hideMasks || ui.holdPan) commands.set({ hideMasks: false, holdPan: false });
  }

  /** @param {KeyboardEvent} event */
  function onKeyUp(event) {
    event.stopPropagation();
    if (event.key === " " && ui.holdPan) commands.set({ holdPan: false });
    if (event.key.toLowerCase() in HOLDS && ui.hideMasks) commands.set({ hideMasks: false });
  }

  root.addEventListener("keydown", onKey, { signal });
  root.addEventListener("keyup", onKeyUp, { signal });
  // Where the focus goes, the key's release goes too.
  root.addEventListener("focusout", release, { signal });
  root.addEventListener("focusin", ({ target }) => {
    // Notebook 7 takes keys on their way in, and looks for this mark from the focused element on:
    // that of the root is too far out, `d d` would delete the cell.
    /** @type {HTMLElement} */ (target).dataset.lmSuppressShortcuts = "true";
  }, { signal });
}

/** @param {HTMLElement} target @returns {boolean} whether letters are typed into it */
const isField = (target) => target.closest("input, select") !== null;
