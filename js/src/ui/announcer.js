/**
 * Announcements for screen readers of what can otherwise only be seen: a new mask, another object, a
 * tool. The status line is announced by itself.
 *
 * @typedef {import("../state/snapshot.js").Snapshot} Snapshot
 * @typedef {import("../state/annotation.js").SegmentedObject} SegmentedObject
 *
 * @typedef {object} Announced what the last announcement was about
 * @property {number | null} active
 * @property {number} count
 * @property {unknown} mask
 * @property {number} choice
 * @property {number} plane
 * @property {string} tool
 * @property {boolean} negative
 * @property {number} brushSize
 */
import { element, setText } from "../dom/elements.js";
import * as texts from "./texts.js";

const words = texts.announce;

/** Steps of a job that are announced. */
const STEPS = 4;

/**
 * @param {import("../state/timeline.js").Tracking | null} before
 * @param {import("../state/timeline.js").Tracking | null} now
 * @returns {string} that a job has started, how far it is, or how it ended
 */
export function trackingAnnouncementOf(before, now) {
  if (!now || !before) return "";
  if (!now.running) return before.running ? texts.timeline.ended(now) : "";
  if (!before.running) return texts.timeline.started;
  const step = (/** @type {import("../state/timeline.js").Tracking} */ { done, total }) =>
    Math.floor((STEPS * done) / Math.max(total, 1));
  const reached = step(now);
  return reached > step(before) && reached < STEPS ? texts.timeline.share(reached / STEPS) : "";
}

/** Milliseconds that the crosshair must not move before its position is announced. */
const CROSSHAIR_DELAY = 500;

/** @param {Snapshot} snapshot @param {{ negative: boolean }} ui @returns {Announced} */
export const announcedOf = ({ active, rows, mask, choice, options, plane }, { negative }) => ({
  active: active?.id ?? null,
  count: rows.length,
  mask: active?.empty ? "empty" : mask,
  choice,
  plane,
  tool: options.tool,
  negative,
  brushSize: options.brushSize,
});

/**
 * @param {Announced} before
 * @param {Announced} now
 * @param {Snapshot} snapshot with nothing pending
 * @param {number | null} area of the mask in image pixels
 * @returns {string}
 */
export function announcementOf(before, now, snapshot, area) {
  const { active, rows, candidates, stack } = snapshot;
  // On another plane everything differs, so changes are not announced.
  if (stack && before.plane !== now.plane)
    return words.plane(texts.planes.spoken(stack.axis, now.plane, stack.count), now.count);
  const parts = [];
  if (before.tool !== now.tool) parts.push(words.tool(texts.tools[snapshot.options.tool].label));
  else if (before.brushSize !== now.brushSize && now.brushSize > 0)
    parts.push(words.brush(now.brushSize));
  if (before.negative !== now.negative) parts.push(words.polarity(now.negative));
  if (now.count < before.count) parts.push(words.deleted(now.count));
  else if (before.active !== null && now.active === null) parts.push(words.finished(now.count));
  // The first mask of a new object is announced below; here an older object is edited again.
  if (active && before.active !== now.active && now.count <= before.count) {
    parts.push(
      words.editing(rows.findIndex(({ id }) => id === active.id) + 1, rows.length, active.label),
    );
  }
  if (active && (before.mask !== now.mask || before.active !== now.active)) {
    parts.push(active.empty ? words.empty : words.mask(area, active.score));
    if (candidates)
      parts.push(
        before.choice < 0 || now.choice < 0
          ? words.candidates(candidates.length, !snapshot.labels.length)
          : words.candidate(
              now.choice + 1,
              candidates.length,
              candidates[now.choice]?.score ?? null,
            ),
      );
  }
  return parts.join(". ");
}

/**
 * @param {{ areaOf: (object: SegmentedObject) => number | null, signal: AbortSignal }} options
 */
export function createAnnouncer({ areaOf, signal }) {
  const node = element("div", {
    class: "sam2-spoken",
    "aria-live": "polite",
    "aria-atomic": "true",
  });
  /** @type {Announced | null} */
  let announced = null;
  /** @type {import("../state/timeline.js").Tracking | null} */
  let tracking = null;
  /** @type {import("../pixels/geometry.js").Position | null} */
  let crosshair = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let crosshairTimer;
  signal.addEventListener("abort", () => clearTimeout(crosshairTimer));

  /** @param {Snapshot} snapshot @param {import("../state/view-state.js").ViewState} ui */
  function update(snapshot, ui) {
    const now = announcedOf(snapshot, ui);
    announced ??= now;
    // After a restart of the kernel the status line has an alert, and nothing of the job is kept.
    const news = snapshot.isDisconnected ? "" : trackingAnnouncementOf(tracking, snapshot.tracking);
    tracking = snapshot.tracking;
    if (news) setText(node, news);
    followCrosshair(snapshot, ui);
    if (snapshot.pending || isSame(announced, now)) return;
    const area = snapshot.active?.mask ? areaOf(snapshot.active) : null;
    // Its area is being counted: it is announced in a later frame.
    if (snapshot.active?.mask && area === null) return;
    const text = announcementOf(announced, now, snapshot, area);
    announced = now;
    if (!text) return;
    clearTimeout(crosshairTimer);
    setText(node, text);
  }

  /** @param {Snapshot} snapshot @param {import("../state/view-state.js").ViewState} ui */
  function followCrosshair({ notice }, { crosshair: on, cursor }) {
    const at = on ? cursor : null;
    if (at?.x === crosshair?.x && at?.y === crosshair?.y) return;
    crosshair = at;
    clearTimeout(crosshairTimer);
    if (at && !notice)
      crosshairTimer = setTimeout(
        () => setText(node, words.crosshair(at.x, at.y, "")),
        CROSSHAIR_DELAY,
      );
  }

  return { node, update };
}

/** @param {Announced} a @param {Announced} b */
const isSame = (a, b) =>
  /** @type {(keyof Announced)[]} */ (Object.keys(a)).every((key) => a[key] === b[key]);
