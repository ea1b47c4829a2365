/**
 * Which masks are drawn, how, and in what order.
 *
 * @typedef {import("./store.js").Snapshot} Snapshot
 * @typedef {import("./commands.js").ViewState} ViewState
 * @typedef {import("./layers.js").Overlay} Overlay
 * @typedef {import("./layers.js").Frame} Frame
 * @typedef {import("./layers.js").Sheet} Sheet
 * @typedef {import("./mask.js").Mask} Mask
 * @typedef {import("./pointer.js").StrokeDraft} StrokeDraft
 * @typedef {import("./wire.js").SegmentedObject} SegmentedObject
 */
import { createMaskLayer } from "./mask-layer.js";
import { NO_MASK } from "./mask.js";
import { strokeBounds } from "./strokes.js";

/** Stand-ins for the id of an object that has none. */
const NEXT = -1;
const PREVIEW = -2;

/** The mask under a brush that is at work: each time only what was added is painted again. */
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
    const mask = { base: base.base, strokes: [...base.strokes, { points: Float64Array.from(points), radius, label }] };
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
    mask && (visible || cut) ? [{ id, mask, color, look: cut && id === hovered ? "active" : "finished", shown: visible }] : []);
}

export function createOverlays() {
  const stack = createMaskLayer();
  const highlight = createMaskLayer();
  const work = createMaskLayer();
  const preview = createMaskLayer();
  const draftMask = createDraftMask();
  /** @type {{ objects: readonly SegmentedObject[], hovered: number | null, cut: boolean, overlays: Overlay[] } | null} */
  let remembered = null;

  /** @param {readonly SegmentedObject[]} objects @param {number | null} hovered @param {boolean} cut */
  function finishedOnes(objects, hovered, cut) {
    if (remembered?.objects !== objects || remembered.hovered !== hovered || remembered.cut !== cut) {
      remembered = { objects, hovered, cut, overlays: finishedOverlays(objects, hovered, cut) };
    }
    return remembered.overlays;
  }

  /**
   * The object being worked on, and one that the kernel has not heard of yet.
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
    if (active && current) overlays.push({ id: active.id, color: active.color, look: "active", shown: active.visible, ...current });
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
    return mask ? [{ id: PREVIEW, mask, color: active?.color ?? nextColor, look: "preview", shown: true }] : [];
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
    const finished = finishedOnes(snapshot.finished, frame.cut ? ui.hovered : null, frame.cut);
    const working = workOverlays(snapshot, ui);
    const top = preview(previewOverlays(snapshot, ui, hovered), plain);
    if (frame.cut) return [stack(inOrder(finished, working, snapshot), frame), top];
    const lit = finished.filter(({ id }) => id === ui.hovered).map((overlay) => ({ ...overlay, look: /** @type {const} */ ("active") }));
    return [stack(finished, frame), highlight(lit, plain), work(working.filter(({ shown }) => shown), plain), top];
  };
}
