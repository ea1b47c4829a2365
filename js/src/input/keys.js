/**
 * Keys while the widget has the focus. Letters and keys that edit never reach the notebook, where `d d`
 * deletes the cell; keys that run a cell or save always do.
 *
 * @typedef {import("../state/options.js").Tool} Tool
 * @typedef {import("../pixels/geometry.js").Position} Position
 *
 * @typedef {object} Gesture what a pointer does on the image; the crosshair does the same
 * @property {(at: Position, options: { negative: boolean }) => void} begin
 * @property {(at: Position) => void} extend
 * @property {(at: Position) => void} end
 * @property {() => boolean} cancel
 * @property {() => boolean} isActive
 * @property {() => Position | null} lineStart where a straight line would begin
 * @property {(at: Position, options: { negative: boolean }) => void} tap
 *
 * @typedef {object} KeyStage
 * @property {HTMLCanvasElement} canvas
 * @property {() => number} cssPixel image pixels in a CSS pixel
 * @property {(dx: number, dy: number) => void} panBy CSS pixels
 * @property {(position: Position) => void} reveal
 * @property {{ move: (position: Position) => void }} pixelReadout shows the value of a pixel
 */
import { fieldKindOf, handlesKey } from "./field-keys.js";
import { clamp } from "../pixels/geometry.js";
import { isForHost, isHold, meaningOf } from "./keymap.js";
import { markOwnKeys } from "./own-keys.js";

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** CSS pixels that an arrow key moves the crosshair, and the factor with Shift. */
const STEP = 4;
const SHIFT_FACTOR = 8;

/** CSS pixels that an arrow key moves the view with the tool for moving it. */
const PAN_STEP = 40;

/** Tools that press, move and release; the others only touch. @type {ReadonlySet<Tool>} */
const DRAWING = new Set(/** @type {const} */ (["box", "scribble", "brush", "eraser"]));

/** Keys that show another plane, or scroll the page. */
const PAGING = new Set(["PageUp", "PageDown"]);

/**
 * @param {HTMLElement} root
 * @param {{
 *   stage: KeyStage,
 *   store: import("../state/store.js").Store,
 *   ui: import("../state/view-state.js").ViewState,
 *   commands: import("./commands.js").Commands,
 *   gesture: Gesture,
 *   leave: () => boolean,
 *   signal: AbortSignal,
 * }} options `leave`: close what is open over the widget; returns false when nothing was open
 */
