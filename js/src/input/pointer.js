/**
 * Mouse, pen and touch on the stage. What a press does is decided by the gesture, which the keyboard uses
 * as well.
 *
 * @typedef {import("../pixels/geometry.js").Position} Position
 * @typedef {import("../state/prompts.js").Prompt} Prompt
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../stage/stage.js").Stage} Stage
 * @typedef {import("../state/view-state.js").ViewState} ViewState
 * @typedef {import("./commands.js").Commands} Commands
 * @typedef {ReturnType<typeof import("./gesture.js").createGesture>} Gesture
 */
import { wheelDelta } from "../stage/zoom.js";
import { createEarlyPrediction } from "./early-prediction.js";

const PRIMARY = 0;
const SECONDARY = 2;
/** The eraser end of a pen. */
const ERASER = 5;

/** Turn of the wheel, in doublings as of `wheelDelta`, that changes the brush by one step. */
const WHEEL_STEP = 0.2;

/** A mouse event's modifiers and buttons that mean "remove". On a Mac, Ctrl-click is a right click. @param {MouseEvent} event */
const isNegative = ({ altKey, ctrlKey, button }) => altKey || ctrlKey || button === SECONDARY;

/**
 * @param {{
 *   store: Store,
 *   stage: Stage,
 *   ui: ViewState,
 *   commands: Commands,
 *   gesture: Gesture,
 *   signal: AbortSignal,
 * }} options
 */
