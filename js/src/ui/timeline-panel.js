/**
 * The timeline of a stack, below the image: the playhead, a lane for each object, and what can be done
 * with them. Hidden for a plain image.
 *
 * @typedef {import("../state/snapshot.js").Snapshot} Snapshot
 * @typedef {import("../state/timeline.js").PlaneState} PlaneState
 * @typedef {import("../state/timeline.js").Tracking} Tracking
 * @typedef {import("./lanes.js").Place} Place
 */
import { commandButton, iconButton, listenToButtons } from "./button.js";
import { describe, separator } from "./labeled-button.js";
import { enabledCommands } from "../input/commands.js";
import { element, setAttribute, setEnabled, setText } from "../dom/elements.js";
import { isIn, stateOn } from "../state/timeline.js";
import { icon } from "./icons.js";
import { createLanes } from "./lanes.js";
import { createLegend } from "./legend.js";
import * as texts from "./texts.js";

const words = texts.timeline;

/** More dots could not be distinguished. */
const MAX_DOTS = 400;

/** @param {import("../input/commands.js").CommandName} name @param {(Node | string)[]} children */
const textButton = (name, ...children) => {
  const button = commandButton(name, ...children);
  button.classList.add("sam2-text-button");
  return button;
};

/** Text that a narrow widget leaves out. @param {string} text */
const narrowed = (text) => element("span", { class: "sam2-wide-only" }, text);

function createButtons() {
  return {
    previousPlane: iconButton("previousPlane"),
    play: commandButton("play", icon("play"), icon("pause")),
    nextPlane: iconButton("nextPlane"),
    previousKeyframe: commandButton("previousKeyframe", icon("previousPlane"), icon("keyframe")),
    nextKeyframe: commandButton("nextKeyframe", icon("keyframe"), icon("nextPlane")),
    nextDoubtful: commandButton("nextDoubtful", icon("doubtful"), icon("nextPlane")),
    absent: iconButton("absent"),
    markIn: iconButton("markIn"),
    markOut: iconButton("markOut"),
    track: textButton("track", icon("track"), words.trackText),
    trackAll: textButton("trackAll", words.trackAllText),
    cancelTrack: textButton("cancelTrack", icon("cancelTrack"), narrowed(words.cancelText)),
  };
}

/**
 * @param {{ commands: import("../input/commands.js").Commands, focusStage: () => void, signal: AbortSignal }} options
 */