export function listenToKeys(root, { stage, store, ui, commands, gesture, leave, signal }) {
  const { canvas } = stage;

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (event.key === "Shift" && ui.cursor && !ui.crosshair && !gesture.isActive())
      commands.set({ lineStart: gesture.lineStart() });
    if (isHostKey(event)) return;
    event.stopPropagation();
    if (event.isComposing) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const kind = fieldKindOf(target);
    if (event.key === "Escape") return leaveInnermost(kind);
    if (handlesKey(kind, event)) return;
    if (target === canvas && onCanvasKey(event)) return event.preventDefault();
    const meaning = meaningOf(event);
    if (meaning && perform(meaning)) event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  function isHostKey(event) {
    const kind = fieldKindOf(/** @type {Element} */ (event.composedPath()[0]));
    // For a plain image these scroll the page.
    if (PAGING.has(event.key) && kind !== "text" && kind !== "range")
      return store.snapshot().stack === null && !store.snapshot().isSet;
    return isForHost(event, { inText: kind === "text" });
  }

  /** Cancels what is being drawn, else closes what is open, else leaves the object. @param {import("./field-keys.js").FieldKind} kind */
  function leaveInnermost(kind) {
    if (gesture.cancel() || stopPlaying() || leave() || kind === "text" || kind === "select")
      return;
    if (leaveProposals()) return;
    const { active, prompts } = store.snapshot();
    if (active || prompts.length) commands.select(null);
    else commands.set({ crosshair: false });
  }

  /** Ends the search, else selects the tool for points. @returns {boolean} whether proposals were shown */
  function leaveProposals() {
    const { options, proposing } = store.snapshot();
    if (options.tool !== "propose") return false;
    if (ui.drawsRegion) commands.set({ drawsRegion: false });
    else if (proposing?.running) commands.cancelProposing();
    else commands.option("tool", "point");
    return true;
  }

  /** @returns {boolean} whether something was played */
  function stopPlaying() {
    if (ui.playing === null) return false;
    commands.run("play");
    return true;
  }

  /** @param {import("./keymap.js").Meaning} meaning @returns {boolean} */
  function perform(meaning) {
    if ("command" in meaning) commands.run(meaning.command);
    else if ("tool" in meaning) selectTool(meaning.tool);
    else if ("digit" in meaning) return commands.chooseDigit(meaning.digit);
    else if (!ui[meaning.hold]) commands.set({ [meaning.hold]: true });
    return true;
  }

  /** @param {Tool} tool */
  function selectTool(tool) {
    gesture.cancel();
    commands.option("tool", tool);
  }

  /** @param {KeyboardEvent} event @returns {boolean} */
  function onCanvasKey(event) {
    const { picture } = store.snapshot();
    if (!picture || event.ctrlKey || event.metaKey) return false;
    // The crosshair is on a plane that the kernel does not show yet.
    if ((event.key in ARROWS || event.key === " ") && stopPlaying()) return true;
    if (event.key in ARROWS) return onArrow(event, picture);
    if (event.key === " ") return onSpace(event, picture);
    // Enter ends what Space began, before it ends the object.
    return event.key === "Enter" && endDrawing();
  }

  /** @param {KeyboardEvent} event @param {import("../pixels/geometry.js").Size} picture */
  function onArrow({ key, shiftKey, altKey }, picture) {
    // Alt and an arrow move the object in the list.
    if (altKey) return false;
    const [dx, dy] = ARROWS[key];
    if (store.snapshot().options.tool === "pan") {
      stage.panBy(-dx * PAN_STEP, -dy * PAN_STEP);
      return true;
    }
    // At least one image pixel: on an enlarged image smaller steps would change nothing.
    const length = Math.max(STEP * stage.cssPixel(), 1) * (shiftKey ? SHIFT_FACTOR : 1);
    const { x, y } = crosshair(picture);
    moveTo({ x: x + dx * length, y: y + dy * length }, picture);
    if (gesture.isActive() && ui.cursor) gesture.extend(ui.cursor);
    return true;
  }

  /** @param {KeyboardEvent} event @param {import("../pixels/geometry.js").Size} picture */
  function onSpace(event, picture) {
    const { tool } = store.snapshot().options;
    // Nothing is added while the crosshair is not shown: then Space lets the mouse move the view.
    if (tool === "pan" || !ui.crosshair) {
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

  /** @param {import("../pixels/geometry.js").Size} picture @returns {Position} */
  const crosshair = (picture) => ui.cursor ?? { x: picture.width / 2, y: picture.height / 2 };

  /** @param {Position} position @param {import("../pixels/geometry.js").Size} image */
  function moveTo({ x, y }, image) {
    const inside = (/** @type {number} */ value, /** @type {number} */ side) =>
      clamp(value, 0, side - 0.01);
    const cursor = { x: inside(x, image.width), y: inside(y, image.height) };
    commands.set({ cursor, crosshair: true });
    stage.reveal(cursor);
    stage.pixelReadout.move(cursor);
  }

  function release() {
    if (ui.hideMasks || ui.holdPan || ui.lineStart)
      commands.set({ hideMasks: false, holdPan: false, lineStart: null });
  }

  /** @param {KeyboardEvent} event */
  function onKeyUp(event) {
    event.stopPropagation();
    if (event.key === " " && ui.holdPan) releaseSpace();
    if (event.key === "Shift" && ui.lineStart) commands.set({ lineStart: null });
    if (isHold(event) && ui.hideMasks) commands.set({ hideMasks: false });
  }

  function releaseSpace() {
    commands.set({ holdPan: false });
    const { picture, options } = store.snapshot();
    // Users of the keyboard see where the next Space adds something.
    if (picture && options.tool !== "pan" && !ui.cursor && canvas.matches(":focus-visible"))
      moveTo(crosshair(picture), picture);
  }

  root.addEventListener("keydown", onKey, { signal });
  root.addEventListener("keyup", onKeyUp, { signal });
  // The release of a key is reported to the element that gets the focus.
  root.addEventListener("focusout", release, { signal });
  markOwnKeys(root, isHostKey, signal);
}