export function listenToPointer({ store, stage, ui, commands, gesture, signal }) {
  const { canvas } = stage;
  /** The pointer that is pressed. @type {{ id: number, type: string } | null} */
  let press = null;
  /** @type {number | null} */
  let pen = null;
  const early = createEarlyPrediction({ store, signal });
  /** Fingers on the canvas. @type {Set<number>} */
  const fingers = new Set();
  /** Turns of the wheel that have not added up to a step yet. */
  let wheelRemainder = 0;
  /** @type {number | null} */
  let highlighted = null;
  /** Two fingers were down: nothing is drawn until all are lifted. */
  let fingersMoveView = false;

  function cancel() {
    const pressed = press;
    press = null;
    if (pressed && canvas.hasPointerCapture(pressed.id)) canvas.releasePointerCapture(pressed.id);
    return gesture.cancel();
  }

  /** @param {PointerEvent} event @returns {boolean} whether it may draw */
  function mayDraw({ pointerType, pointerId, button, isPrimary }) {
    if (pointerType === "pen") {
      // The palm may have touched first.
      if (press && press.type === "touch") cancel();
      pen = pointerId;
      stage.setPen(true);
    }
    if (pointerType === "touch") {
      // This is the first finger: others that are still listed were never reported as lifted.
      if (isPrimary) forgetFingers();
      fingers.add(pointerId);
      if (pen !== null) return false;
      if (fingers.size > 1) {
        fingersMoveView = true;
        cancel();
      }
      if (fingersMoveView) return false;
    }
    return (
      !press && !stage.mayPan() && (button === PRIMARY || button === SECONDARY || button === ERASER)
    );
  }

  /** @param {number} id */
  function capture(id) {
    try {
      canvas.setPointerCapture(id);
    } catch {
      // The pointer does not exist any more: its release or its cancellation will be reported.
    }
  }

  /** @param {PointerEvent} event */
  function down(event) {
    canvas.focus({ preventScroll: true });
    // During playback the kernel shows another plane: a press only stops playback.
    if (ui.playing !== null) return commands.run("play");
    if (!mayDraw(event)) return;
    const { picture } = store.snapshot();
    if (!picture) return;
    stage.pixelReadout.postpone();
    capture(event.pointerId);
    press = { id: event.pointerId, type: event.pointerType };
    commands.set({ crosshair: false, lineStart: null });
    gesture.begin(stage.positionOf(event), {
      negative: isNegative(event),
      dragging: event.button !== SECONDARY,
      coarse: event.pointerType === "touch",
      straight: event.shiftKey,
      erasing: event.button === ERASER,
    });
    early.pressed(gesture.pointOnRelease);
  }

  /** @param {PointerEvent} event */
  function move(event) {
    if (event.pointerType === "touch" && (!press || press.id !== event.pointerId)) return;
    if (press && press.id !== event.pointerId) return;
    // The release was not reported, for instance because it was outside of the window.
    if (event.buttons === 0) {
      forgetPointer(event);
      if (press) cancel();
    }
    const at = stage.positionOf(event);
    const inside = gesture.clamped(at);
    if (!inside) return;
    if (press)
      for (const each of event.getCoalescedEvents?.() ?? []) gesture.extend(stage.positionOf(each));
    if (press) gesture.extend(at);
    else hoverOver(at, event);
    // The value of the pixel is not requested while something is drawn.
    if (press) stage.pixelReadout.follow(gesture.isInside(at) ? at : null);
    commands.set({
      cursor: inside,
      crosshair: false,
      lineStart: event.shiftKey && !press ? gesture.lineStart() : null,
    });
  }

  /** @param {Position} at @param {PointerEvent} event */
  function hoverOver(at, event) {
    const { tool } = store.snapshot().options;
    const grabbed = stage.mayPan() ? null : gesture.markAt(at);
    if (ui.grabbed !== grabbed) commands.set({ grabbed });
    const proposal = tool === "propose" && !stage.mayPan() ? gesture.proposalAt(at) : null;
    if (ui.proposal !== proposal) commands.set({ proposal });
    highlightObject(tool === "select" ? gesture.objectAt(at) : null);
    const onImage = gesture.isInside(at);
    if (tool === "point" && onImage && grabbed === null && !stage.mayPan()) {
      const negative = isNegative(event) || ui.negative;
      stage.hoverPreview.move(at, negative);
      early.moved(at, negative);
    } else {
      stage.hoverPreview.leave();
      early.cancel();
    }
    stage.pixelReadout.move(onImage ? at : null);
  }

  /** Highlight an object, or undo that; an object that the list highlights is left alone. @param {number | null} object */
  function highlightObject(object) {
    if (object === highlighted) return;
    highlighted = object;
    commands.set({ hovered: object });
  }

  /** @param {PointerEvent} event */
  function up(event) {
    forgetPointer(event);
    if (press?.id !== event.pointerId) return;
    press = null;
    if (canvas.hasPointerCapture(event.pointerId)) canvas.releasePointerCapture(event.pointerId);
    gesture.end(stage.positionOf(event));
  }

  function forgetFingers() {
    fingers.clear();
    fingersMoveView = false;
  }

  /** @param {PointerEvent} event */
  function forgetPointer({ pointerId }) {
    fingers.delete(pointerId);
    if (!fingers.size) fingersMoveView = false;
    if (pen === pointerId) {
      pen = null;
      stage.setPen(false);
    }
  }

  /** @param {PointerEvent} event */
  function cancelled(event) {
    if (event.type === "pointercancel") forgetPointer(event);
    if (press?.id === event.pointerId) cancel();
  }

  /** @param {PointerEvent} event */
  function leave(event) {
    if (press || event.pointerType === "touch") return;
    stage.hoverPreview.leave();
    early.cancel();
    stage.pixelReadout.move(null);
    highlightObject(null);
    commands.set({ cursor: null, grabbed: null, proposal: null, lineStart: null });
  }

  /** With Shift the wheel changes the size of the brush; handled before the wheel zooms. @param {WheelEvent} event */
  function sizeBrush(event) {
    const { tool } = store.snapshot().options;
    if (
      !event.shiftKey ||
      event.ctrlKey ||
      event.metaKey ||
      (tool !== "brush" && tool !== "eraser") ||
      !canvas.closest(".sam2-widget:focus-within")
    )
      return;
    event.preventDefault();
    event.stopImmediatePropagation();
    // With Shift, browsers report a horizontal scroll.
    const { deltaX, deltaY, deltaMode } = event;
    wheelRemainder += wheelDelta({ deltaY: deltaY || deltaX, deltaMode, ctrlKey: false });
    for (
      ;
      Math.abs(wheelRemainder) >= WHEEL_STEP - 1e-9;
      wheelRemainder -= Math.sign(wheelRemainder) * WHEEL_STEP
    )
      commands.run(wheelRemainder > 0 ? "larger" : "smaller");
  }

  canvas.addEventListener("wheel", sizeBrush, { signal, passive: false, capture: true });
  canvas.addEventListener("pointerdown", down, { signal });
  canvas.addEventListener("pointermove", move, { signal });
  canvas.addEventListener("pointerup", up, { signal });
  canvas.addEventListener("pointercancel", cancelled, { signal });
  canvas.addEventListener("lostpointercapture", cancelled, { signal });
  canvas.addEventListener("pointerleave", leave, { signal });
  // Must be done at the first touch, else the browser may scroll, and pinches are not reported in time.
  canvas.addEventListener("touchstart", (event) => event.preventDefault(), {
    signal,
    passive: false,
  });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault(), { signal });
  return { cancel };
}
