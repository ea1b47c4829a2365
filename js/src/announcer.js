/**
 * What a screen reader says of things that one else only sees: a new mask, another object, a
 * tool. The status line says the rest.
 *
 * @typedef {import("./store.js").Snapshot} Snapshot
 * @typedef {import("./wire.js").SegmentedObject} SegmentedObject
 *
 * @typedef {object} Heard what the last announcement was about
 * @property {number | null} active
 * @property {number} count
 * @property {unknown} mask
 * @property {number} choice
 * @property {number} plane
 * @property {string} tool
 * @property {boolean} negative
 * @property {number} brushSize
 */
import { element, setText } from "./dom.js";
import * as texts from "./texts.js";

const words = texts.announce;

/** Keys come fast; only where the crosshair rests is worth a word. */
const REST = 500;

/** @param {Snapshot} snapshot @param {{ negative: boolean }} ui @returns {Heard} */
export const heardFrom = ({ active, rows, mask, choice, options, plane }, { negative }) => ({
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
 * @param {Heard} before
 * @param {Heard} now
 * @param {Snapshot} snapshot settled
 * @param {number | null} area of the mask in image pixels
 * @returns {string}
 */
export function announcementOf(before, now, snapshot, area) {
  const { active, rows, candidates, stack } = snapshot;
  // All else is another plane's, too, and no news of this one.
  if (stack && before.plane !== now.plane) return words.plane(texts.planes.spoken(stack.axis, now.plane, stack.count), now.count);
  const said = [];
  if (before.tool !== now.tool) said.push(words.tool(texts.tools[snapshot.options.tool].label));
  else if (before.brushSize !== now.brushSize) said.push(words.brush(now.brushSize));
  if (before.negative !== now.negative) said.push(words.polarity(now.negative));
  if (now.count < before.count) said.push(words.deleted(now.count));
  else if (before.active !== null && now.active === null) said.push(words.finished(now.count));
  // The first mask of a new object is announced as such; going back to an older one is news.
  if (active && before.active !== now.active && now.count <= before.count) {
    said.push(words.editing(rows.findIndex(({ id }) => id === active.id) + 1, rows.length, active.label));
  }
  if (active && (before.mask !== now.mask || before.active !== now.active)) {
    said.push(active.empty ? words.empty : words.mask(area, active.score));
    if (candidates) said.push(before.choice < 0 || now.choice < 0 ? words.candidates(candidates.length) : words.candidate(now.choice + 1, candidates.length, candidates[now.choice]?.score ?? null));
  }
  return said.join(". ");
}

/**
 * @param {{ areaOf: (object: SegmentedObject) => number | null, signal: AbortSignal }} options
 */
export function createAnnouncer({ areaOf, signal }) {
  const node = element("div", { class: "sam2-spoken", "aria-live": "polite", "aria-atomic": "true" });
  /** @type {Heard | null} */
  let heard = null;
  /** @type {import("./geometry.js").Position | null} */
  let crosshair = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let resting;
  signal.addEventListener("abort", () => clearTimeout(resting));

  /** @param {Snapshot} snapshot @param {import("./commands.js").ViewState} ui */
  function update(snapshot, ui) {
    const now = heardFrom(snapshot, ui);
    heard ??= now;
    followCrosshair(snapshot, ui);
    if (snapshot.pending || same(heard, now)) return;
    const area = snapshot.active?.mask ? areaOf(snapshot.active) : null;
    // Its size is being counted: the next frame knows it.
    if (snapshot.active?.mask && area === null) return;
    const text = announcementOf(heard, now, snapshot, area);
    heard = now;
    if (!text) return;
    clearTimeout(resting);
    setText(node, text);
  }

  /** @param {Snapshot} snapshot @param {import("./commands.js").ViewState} ui */
  function followCrosshair({ notice }, { crosshair: on, cursor }) {
    const at = on ? cursor : null;
    if (at?.x === crosshair?.x && at?.y === crosshair?.y) return;
    crosshair = at;
    clearTimeout(resting);
    if (at && !notice) resting = setTimeout(() => setText(node, words.crosshair(at.x, at.y, "")), REST);
  }

  return { node, update };
}

/** @param {Heard} a @param {Heard} b */
const same = (a, b) => /** @type {(keyof Heard)[]} */ (Object.keys(a)).every((key) => a[key] === b[key]);
