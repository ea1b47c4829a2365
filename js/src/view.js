/**
 * One display of the widget: its elements, put together and kept current.
 *
 * @typedef {import("./store.js").Store} Store
 */
import { createAnnouncer } from "./announcer.js";
import { createCandidates } from "./candidates.js";
import { createCommands, newViewState } from "./commands.js";
import { element, setAttribute } from "./dom.js";
import { createFiles } from "./files.js";
import { createFullScreen } from "./fullscreen.js";
import { createHelp } from "./help.js";
import { listenToKeys } from "./keys.js";
import { createObjectList } from "./objects.js";
import { createGesture } from "./gesture.js";
import { listenToPointer } from "./pointer.js";
import { createPlaneBar } from "./planes.js";
import { createPopovers } from "./popovers.js";
import { createResizer } from "./resizer.js";
import { createSettings } from "./settings.js";
import { createStage } from "./stage.js";
import { createStatus } from "./status.js";
import * as texts from "./texts.js";
import { followTheme } from "./theme.js";
import { paintThumbnail } from "./thumbs.js";
import { showTips } from "./tips.js";
import { createToolbar } from "./toolbar.js";

/**
 * @param {HTMLElement} el
 * @param {Store} store
 * @param {AbortSignal} signal
 */
export function mountView(el, store, signal) {
  let frame = 0;
  /** Whether more than the view of the image has changed since the last frame. */
  let stale = true;
  /** What the lists show; null when they must look again. @type {import("./store.js").Snapshot | null} */
  let listed = null;
  /** What the stage shows. @type {import("./store.js").Snapshot | null} */
  let staged = null;
  /** Whether the pointer was used last. */
  let pointing = false;
  /** @type {number | null} */
  let plane = null;
  const ui = newViewState();
  const commands = createCommands(store, ui, schedule, () => display);
  const stage = createStage({ store, ui, changed: relist, moved: scheduleFrame, signal });
  const gesture = createGesture({ store, ui, commands, stage });
  const root = element("div", { class: "sam2-widget", role: "group", "aria-label": texts.widget, tabindex: "-1", "data-lm-suppress-shortcuts": "true", "data-jp-suppress-context-menu": "" });
  const room = element("div", { class: "sam2-room" });
  const fullScreen = createFullScreen(root, (full) => commands.set({ full }), signal);
  const display = { zoomBy: stage.zoomBy, fit: stage.fit, actualSize: stage.actualSize, toggleFull: fullScreen.toggle, markAt: gesture.markAt };

  const focusStage = () => stage.canvas.focus({ preventScroll: true });
  const close = () => commands.set({ open: null });
  const isPreviewPaused = () => stage.preview().paused;
  const toolbar = createToolbar({ commands, focusStage, signal });
  const help = createHelp({ close, signal });
  const settings = createSettings({ commands, close, isPreviewPaused, signal });
  const files = createFiles({ store, close, repaint: schedule, signal });
  const objects = createObjectList({ commands, looks: { areaOf: stage.areaOf, thumbnail }, focusStage, signal });
  const candidates = createCandidates({ commands, thumbnail, focusStage, signal });
  const planes = createPlaneBar({ commands, focusStage, signal });
  const status = createStatus({ commands, focusStage, repaint: schedule, signal });
  const announcer = createAnnouncer({ areaOf: stage.areaOf, signal });
  const popovers = createPopovers({ help: help.node, settings: settings.node, files: files.node }, { root, focusStage, opened: () => adoptTheme() });
  const resizer = createResizer({
    height: stage.height,
    resize: (height) => commands.option("height", height),
    signal,
  });
  root.append(
    element("div", { class: "sam2-frame" },
      element("div", { class: "sam2-ruler", "aria-hidden": "true" }, room),
      toolbar.bar, stage.canvas, planes.bar, candidates.node, objects.panel, settings.node, files.node, help.node, resizer.node, status.line),
    announcer.node,
  );

  const { cancel } = listenToPointer({ stage, store, ui, commands, gesture, signal });
  listenToKeys(root, { stage, store, ui, commands, gesture: { ...gesture, cancel }, leave, signal });
  root.addEventListener("pointerdown", () => (pointing = true), { signal, capture: true });
  for (const type of ["pointerup", "keydown"]) root.addEventListener(type, ({ timeStamp }) => store.timings.happened(timeStamp), { signal, capture: true });
  root.addEventListener("keydown", () => (pointing = false), { signal, capture: true });
  for (const type of ["focus", "blur"]) stage.canvas.addEventListener(type, schedule, { signal });
  showTips(root, signal);
  observeRoom(room, stage.setRoom, signal);
  store.subscribe(storeChanged, signal);
  signal.addEventListener("abort", () => cancelAnimationFrame(frame));

  el.append(root);
  const adoptTheme = followTheme(root, signal);
  storeChanged();

  function schedule() {
    stale = true;
    scheduleFrame();
  }

  /** Of what lies around the image only the readings change. */
  function scheduleFrame() {
    if (!frame && !signal.aborted) frame = requestAnimationFrame(render);
  }

  /** The stage knows more of what the lists show. */
  function relist() {
    listed = null;
    schedule();
  }

  function storeChanged() {
    // At once, so that nobody who waits for an answer sees the one before; "false" is set when painted.
    if (store.snapshot().pending) root.dataset.pending = "true";
    schedule();
  }

  /** What was being drawn on one plane is not for another. @param {number} next */
  function leavePlane(next) {
    plane = next;
    cancel();
    Object.assign(ui, { grabbed: null, candidate: null });
  }

  /** @returns {boolean} whether something that lies over the widget was closed */
  function leave() {
    if (ui.open === null) return fullScreen.leave();
    close();
    return true;
  }

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{ mask: import("./mask.js").Mask | null, color: string, bounds?: import("./geometry.js").Corners | null }} object
   * @returns {boolean} whether there was something to paint
   */
  function thumbnail(canvas, { mask, color, bounds }) {
    const { picture: image } = store.snapshot();
    const picture = stage.picture();
    if (!mask || !image || !picture) return false;
    paintThumbnail(canvas, { mask, color, image, picture, ...(bounds && { bounds }) });
    return true;
  }

  /** @param {number} time */
  function render(time) {
    frame = 0;
    const snapshot = store.snapshot();
    if (plane !== snapshot.plane) leavePlane(snapshot.plane);
    if (!snapshot.rows.some(({ id }) => id === ui.hovered)) ui.hovered = null;
    const { height } = snapshot.options;
    room.style.height = height > 0 ? `${height}px` : "";
    const animating = stage.paint(snapshot, time);
    if ((!snapshot.pending || snapshot.foreseen) && stage.isExact()) store.timings.painted(snapshot.foreseen);
    // Marks and masks are what the user waits for: all that is told of them comes with the next frame.
    if (isNewOnStage(snapshot)) scheduleFrame();
    else updateRest(snapshot);
    staged = snapshot;
    if (animating) scheduleFrame();
  }

  /** @param {import("./store.js").Snapshot} snapshot */
  function isNewOnStage({ prompts, pending, mask }) {
    return prompts !== staged?.prompts || (!pending && mask !== staged?.mask);
  }

  /** What lies around the image. @param {import("./store.js").Snapshot} snapshot */
  function updateRest(snapshot) {
    if (stale) updateControls(snapshot);
    if (listed !== snapshot) updateLists(snapshot);
    stale = false;
    const placing = ui.crosshair && gesture.isActive();
    const byKeys = ui.crosshair || (!pointing && stage.canvas.matches(":focus"));
    status.update(snapshot, { broken: stage.isBroken(), readout: stage.readout(), zoom: stage.zoom(), preview: stage.preview(), placing, byKeys });
    tellState(snapshot);
  }

  /** @param {import("./store.js").Snapshot} snapshot */
  function updateControls(snapshot) {
    toolbar.update(snapshot, ui);
    popovers.update(ui.open);
    if (ui.open === "settings") settings.update(snapshot, store.timings.last());
    if (ui.open === "files") files.update(snapshot);
    resizer.update();
    announcer.update(snapshot, ui);
  }

  /** @param {import("./store.js").Snapshot} snapshot */
  function updateLists(snapshot) {
    listed = snapshot;
    planes.update(snapshot);
    objects.update(snapshot);
    candidates.update(snapshot);
  }

  /** For style sheets and tests. @param {import("./store.js").Snapshot} snapshot */
  function tellState({ status: { phase }, rows, pending, connection, options, candidates: offered, plane: at, wantedPlane }) {
    setAttribute(root, "data-phase", phase);
    setAttribute(root, "data-ready", phase === "ready");
    setAttribute(root, "data-objects", rows.length);
    setAttribute(root, "data-pending", pending || !stage.isExact());
    setAttribute(root, "data-connection", connection);
    setAttribute(root, "data-polarity", ui.negative ? "negative" : "positive");
    setAttribute(root, "data-tool", options.tool);
    setAttribute(root, "data-preview", options.hoverPreview ? "on" : "off");
    setAttribute(root, "data-zoom", stage.zoom().toFixed(3));
    setAttribute(root, "data-plane", at);
    setAttribute(root, "data-turning", wantedPlane !== at);
    setAttribute(root, "data-candidates", offered?.length ?? 0);
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
