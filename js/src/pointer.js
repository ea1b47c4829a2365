/** Mouse, pen and touch on the stage: a press that stays is a point, one that moves is a box. */
import { clamp, isDrag, toImage } from "./geometry.js";

const PRIMARY = 0;
const SECONDARY = 2;

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import("./store.js").Store} store
 * @param {import("./commands.js").Commands} commands
 * @param {AbortSignal} signal
 * @returns {{ cancel: () => boolean }} cancel tells whether there was a press to cancel
 */
export function listenToPointer(canvas, store, commands, signal) {
  /** @type {{ id: number, event: PointerEvent, from: import("./geometry.js").Position, dragged: boolean } | null} */
  let press = null;

  /** @param {PointerEvent} event */
  function position(event) {
    const { picture } = store.snapshot();
    return picture && toImage(event, canvas.getBoundingClientRect(), picture);
  }

  function cancel() {
    if (!press) return false;
    const { id } = press;
    press = null;
    if (canvas.hasPointerCapture(id)) canvas.releasePointerCapture(id);
    commands.set({ drag: null });
    return true;
  }

  /** @param {PointerEvent} event */
  function down(event) {
    // A second finger means a gesture of the page, not a prompt.
    if (press) return void cancel();
    const from = position(event);
    if (!from || (event.button !== PRIMARY && event.button !== SECONDARY)) return;
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    press = { id: event.pointerId, event, from, dragged: false };
    commands.set({ crosshair: false });
  }

  /** @param {PointerEvent} event */
  function move(event) {
    const at = position(event);
    const { picture } = store.snapshot();
    if (!at || !picture || (press && event.pointerId !== press.id)) return;
    const to = { x: clamp(at.x, 0, picture.width), y: clamp(at.y, 0, picture.height) };
    if (press && press.event.button === PRIMARY) press.dragged ||= isDrag(press.event, event);
    commands.set({ cursor: to, crosshair: false, drag: press?.dragged ? { from: press.from, to } : null });
  }

  /** @param {PointerEvent} event */
  function up(event) {
    if (press?.id !== event.pointerId) return;
    const { from, dragged, event: pressed } = press;
    const to = position(event);
    cancel();
    if (dragged && to && commands.box(from, to)) return;
    // Ctrl-click is the right click of a Mac.
    commands.point(from, pressed.altKey || pressed.ctrlKey || pressed.button === SECONDARY);
  }

  canvas.addEventListener("pointerdown", down, { signal });
  canvas.addEventListener("pointermove", move, { signal });
  canvas.addEventListener("pointerup", up, { signal });
  canvas.addEventListener("pointercancel", cancel, { signal });
  canvas.addEventListener("lostpointercapture", cancel, { signal });
  canvas.addEventListener("pointerleave", () => !press && commands.set({ cursor: null }), { signal });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault(), { signal });
  return { cancel };
}
