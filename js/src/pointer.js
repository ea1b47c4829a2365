/**
 * Mouse, pen and touch on the stage. What a press means depends on the tool; it is decided
 * by one gesture that the keyboard uses as well.
 *
 * @typedef {import("./geometry.js").Position} Position
 * @typedef {import("./prompts.js").Prompt} Prompt
 * @typedef {import("./store.js").Store} Store
 * @typedef {import("./stage.js").Stage} Stage
 * @typedef {import("./commands.js").ViewState} ViewState
 * @typedef {import("./commands.js").Commands} Commands
 * @typedef {ReturnType<typeof import("./gesture.js").createGesture>} Gesture
 *
 * @typedef {{ kind: "point", point: import("./prompts.js").PointPrompt }} PointDraft a press that has not moved
 * @typedef {{ kind: "box", from: Position, to: Position }} BoxDraft
 * @typedef {{ kind: "scribble", points: [number, number][], label: 0 | 1 }} ScribbleDraft
 * @typedef {{ kind: "stroke", points: number[], radius: number, label: 0 | 1 }} StrokeDraft
 * @typedef {{ kind: "move", index: number, prompt: Prompt }} MoveDraft
 * @typedef {PointDraft | BoxDraft | ScribbleDraft | StrokeDraft | MoveDraft} Draft what is being drawn or moved
 */

/** Milliseconds of a press that ends as soon as it has begun: the click itself is there first. */
const TAPPED = 15;

const PRIMARY = 0;
const SECONDARY = 2;

/** A mouse event's modifiers and buttons that mean "remove". Ctrl-click is the right click of a Mac. @param {MouseEvent} event */
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
  /** The pointer whose press it is. @type {{ id: number, type: string } | null} */
  let press = null;
  /** @type {number | null} */
  let pen = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let foretelling;
  signal.addEventListener("abort", () => clearTimeout(foretelling));
  /** Fingers on the canvas. @type {Set<number>} */
  const fingers = new Set();
  /** @type {number | null} */
  let pointedAt = null;
  /** Two fingers were seen: nothing is drawn until all are gone. */
  let fingersMoveView = false;

  function cancel() {
    const pressed = press;
    press = null;
    if (pressed && canvas.hasPointerCapture(pressed.id)) canvas.releasePointerCapture(pressed.id);
    return gesture.cancel();
  }

  /** @param {PointerEvent} event @returns {boolean} whether it may draw */
  function admit({ pointerType, pointerId, button, isPrimary }) {
    if (pointerType === "pen") {
      // The palm may have come first.
      if (press && press.type === "touch") cancel();
      pen = pointerId;
      stage.setPen(true);
    }
    if (pointerType === "touch") {
      // The first finger of all: whatever is left of others was never reported as lifted.
      if (isPrimary) forgetFingers();
      fingers.add(pointerId);
      if (pen !== null) return false;
      if (fingers.size > 1) {
        fingersMoveView = true;
        cancel();
      }
      if (fingersMoveView) return false;
    }
    return !press && !stage.mayPan() && (button === PRIMARY || button === SECONDARY);
  }

  /** @param {number} id */
  function capture(id) {
    try {
      canvas.setPointerCapture(id);
    } catch {
      // The pointer is gone already; its release will come, or its press be lost like any other.
    }
  }

  /** @param {PointerEvent} event */
  function down(event) {
    canvas.focus({ preventScroll: true });
    if (!admit(event)) return;
    const { picture } = store.snapshot();
    if (!picture) return;
    stage.probe.putOff();
    capture(event.pointerId);
    press = { id: event.pointerId, type: event.pointerType };
    commands.set({ crosshair: false });
    gesture.begin(stage.positionOf(event), { negative: isNegative(event), dragging: event.button === PRIMARY, coarse: event.pointerType === "touch" });
    clearTimeout(foretelling);
    foretelling = setTimeout(foretell, TAPPED);
  }

  /** Until the button is released, a tenth of a second, the kernel can work at the answer. */
  function foretell() {
    const point = gesture.expected();
    if (point && store.snapshot().free) store.askAhead("press", point);
  }

  /** @param {PointerEvent} event */
  function move(event) {
    if (event.pointerType === "touch" && (!press || press.id !== event.pointerId)) return;
    if (press && press.id !== event.pointerId) return;
    // The release was lost, outside of the window for instance.
    if (event.buttons === 0) {
      released(event);
      if (press) cancel();
    }
    const at = stage.positionOf(event);
    const inside = gesture.clamped(at);
    if (!inside) return;
    if (press) for (const each of event.getCoalescedEvents?.() ?? []) gesture.extend(stage.positionOf(each));
    if (press) gesture.extend(at);
    else hoverOver(at, event);
    commands.set({ cursor: inside, crosshair: false });
  }

  /** @param {Position} at @param {PointerEvent} event */
  function hoverOver(at, event) {
    const { tool } = store.snapshot().options;
    const grabbed = stage.mayPan() ? null : gesture.markAt(at);
    if (ui.grabbed !== grabbed) commands.set({ grabbed });
    pointAtObject(tool === "select" ? gesture.objectAt(at) : null);
    const onImage = gesture.isInside(at);
    if (tool === "point" && onImage && grabbed === null && !stage.mayPan()) stage.hover.move(at, isNegative(event) || ui.negative);
    else stage.hover.leave();
    stage.probe.move(onImage ? at : null);
  }

  /** Light an object up, and put it out again; what the list lights up is not ours. @param {number | null} object */
  function pointAtObject(object) {
    if (object === pointedAt) return;
    pointedAt = object;
    commands.set({ hovered: object });
  }

  /** @param {PointerEvent} event */
  function up(event) {
    released(event);
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
  function released({ pointerId }) {
    fingers.delete(pointerId);
    if (!fingers.size) fingersMoveView = false;
    if (pen === pointerId) {
      pen = null;
      stage.setPen(false);
    }
  }

  /** @param {PointerEvent} event */
  function lost(event) {
    if (event.type === "pointercancel") released(event);
    if (press?.id === event.pointerId) cancel();
  }

  /** @param {PointerEvent} event */
  function leave(event) {
    if (press || event.pointerType === "touch") return;
    stage.hover.leave();
    stage.probe.move(null);
    pointAtObject(null);
    commands.set({ cursor: null, grabbed: null });
  }

  canvas.addEventListener("pointerdown", down, { signal });
  canvas.addEventListener("pointermove", move, { signal });
  canvas.addEventListener("pointerup", up, { signal });
  canvas.addEventListener("pointercancel", lost, { signal });
  canvas.addEventListener("lostpointercapture", lost, { signal });
  canvas.addEventListener("pointerleave", leave, { signal });
  // Said at the first touch, or the browser keeps the right to scroll, and pinches come too late to be ours.
  canvas.addEventListener("touchstart", (event) => event.preventDefault(), { signal, passive: false });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault(), { signal });
  return { cancel };
}
