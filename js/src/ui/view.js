/**
 * One display of the widget: creates its elements and keeps them up to date.
 *
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../stage/zoom.js").PersistentView & { negative: boolean }} DisplayState what the next display starts with
 */
import { createAnnouncer } from "./announcer.js";
import { createCandidates } from "./candidates.js";
import { createCommands } from "../input/commands.js";
import { isRemembered } from "../state/preferences.js";
import { newViewState } from "../state/view-state.js";
import { element, setAttribute } from "../dom/elements.js";
import { createFilesPanel } from "./files-panel.js";
import { createFullScreen } from "./fullscreen.js";
import { createHelp } from "./help.js";
import { listenToKeys } from "../input/keys.js";
import { createObjectList } from "./object-list.js";
import { createGesture } from "../input/gesture.js";
import { listenToPointer } from "../input/pointer.js";
import { fillOutputPanel } from "./output-panel.js";
import { createPopovers } from "./popovers.js";
import { createResizer } from "./resizer.js";
import { createProposalsPanel } from "./proposals-panel.js";
import { createShownProposals } from "../state/proposal-filter.js";
import { createSettingsPanel } from "./settings-panel.js";
import { createPlayback } from "../stage/playback.js";
import { createStage } from "../stage/stage.js";
import { createStatusLine } from "./status-line.js";
import * as texts from "./texts.js";
import { followTheme } from "./theme.js";
import { paintThumbnail } from "../stage/thumbnails.js";
import { showTips } from "./tips.js";
import { createTimelinePanel } from "./timeline-panel.js";
import { createToolbar } from "./toolbar.js";

/** @returns {DisplayState} */
export const newDisplayState = () => ({ zoom: null, negative: false });

/**
 * @param {HTMLElement} el
 * @param {Store} store
 * @param {DisplayState} displayState
 * @param {AbortSignal} signal
 */
