/**
 * The lanes of the timeline: a button and a painted strip for each object. Only lanes in view have
 * elements and are painted.
 *
 * @typedef {import("../state/timeline.js").Lane} Lane
 * @typedef {import("../state/timeline.js").PlaneRange} PlaneRange
 * @typedef {{ lanes: readonly Lane[], count: number, marks: PlaneRange | null, active: number | null }} Shown
 *   count: of all planes; active: number of the object being worked on
 * @typedef {{ lane: Lane, plane: number } | null} Place what is under the pointer
 */
import { element, focusedIn, setAttribute, setText } from "../dom/elements.js";
import { observeDevicePixels } from "../dom/device-pixels.js";
import { planeToX, xToPlane } from "../state/lane-runs.js";
import { countStates } from "../state/timeline.js";
import { describe } from "./labeled-button.js";
import { paintLane } from "./lane-painter.js";
import * as texts from "./texts.js";

/** CSS pixels; as in the style sheet. */
const LANE_HEIGHT = 26;
const TOUCH_LANE_HEIGHT = 44;
const STRIP_HEIGHT = 14;
/** Beside the strips, for half a tick. */
const MARGIN = 6;

/** Lanes that are seen without scrolling. */
const LEAST = 2;
const MOST = 6;

/**
 * @param {{ select: (number: number) => void, seek: (plane: number) => void, pointed: (place: Place) => void, focusStage: () => void, signal: AbortSignal }} options
 *   `seek`: show a plane; `pointed`: something else is under the pointer
 */