export function createTimelinePanel({ commands, focusStage, signal }) {
  const buttons = createButtons();
  const group = (/** @type {Node[]} */ ...children) =>
    element("span", { class: "sam2-group" }, ...children);
  const controls = element(
    "div",
    { class: "sam2-timeline-controls" },
    group(buttons.previousPlane, buttons.play, buttons.nextPlane),
    group(
      separator(),
      buttons.previousKeyframe,
      buttons.nextKeyframe,
      buttons.nextDoubtful,
      buttons.absent,
    ),
    group(separator(), buttons.markIn, buttons.markOut),
    element("span", { class: "sam2-space" }),
    group(buttons.track, buttons.trackAll),
  );
  const slider = element("input", {
    type: "range",
    class: "sam2-slider sam2-playhead",
    min: 0,
    step: 1,
    "data-option": "plane",
    "aria-label": texts.planes.title,
  });
  const dots = element("span", { class: "sam2-plane-dots", "aria-hidden": "true" });
  const marked = element("span", { class: "sam2-marked", "aria-hidden": "true", hidden: true });
  const place = element("output", { class: "sam2-figure sam2-plane-place" });
  const track = element("span", { class: "sam2-plane-track" }, marked, dots, slider);
  const lanes = createLanes({
    select: commands.selectLane,
    seek,
    pointed,
    focusStage,
    signal,
  });
  const line = element("span", { class: "sam2-playhead-line", "aria-hidden": "true" });
  const body = element(
    "div",
    { class: "sam2-timeline-body" },
    place,
    track,
    lanes.node,
    element("span", { class: "sam2-line-room", "aria-hidden": "true" }, line),
  );
  const legend = createLegend();
  const reading = element("span", { class: "sam2-reading" });
  const fill = element("div", { class: "sam2-progress-fill" });
  const bar = element(
    "div",
    {
      class: "sam2-progress",
      role: "progressbar",
      "aria-label": words.started,
      "aria-valuemin": 0,
      "data-kind": "none",
    },
    fill,
  );
  const figures = element("span", { class: "sam2-figure sam2-track-progress" });
  const foot = element(
    "div",
    { class: "sam2-timeline-foot" },
    bar,
    element("span", { class: "sam2-foot-text" }, reading, legend.node),
    element("span", { class: "sam2-group sam2-track-state" }, figures, buttons.cancelTrack),
  );
  const node = element(
    "div",
    { class: "sam2-planes", role: "group", "aria-label": words.title, hidden: true },
    controls,
    body,
    foot,
  );
  /** @type {Snapshot | null} */
  let snapshot = null;
  /** @type {Place} */
  let pointedPlace = null;
  let shownDots = "";
  slider.addEventListener("input", () => seek(slider.valueAsNumber), { signal });
  listenToButtons(node, commands, focusStage, signal);
  observeScrollbar(lanes.node, body, signal);

  /** @param {number} plane */
  function seek(plane) {
    if (plane !== snapshot?.requestedPlane || isPlaying) commands.showPlane(plane);
  }
  let isPlaying = false;

  /** @param {Place} next */
  function pointed(next) {
    if (next?.lane === pointedPlace?.lane && next?.plane === pointedPlace?.plane) return;
    pointedPlace = next;
    updateReading();
  }

  function updateReading() {
    const { stack } = snapshot ?? {};
    const text =
      pointedPlace && stack
        ? words.reading(
            texts.planes.place(stack.axis, pointedPlace.plane, stack.count),
            pointedPlace.lane,
            stateOn(pointedPlace.lane, pointedPlace.plane),
          )
        : messageOf(snapshot);
    setText(reading, text);
    legend.node.hidden = text !== "";
  }

  /** @param {{ annotated: readonly number[], count: number }} stack */
  function showDots({ annotated, count }) {
    const key = `${count}/${annotated.join()}`;
    if (key === shownDots) return;
    shownDots = key;
    const shown = annotated.slice(0, MAX_DOTS).map((at) => {
      const dot = element("span");
      dot.style.setProperty("--sam2-at", String(at));
      return dot;
    });
    dots.replaceChildren(...shown);
  }

  /** @param {Snapshot} next @param {number} plane @param {number} count */
  function updatePlayhead({ stack, lanes: all, active }, plane, count) {
    body.style.setProperty("--sam2-count", String(count));
    body.style.setProperty("--sam2-plane", String(plane));
    setAttribute(slider, "max", count - 1);
    if (slider.valueAsNumber !== plane) slider.value = String(plane);
    const axis = stack?.axis ?? "";
    const own = all.find(({ number }) => number === active?.number);
    const state = own ? stateOn(own, plane) : null;
    setAttribute(slider, "aria-valuetext", words.playhead(axis, plane, count, state));
    setText(place, texts.planes.place(axis, plane, count));
    setAttribute(place, "data-tip", texts.planes.hint(plane));
  }

  /** @param {Tracking | null} tracking @param {number} count */
  function updateMarks(tracking, count) {
    const marks = tracking?.marks ?? null;
    marked.hidden = marks === null;
    const [start, stop] = marks ?? [0, count];
    marked.style.setProperty("--sam2-start", String(start / count));
    marked.style.setProperty("--sam2-stop", String(stop / count));
    setAttribute(node, "data-marks", marks ? marks.join() : "");
    setAttribute(buttons.markIn, "aria-pressed", start > 0);
    setAttribute(buttons.markOut, "aria-pressed", stop < count);
  }

  /** @param {Tracking | null} tracking */
  function updateProgress(tracking) {
    const isRunning = tracking?.running === true;
    const share = isRunning && tracking.total ? tracking.done / tracking.total : 0;
    setAttribute(bar, "data-kind", isRunning ? "share" : "none");
    setAttribute(bar, "aria-valuenow", Math.round(share * 100));
    setAttribute(bar, "aria-valuemax", 100);
    fill.style.width = `${share * 100}%`;
    setText(figures, isRunning ? words.progress(tracking) : "");
    buttons.cancelTrack.hidden = !isRunning;
    setAttribute(node, "data-tracking", isRunning ? "running" : "idle");
    setAttribute(node, "data-done", tracking ? `${tracking.done}/${tracking.total}` : "");
    setAttribute(node, "data-busy", isRunning ? "" : null);
  }

  /** @param {Snapshot} next */
  function updateAbsent({ lanes: all, active, plane }) {
    const own = all.find(({ number }) => number === active?.number);
    setAttribute(buttons.absent, "aria-pressed", own !== undefined && isIn(own.absent, plane));
  }

  /** @param {Snapshot} next @param {{ playing: number | null }} ui */
  function update(next, { playing }) {
    snapshot = next;
    isPlaying = playing !== null;
    const { stack, tracking, active } = next;
    node.hidden = stack === null;
    if (!stack) return;
    const enabled = enabledCommands(next);
    for (const [name, button] of Object.entries(buttons))
      setEnabled(button, enabled[/** @type {keyof typeof buttons} */ (name)]);
    setAttribute(buttons.play, "aria-pressed", isPlaying);
    describe(buttons.play, {
      ...texts.buttons.play,
      ...(isPlaying && { label: words.pause, hint: "" }),
    });
    const reason = tracking?.unavailable;
    for (const name of /** @type {const} */ (["track", "trackAll"]))
      describe(buttons[name], { ...texts.buttons[name], ...(reason && { hint: reason }) });
    updatePlayhead(next, playing ?? next.requestedPlane, stack.count);
    updateMarks(tracking, stack.count);
    updateAbsent(next);
    updateProgress(tracking);
    showDots(stack);
    lanes.update({
      lanes: next.lanes,
      count: stack.count,
      marks: tracking?.marks ?? null,
      active: active?.number ?? null,
    });
    legend.update(next.lanes);
    updateReading();
  }

  return { node, update, repaint: lanes.repaint };
}

/** Text that is shown instead of the legend. @param {Snapshot | null} snapshot */
function messageOf(snapshot) {
  if (!snapshot) return "";
  const { tracking, lanes } = snapshot;
  if (tracking?.error) return words.ended(tracking);
  if (!lanes.length) return tracking?.unavailable || words.none;
  return lanes.some(({ runs, absent }) => runs.length + absent.length)
    ? ""
    : tracking?.unavailable || words.untracked;
}

/** The ruler is as wide as the lanes beside their scrollbar. @param {HTMLElement} scroller @param {HTMLElement} body @param {AbortSignal} signal */
function observeScrollbar(scroller, body, signal) {
  const observer = new ResizeObserver(() =>
    body.style.setProperty("--sam2-scrollbar", `${scroller.offsetWidth - scroller.clientWidth}px`),
  );
  observer.observe(scroller);
  observer.observe(/** @type {Element} */ (scroller.firstElementChild));
  signal.addEventListener("abort", () => observer.disconnect());
}