export function mountView(el, store, displayState, signal) {
  let frame = 0;
  /** Whether more than the view of the image has changed since the last frame. */
  let areControlsStale = true;
  /** What the lists show; null when they must be updated. @type {import("../state/snapshot.js").Snapshot | null} */
  let listedSnapshot = null;
  /** What the stage shows. @type {import("../state/snapshot.js").Snapshot | null} */
  let stagedSnapshot = null;
  /** Whether the pointer was used more recently than the keyboard. */
  let isPointerUsed = false;
  /** @type {number | null} */
  let plane = null;
  const ui = {
    ...newViewState(),
    negative: displayState.negative,
    onionSkin: isRemembered("onionSkin"),
  };
  const commands = createCommands(store, ui, schedule, () => display);
  const playback = createPlayback({
    request: (wanted) => store.request("frames", wanted)?.n ?? null,
    decode: ({ data, mime }) =>
      createImageBitmap(new Blob([data], { type: mime }), { colorSpaceConversion: "none" }),
    changed: scheduleFrame,
  });
  const selectShown = createShownProposals();
  const shownProposals = () => selectShown(store.snapshot(), ui.thresholds);
  const stage = createStage({
    store,
    ui,
    playback,
    persistent: displayState,
    proposals: shownProposals,
    labelOf: texts.stage,
    changed: refreshLists,
    moved: scheduleFrame,
    signal,
  });
  const gesture = createGesture({ store, ui, commands, stage, proposals: shownProposals });
  const root = element("div", {
    class: "sam2-widget sam2-ui",
    role: "group",
    "aria-label": texts.widget,
    tabindex: "-1",
    "data-lm-suppress-shortcuts": "true",
    "data-jp-suppress-context-menu": "",
  });
  const room = element("div", { class: "sam2-room" });
  const fullScreen = createFullScreen(root, (full) => commands.set({ full }), signal);
  const display = {
    zoomBy: stage.zoomBy,
    fit: stage.fit,
    actualSize: stage.actualSize,
    toggleFull: fullScreen.toggle,
    cssPixel: stage.cssPixel,
    nameObject: () => toolbar.nameObject(),
    mergeSelected: () => objects.mergeMarked(),
    markAt: gesture.markAt,
    play,
    stopPlaying,
  };

  const focusStage = () => stage.canvas.focus({ preventScroll: true });
  const close = () => commands.set({ open: null });
  const isPreviewPaused = () => stage.preview().paused;
  const toolbar = createToolbar({ commands, focusStage, signal });
  const help = createHelp({ close, signal });
  const settings = createSettingsPanel({
    commands,
    close,
    isPreviewPaused,
    isOnionSkinShown: () => ui.onionSkin,
    signal,
  });
  const proposals = createProposalsPanel({
    commands,
    ui,
    shown: shownProposals,
    inView: stage.inView,
    focusStage,
    signal,
  });
  const files = createFilesPanel({ store, close, repaint: schedule, signal });
  const objects = createObjectList({
    commands,
    looks: { areaOf: stage.areaOf, thumbnail },
    focusStage,
    signal,
  });
  const candidates = createCandidates({ commands, thumbnail, focusStage, signal });
  const timeline = createTimelinePanel({ commands, focusStage, signal });
  const status = createStatusLine({ commands, focusStage, repaint: schedule, signal });
  const announcer = createAnnouncer({ areaOf: stage.areaOf, signal });
  const popovers = createPopovers(
    { help: help.node, settings: settings.node, files: files.node },
    { root, focusStage, opened: () => adoptTheme() },
  );
  const resizer = createResizer({
    height: stage.height,
    resize: (height) => commands.option("height", height),
    signal,
  });
  root.append(
    element("div", { class: "sam2-natural-width", "aria-hidden": "true" }),
    element(
      "div",
      { class: "sam2-container" },
      element(
        "div",
        { class: "sam2-frame" },
        element("div", { class: "sam2-ruler", "aria-hidden": "true" }, room),
        toolbar.bar,
        stage.adjusted,
        stage.canvas,
        candidates.node,
        objects.panel,
        proposals.node,
        settings.node,
        files.node,
        help.node,
        resizer.node,
        timeline.node,
        status.line,
      ),
    ),
    announcer.node,
  );

  const { cancel } = listenToPointer({ stage, store, ui, commands, gesture, signal });
  listenToKeys(root, {
    stage,
    store,
    ui,
    commands,
    gesture: { ...gesture, cancel },
    leave: closeTopmost,
    signal,
  });
  for (const type of ["pointerdown", "pointermove"])
    root.addEventListener(type, pointerUsed, { signal, capture: true });
  for (const type of ["pointerup", "keydown"])
    root.addEventListener(type, ({ timeStamp }) => store.timings.recordEvent(timeStamp), {
      signal,
      capture: true,
    });
  root.addEventListener("keydown", (event) => (isPointerUsed &&= !isNavigation(event)), {
    signal,
    capture: true,
  });
  for (const type of ["focus", "blur"]) stage.canvas.addEventListener(type, schedule, { signal });
  showTips(root, signal);
  observeRoom(room, stage.setRoom, signal);
  fillOutputPanel(root, (fills) => commands.set({ fills }), signal);
  store.subscribe(storeChanged, signal);
  signal.addEventListener("abort", () => cancelAnimationFrame(frame));

  el.classList.add("sam2-view");
  el.append(root);
  const adoptTheme = followTheme(root, timeline.repaint, signal);
  signal.addEventListener("abort", stopPlaying);
  store.listen(
    "frame",
    (answer) => void (answer.client === store.client && playback.receive(answer)),
    signal,
  );
  storeChanged();

  function schedule() {
    areControlsStale = true;
    scheduleFrame();
  }

  function pointerUsed() {
    if (isPointerUsed) return;
    isPointerUsed = true;
    schedule();
  }

  /** Around the image only the readings in the status line change. */
  function scheduleFrame() {
    if (!frame && !signal.aborted) frame = requestAnimationFrame(render);
  }

  /** The lists show something of the stage that has changed. */
  function refreshLists() {
    listedSnapshot = null;
    schedule();
  }

  function storeChanged() {
    // At once, so that code that waits for a mask does not find the previous one; "false" is set when painted.
    if (store.snapshot().pending) root.dataset.pending = "true";
    schedule();
  }

  /** From the plane shown to the last one; from the first one if that is shown. */
  function play() {
    const { stack, requestedPlane } = store.snapshot();
    if (!stack) return;
    cancel();
    const from = requestedPlane < stack.count - 1 ? requestedPlane : -1;
    playback.start(from, { stop: stack.count, side: stage.longerSide() });
    commands.set({ playing: Math.max(from, 0) });
  }

  function stopPlaying() {
    const plane = playback.stop();
    if (plane === null) return;
    ui.playing = null;
    store.showPlane(Math.max(plane, 0));
    schedule();
  }

  /** @param {number} time */
  function goOnPlaying(time) {
    if (!playback.isPlaying()) return;
    const plane = playback.tick(time);
    if (plane === null) return stopPlaying();
    if (ui.playing !== plane && plane >= 0) {
      ui.playing = plane;
      areControlsStale = true;
    }
    scheduleFrame();
  }

  /** Cancel what is being drawn: it is for the previous plane. @param {number} next */
  function leavePlane(next) {
    plane = next;
    cancel();
    Object.assign(ui, { grabbed: null, candidate: null, proposal: null, drawsRegion: false });
  }

  /** @returns {boolean} whether something open was closed */
  function closeTopmost() {
    if (ui.open === null) return fullScreen.leave();
    close();
    return true;
  }

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{ mask: import("../pixels/mask.js").Mask | null, color: string, bounds?: import("../pixels/geometry.js").Corners | null }} object
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
    goOnPlaying(time);
    const snapshot = store.snapshot();
    if (plane !== snapshot.plane) leavePlane(snapshot.plane);
    if (ui.hovered !== null && !snapshot.rows.some(({ id }) => id === ui.hovered))
      ui.hovered = null;
    const { height } = snapshot.options;
    room.style.height = height > 0 ? `${height}px` : "";
    const animating = stage.paint(snapshot, time);
    if ((!snapshot.pending || snapshot.isSpeculative) && stage.isExact())
      store.timings.recordPainted(snapshot.isSpeculative);
    // The user waits for marks and masks: everything else follows in the next frame.
    if (isNewOnStage(snapshot)) scheduleFrame();
    else updateSurroundings(snapshot);
    stagedSnapshot = snapshot;
    if (animating) scheduleFrame();
  }

  /** @param {import("../state/snapshot.js").Snapshot} snapshot */
  function isNewOnStage({ prompts, pending, mask }) {
    return prompts !== stagedSnapshot?.prompts || (!pending && mask !== stagedSnapshot?.mask);
  }

  /** Everything around the image. @param {import("../state/snapshot.js").Snapshot} snapshot */
  function updateSurroundings(snapshot) {
    if (areControlsStale) updateControls(snapshot);
    if (listedSnapshot !== snapshot) updateLists(snapshot);
    areControlsStale = false;
    // The automatic size of the brush depends on the zoom.
    toolbar.updateBrush(snapshot, stage.cssPixel());
    const placing = ui.crosshair && gesture.isActive();
    const byKeys = ui.crosshair || (!isPointerUsed && stage.canvas.matches(":focus"));
    status.update(snapshot, {
      broken: stage.isBroken(),
      readout: stage.readout(),
      zoom: stage.pixelZoom(),
      fits: Math.abs(stage.zoom() - 1) < 0.0005,
      preview: stage.preview(),
      placing,
      byKeys,
    });
    setDataAttributes(snapshot);
  }

  /** @param {import("../state/snapshot.js").Snapshot} snapshot */
  function updateControls(snapshot) {
    displayState.negative = ui.negative;
    toolbar.update(snapshot, ui);
    popovers.update(ui.open);
    proposals.update(snapshot);
    if (ui.open === "settings") settings.update(snapshot, store.timings.last());
    if (ui.open === "files") files.update(snapshot);
    timeline.update(snapshot, ui);
    resizer.update();
    announcer.update(snapshot, ui);
  }

  /** @param {import("../state/snapshot.js").Snapshot} snapshot */
  function updateLists(snapshot) {
    listedSnapshot = snapshot;
    objects.update(snapshot);
    candidates.update(snapshot);
  }

  /** Data attributes for style sheets and tests. @param {import("../state/snapshot.js").Snapshot} snapshot */
  function setDataAttributes({
    status: { phase },
    rows,
    pending,
    connection,
    options,
    candidates: offered,
    plane: at,
    requestedPlane,
    isSet,
    isDisconnected,
  }) {
    const lacksObjects = !isDisconnected && !store.hasAllObjects();
    setAttribute(root, "data-phase", phase);
    setAttribute(root, "data-ready", phase === "ready");
    setAttribute(root, "data-objects", rows.length);
    setAttribute(root, "data-pending", pending || lacksObjects || !stage.isExact());
    setAttribute(root, "data-moving", stage.isMoving());
    setAttribute(root, "data-connection", connection);
    setAttribute(root, "data-polarity", ui.negative ? "negative" : "positive");
    setAttribute(root, "data-tool", options.tool);
    setAttribute(root, "data-masks", ui.hideMasks ? "hidden" : "shown");
    setAttribute(root, "data-preview", options.hoverPreview ? "on" : "off");
    setAttribute(root, "data-zoom", stage.zoom().toFixed(3));
    setAttribute(root, "data-set", isSet ? "" : null);
    setAttribute(root, "data-plane", at);
    setAttribute(root, "data-plane-pending", requestedPlane !== at);
    setAttribute(root, "data-playing", ui.playing !== null);
    setAttribute(root, "data-candidates", offered?.length ?? 0);
  }
}

/** Keys that are used instead of a pointer; others are used beside it. */
const NAVIGATION = new Set(["Tab", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"]);

/** @param {KeyboardEvent} event */
const isNavigation = ({ key }) => NAVIGATION.has(key);

/**
 * Report the available room for the image, which the style sheet determines.
 *
 * @param {HTMLElement} ruler
 * @param {(size: import("../pixels/geometry.js").Size) => void} report
 * @param {AbortSignal} signal
 */
function observeRoom(ruler, report, signal) {
  const observer = new ResizeObserver(([{ contentRect }]) => report(contentRect));
  observer.observe(ruler);
  signal.addEventListener("abort", () => observer.disconnect());
}
