/**
 * One display of the widget: its elements, put together and kept current.
 *
 * @typedef {import("./store.js").Store} Store
 */
import { createCommands, newViewState } from "./commands.js";
import { element } from "./dom.js";
import { listenToKeys } from "./keys.js";
import { createObjectList } from "./objects.js";
import { listenToPointer } from "./pointer.js";
import { createStage } from "./stage.js";
import { createStatus } from "./status.js";
import { createHelp, createToolbar } from "./toolbar.js";

/**
 * @param {HTMLElement} el
 * @param {Store} store
 * @param {AbortSignal} signal
 */
export function mountView(el, store, signal) {
  let frame = 0;
  const ui = newViewState();
  const commands = createCommands(store, ui, schedule);
  const stage = createStage({ ui, repaint: schedule, signal });
  const focusStage = () => stage.canvas.focus({ preventScroll: true });
  const toolbar = createToolbar({ commands, focusStage, signal });
  const help = createHelp();
  const objects = createObjectList({ commands, focusStage, signal });
  const status = createStatus({ repaint: schedule, signal });
  const room = element("div", { class: "sam2-room" });
  const root = element(
    "div",
    { class: "sam2-widget", tabindex: "-1", "data-lm-suppress-shortcuts": "true", "data-jp-suppress-context-menu": "" },
    element("div", { class: "sam2-ruler", "aria-hidden": "true" }, room),
    element("div", { class: "sam2-frame" }, toolbar.bar, help.list, stage.canvas, objects.panel, status.line),
  );

  const { cancel } = listenToPointer(stage.canvas, store, commands, signal);
  listenToKeys(root, { canvas: stage.canvas, store, ui, commands, cancelDrag: cancel, signal });
  observeRoom(room, stage.fit, signal);
  store.subscribe(storeChanged, signal);
  signal.addEventListener("abort", () => cancelAnimationFrame(frame));

  el.append(root);
  storeChanged();

  function schedule() {
    if (!frame && !signal.aborted) frame = requestAnimationFrame(render);
  }

  function storeChanged() {
    // At once, so that nobody who waits for an answer sees the one before; "false" is set when painted.
    if (store.snapshot().pending) root.dataset.pending = "true";
    schedule();
  }

  /** @param {number} time */
  function render(time) {
    frame = 0;
    const snapshot = store.snapshot();
    if (!snapshot.rows.some(({ id }) => id === ui.hovered)) ui.hovered = null;
    const animating = stage.paint(snapshot, time);
    toolbar.update(snapshot, ui);
    help.update(ui.helpOpen);
    objects.update(snapshot);
    status.update(snapshot, { broken: stage.isBroken(), cursor: ui.cursor });
    root.dataset.phase = snapshot.status.phase;
    root.dataset.ready = String(snapshot.status.phase === "ready");
    root.dataset.objects = String(snapshot.rows.length);
    root.dataset.pending = String(snapshot.pending);
    root.dataset.polarity = ui.negative ? "negative" : "positive";
    if (animating) schedule();
  }
}

/**
 * Report how much room the image has; style sheets say how much that is.
 *
 * @param {HTMLElement} ruler
 * @param {(size: import("./geometry.js").Size) => void} report
 * @param {AbortSignal} signal
 */
function observeRoom(ruler, report, signal) {
  const observer = new ResizeObserver(([{ contentRect }]) => report(contentRect));
  observer.observe(ruler);
  signal.addEventListener("abort", () => observer.disconnect());
}
