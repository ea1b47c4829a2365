/**
 * Which masks are drawn, how, and in what order.
 *
 * @typedef {import("../state/snapshot.js").Snapshot} Snapshot
 * @typedef {import("../state/view-state.js").ViewState} ViewState
 * @typedef {import("./layers.js").Overlay} Overlay
 * @typedef {import("./layers.js").Frame} Frame
 * @typedef {import("./layers.js").Sheet} Sheet
 * @typedef {import("../pixels/mask.js").Mask} Mask
 * @typedef {import("../state/view-state.js").StrokeDraft} StrokeDraft
 * @typedef {import("../state/annotation.js").SegmentedObject} SegmentedObject
 */
import { createMaskLayer } from "./mask-layer.js";
import { NO_MASK } from "../pixels/mask.js";
import { strokeBounds } from "../pixels/strokes.js";

/** Ids for overlays that are no object of the kernel. */
const NEXT = -1;
const PREVIEW = -2;

/** The mask with the stroke that is being drawn: only what was added since is painted again. */
export function createDraftMask() {
  /** @type {{ base: Mask, points: readonly number[], count: number, mask: Mask } | null} */
  let last = null;

  /**
   * @param {Mask | null} under
   * @param {StrokeDraft | null} draft
   * @returns {{ mask: Mask, change?: Overlay["change"] } | null}
   */
  return function draftMask(under, draft) {
    if (!draft) {
      last = null;
      return under && { mask: under };
    }
    const base = under ?? NO_MASK;
    const { points, radius, label } = draft;
    const before = last?.base === base && last.points === points ? last : null;
    if (before?.count === points.length) return { mask: before.mask };
    const mask = {
      base: base.base,
      strokes: [...base.strokes, { points: Float64Array.from(points), radius, label }],
    };
    last = { base, points, count: points.length, mask };
    const since = before ? before.mask : base;
    // The segment from the last vertex there was.
    const added = Float64Array.from(points.slice(before ? Math.max(before.count - 2, 0) : 0));
    return { mask, change: { since, box: strokeBounds({ points: added, radius, label }) } };
  };
}

/**
 * @param {readonly SegmentedObject[]} objects
 * @param {number | null} hovered
 * @param {boolean} cut
 * @returns {Overlay[]}
 */
function finishedOverlays(objects, hovered, cut) {
  return objects.flatMap(({ id, mask, color, visible }) =>
    mask && (visible || cut)
      ? [{ id, mask, color, look: cut && id === hovered ? "active" : "finished", shown: visible }]
      : [],
  );
}

/** Ids for the objects of a frame that is played: none has another use for them. */
const PLAYED = -10;

/** @type {WeakMap<import("./playback.js").PlayedFrame, Snapshot>} */
const playedSnapshots = new WeakMap();

/** The snapshot with the objects of a frame that is played. @param {Snapshot} snapshot @param {import("./playback.js").PlayedFrame} frame @returns {Snapshot} */
export function withPlayed(snapshot, frame) {
  const known = playedSnapshots.get(frame);
  if (known) return known;
  const finished = frame.objects.map(({ number, color, mask }, at) => ({
    ...NO_OBJECT,
    id: number === null ? PLAYED - at : number,
    color,
    mask,
  }));
  const played = {
    ...snapshot,
    finished,
    rows: finished,
    active: null,
    target: null,
    mask: null,
    nextMask: null,
    candidates: null,
  };
  playedSnapshots.set(frame, played);
  return played;
}

/** @type {Readonly<Omit<SegmentedObject, "id" | "color" | "mask">>} */
const NO_OBJECT = Object.freeze({
  index: 0,
  label: null,
  score: null,
  number: null,
  crowd: false,
  visible: true,
  locked: false,
  tracked: true,
  prompts: [],
  ownColor: null,
});

export function createOverlays() {
  const stack = createMaskLayer();
  const highlight = createMaskLayer();
  const work = createMaskLayer();
  const preview = createMaskLayer();
  const draftMask = createDraftMask();
  /** @type {{ objects: readonly SegmentedObject[], hovered: number | null, cut: boolean, overlays: Overlay[] } | null} */
  let cached = null;

  /** @param {readonly SegmentedObject[]} objects @param {number | null} hovered @param {boolean} cut */
  function cachedFinishedOverlays(objects, hovered, cut) {
    if (cached?.objects !== objects || cached.hovered !== hovered || cached.cut !== cut) {
      cached = { objects, hovered, cut, overlays: finishedOverlays(objects, hovered, cut) };
    }
    return cached.overlays;
  }

  /**
   * The object being edited, and one that the kernel has not acknowledged yet.
   *
   * @param {Snapshot} snapshot
   * @param {ViewState} ui
   * @returns {Overlay[]}
   */
  function workOverlays({ active, mask, nextMask, nextColor, target }, ui) {
    const draft = ui.draft?.kind === "stroke" ? ui.draft : null;
    const own = draftMask(target === null ? nextMask : mask, draft);
    const [current, next] = target === null ? [mask && { mask }, own] : [own, null];
    /** @type {Overlay[]} */
    const overlays = [];
    if (active && current)
      overlays.push({
        id: active.id,
        color: active.color,
        look: "active",
        shown: active.visible,
        ...current,
      });
    if (next) overlays.push({ id: NEXT, color: nextColor, look: "active", shown: true, ...next });
    return overlays;
  }

  /**
   * @param {Snapshot} snapshot
   * @param {ViewState} ui
   * @param {{ mask: Mask } | null} hovered what a click would give
   * @returns {Overlay[]}
   */
  function previewOverlays({ candidates, active, nextColor }, ui, hovered) {
    const candidate = ui.candidate === null ? null : candidates?.[ui.candidate];
    const mask = candidate?.mask ?? (ui.draft && ui.draft.kind !== "point" ? null : hovered?.mask);
    return mask
      ? [{ id: PREVIEW, mask, color: active?.color ?? nextColor, look: "preview", shown: true }]
      : [];
  }

  /** @param {Overlay[]} finished @param {Overlay[]} working @param {Snapshot} snapshot @returns {Overlay[]} in the order of the list */
  function inOrder(finished, working, { rows }) {
    const places = new Map(rows.map(({ id }, at) => [id, at]));
    const place = (/** @type {Overlay} */ { id }) => places.get(id) ?? Infinity;
    return [...finished, ...working].sort((a, b) => place(a) - place(b));
  }

  /**
   * @param {Snapshot} snapshot
   * @param {ViewState} ui
   * @param {Frame} frame
   * @param {{ mask: Mask } | null} hovered what a click would give
   * @returns {Sheet[]} from bottom to top
   */
  return function updateOverlays(snapshot, ui, frame, hovered) {
    const plain = { ...frame, cut: false };
    const finished = cachedFinishedOverlays(
      snapshot.finished,
      frame.cut ? ui.hovered : null,
      frame.cut,
    );
    const working = workOverlays(snapshot, ui);
    const top = preview(previewOverlays(snapshot, ui, hovered), plain);
    if (frame.cut) return [stack(inOrder(finished, working, snapshot), frame), top];
    const lit = finished
      .filter(({ id }) => id === ui.hovered)
      .map((overlay) => ({ ...overlay, look: /** @type {const} */ ("active") }));
    return [
      stack(finished, frame),
      highlight(lit, plain),
      work(
        working.filter(({ shown }) => shown),
        plain,
      ),
      top,
    ];
  };
}