export function createLanes({ select, seek, pointed, focusStage, signal }) {
  const laneHeight = matchMedia("(pointer: coarse)").matches ? TOUCH_LANE_HEIGHT : LANE_HEIGHT;
  const list = element("ul", { class: "sam2-lane-list", "aria-label": texts.timeline.lanes });
  const canvas = element("canvas", { class: "sam2-lane-canvas", "aria-hidden": "true" });
  const scroller = element("div", { class: "sam2-lanes" }, list, canvas);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  /** @type {Map<number, HTMLElement>} */
  const rows = new Map();
  /** What each row shows. @type {WeakMap<HTMLElement, string>} */
  const rowKeys = new WeakMap();
  /** @type {WeakMap<HTMLElement, Lane>} */
  const rowLanes = new WeakMap();
  /** @type {Shown} */
  let shown = { lanes: [], count: 1, marks: null, active: null };
  /** The lane whose button Tab reaches. @type {number | null} */
  let tabStop = null;
  let painted = "";
  /** @type {readonly Lane[]} */
  let paintedLanes = [];
  /** @type {number | null} */
  let pressed = null;

  scroller.addEventListener("scroll", render, { signal });
  observeDevicePixels(
    canvas,
    ({ width, height }) => {
      if (!width || !height) return;
      canvas.width = width;
      canvas.height = height;
      repaint();
    },
    signal,
  );
  canvas.addEventListener("contextrestored", repaint, { signal });

  function repaint() {
    painted = "";
    render();
  }

  const placeOf = (/** @type {number} */ number) =>
    shown.lanes.findIndex((lane) => lane.number === number);

  /** Positions of the lanes in view. */
  function range() {
    const first = Math.floor(scroller.scrollTop / laneHeight);
    const last = Math.ceil((scroller.scrollTop + scroller.clientHeight) / laneHeight);
    return { first, last: Math.min(Math.max(last, first + MOST), shown.lanes.length) };
  }

  function render() {
    const { first, last } = range();
    renderRows(first, last);
    paint(first, last);
  }

  /** @param {number} first @param {number} last */
  function renderRows(first, last) {
    const wanted = new Set(shown.lanes.slice(first, last).map(({ number }) => number));
    // Without the focused one the notebook would get the next key.
    if (tabStop !== null && placeOf(tabStop) >= 0) wanted.add(tabStop);
    for (const [number, row] of rows) {
      if (wanted.has(number)) continue;
      if (row.contains(focusedIn(row))) focusStage();
      row.remove();
      rows.delete(number);
    }
    for (const number of wanted) updateRow(number);
  }

  /** @param {number} number */
  function updateRow(number) {
    const at = placeOf(number);
    const lane = shown.lanes[at];
    const row = rows.get(number) ?? newRow(number, at);
    const isActive = number === shown.active;
    const key = [at, shown.lanes.length, isActive, number === tabStop].join();
    // Scrolling changes nothing, and a lane may have thousands of stretches.
    if (rowKeys.get(row) === key && rowLanes.get(row) === lane) return;
    rowKeys.set(row, key);
    rowLanes.set(row, lane);
    row.style.transform = `translateY(${at * laneHeight}px)`;
    row.style.setProperty("--sam2-color", lane.color);
    setAttribute(row, "aria-current", isActive ? "true" : null);
    setAttribute(row, "data-hidden", lane.visible ? null : "");
    setAttribute(row, "aria-posinset", at + 1);
    setAttribute(row, "aria-setsize", shown.lanes.length);
    const button = /** @type {HTMLElement} */ (row.firstElementChild);
    setText(/** @type {Element} */ (button.lastElementChild), texts.timeline.short(lane));
    describe(button, { label: texts.timeline.lane(lane, countStates(lane), isActive) });
    setAttribute(button, "tabindex", number === tabStop ? 0 : -1);
    setAttribute(row, "data-runs", lane.runs.map((run) => run.join(":")).join(" "));
    setAttribute(row, "data-keyframes", lane.keyframes.map((one) => one.join(":")).join(" "));
  }

  /** @param {number} number @param {number} at */
  function newRow(number, at) {
    const button = element(
      "button",
      { type: "button", class: "sam2-lane-name" },
      element("span", { class: "sam2-lane-dot", "aria-hidden": "true" }),
      element("span", { class: "sam2-lane-text", dir: "auto" }),
    );
    const row = element("li", { class: "sam2-lane", "data-lane": number }, button);
    rows.set(number, row);
    const before = [...rows.entries()].find(([other]) => placeOf(other) > at);
    list.insertBefore(row, before?.[1] ?? null);
    return row;
  }

  /** @param {number} first @param {number} last */
  function paint(first, last) {
    const { width, height } = canvas;
    // Out of sight, in a cell that JupyterLab does not lay out: painted when it is seen.
    if (!canvas.clientHeight) return;
    const { lanes, count, marks, active } = shown;
    const key = [width, height, scroller.scrollTop, count, marks, active].join();
    if (key === painted && lanes === paintedLanes) return;
    [painted, paintedLanes] = [key, lanes];
    const ratio = height / canvas.clientHeight;
    const style = getComputedStyle(scroller);
    const margin = Math.round(MARGIN * ratio);
    const strips = width - 2 * margin;
    const brush = {
      context,
      ratio,
      ink: style.color,
      ground: style.getPropertyValue("--sam2-lane-ground"),
      alpha: 1,
    };
    context.resetTransform();
    context.clearRect(0, 0, width, height);
    context.translate(margin, 0);
    const strip = Math.round(STRIP_HEIGHT * ratio);
    for (let at = first; at < last; at++) {
      const middle = (at * laneHeight + laneHeight / 2 - scroller.scrollTop) * ratio;
      const top = Math.round(middle - strip / 2);
      paintGround(style, { top, height: strip, width: strips });
      paintLane(brush, lanes[at], { top, height: strip, width: strips }, count);
    }
    if (marks) paintOutside(style, marks, { strips, margin });
  }

  /** @param {CSSStyleDeclaration} style @param {import("./lane-painter.js").Strip} strip */
  function paintGround({ color }, { top, height, width }) {
    context.save();
    context.globalAlpha = 0.06;
    context.fillStyle = color;
    context.beginPath();
    context.roundRect(0, top, width, height, 3);
    context.fill();
    context.restore();
  }

  /** What is not tracked by default is faint. @param {CSSStyleDeclaration} style @param {PlaneRange} marks @param {{ strips: number, margin: number }} widths */
  function paintOutside(style, [start, stop], { strips, margin }) {
    const { height } = canvas;
    const [low, high] = [start, stop].map((at) => Math.round(planeToX(at, shown.count, strips)));
    context.save();
    context.globalAlpha = 0.6;
    context.fillStyle = style.getPropertyValue("--sam2-lane-ground");
    if (start > 0) context.fillRect(-margin, 0, low + margin, height);
    if (stop < shown.count) context.fillRect(high, 0, strips + margin - high, height);
    context.restore();
  }

  /** @param {PointerEvent} event @returns {number} */
  const planeAt = ({ clientX }) => {
    const { left, width } = canvas.getBoundingClientRect();
    const margin = (MARGIN * width) / canvas.clientWidth;
    return xToPlane(clientX - left - margin, shown.count, width - 2 * margin);
  };

  /** @param {PointerEvent} event @returns {Place} */
  function placeAt(event) {
    const box = canvas.getBoundingClientRect();
    const scale = box.height / Math.max(canvas.clientHeight, 1);
    const y = (event.clientY - box.top) / scale + scroller.scrollTop;
    const lane = shown.lanes[Math.floor(y / laneHeight)];
    return lane ? { lane, plane: planeAt(event) } : null;
  }

  canvas.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button !== 0) return;
      pressed = event.pointerId;
      canvas.setPointerCapture(event.pointerId);
      seek(planeAt(event));
    },
    { signal },
  );
  canvas.addEventListener(
    "pointermove",
    (event) => {
      if (event.pointerId === pressed) seek(planeAt(event));
      pointed(placeAt(event));
    },
    { signal },
  );
  canvas.addEventListener("pointerleave", () => pointed(null), { signal });
  for (const type of ["pointerup", "pointercancel"])
    canvas.addEventListener(type, () => void (pressed = null), { signal });

  /** @param {Event} event @returns {number | null} */
  function numberOf(event) {
    const row = /** @type {Element} */ (event.target).closest(".sam2-lane");
    return row instanceof HTMLElement ? Number(row.dataset.lane) : null;
  }

  list.addEventListener(
    "click",
    (event) => {
      const number = numberOf(event);
      if (number === null) return;
      select(number);
      if (event.detail > 0) focusStage();
    },
    { signal },
  );
  list.addEventListener(
    "focusin",
    (event) => {
      tabStop = numberOf(event) ?? tabStop;
      for (const number of rows.keys()) updateRow(number);
    },
    { signal },
  );
  list.addEventListener(
    "keydown",
    (event) => {
      const number = numberOf(event);
      const to = number === null ? null : targetOf(event.key, placeOf(number));
      if (to === null || !(to in shown.lanes)) return;
      event.preventDefault();
      event.stopPropagation();
      goTo(to);
    },
    { signal },
  );

  /** @param {string} key @param {number} at @returns {number | null} */
  function targetOf(key, at) {
    if (key === "ArrowUp") return at - 1;
    if (key === "ArrowDown") return at + 1;
    if (key === "Home") return 0;
    return key === "End" ? shown.lanes.length - 1 : null;
  }

  /** @param {number} at position */
  function goTo(at) {
    tabStop = shown.lanes[at].number;
    reveal(at);
    render();
    const button = rows.get(tabStop)?.firstElementChild;
    if (button instanceof HTMLElement) button.focus({ preventScroll: true });
  }

  /** @param {number} at position */
  function reveal(at) {
    const [top, bottom] = [at * laneHeight, (at + 1) * laneHeight];
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (bottom > scroller.scrollTop + scroller.clientHeight)
      scroller.scrollTop = bottom - scroller.clientHeight;
  }

  /** @param {Shown} next */
  function update(next) {
    const before = shown;
    const names = /** @type {(keyof Shown)[]} */ (Object.keys(next));
    if (names.every((name) => before[name] === next[name])) return;
    shown = next;
    const { lanes, active } = next;
    if (tabStop === null || placeOf(tabStop) < 0) tabStop = active ?? lanes[0]?.number ?? null;
    const visible = Math.min(Math.max(lanes.length, LEAST), MOST);
    scroller.style.height = `${visible * laneHeight}px`;
    canvas.style.height = `${visible * laneHeight}px`;
    list.style.height = `${lanes.length * laneHeight}px`;
    if (active !== null && active !== before.active && placeOf(active) >= 0)
      reveal(placeOf(active));
    render();
  }

  return { node: scroller, update, repaint };
}
