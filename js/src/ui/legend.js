/**
 * Explains the patterns of the lanes, those that occur.
 *
 * @typedef {import("../state/timeline.js").Lane} Lane
 * @typedef {import("../state/timeline.js").PlaneState} PlaneState
 */
import { element } from "../dom/elements.js";
import { countStates } from "../state/timeline.js";
import { paintKeyframe, paintStretch } from "./lane-painter.js";
import * as texts from "./texts.js";

const words = texts.timeline;

/** CSS pixels of a swatch. */
const SWATCH = { width: 22, height: 12 };

/** A colour that no object has. */
const NEUTRAL = "#808790";

/** @type {readonly PlaneState[]} */
const ORDER = ["keyframe", "tracked", "doubtful", "absent", "stale"];

/** @param {PlaneState} state */
function swatch(state) {
  const ratio = Math.max(Math.ceil(devicePixelRatio), 2);
  const canvas = element("canvas", {
    class: "sam2-swatch",
    width: SWATCH.width * ratio,
    height: SWATCH.height * ratio,
  });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const brush = { context, ratio, ink: NEUTRAL, ground: "transparent", alpha: 1 };
  const { width, height } = canvas;
  const at = { from: width / 2, to: width / 2, middle: height / 2 };
  if (state === "keyframe") paintKeyframe(brush, at, NEUTRAL);
  else paintStretch(brush, state, { x: 0, y: 0, width, height }, NEUTRAL);
  return canvas;
}

export function createLegend() {
  const entries = ORDER.map((state) => ({
    state,
    node: element(
      "span",
      { class: "sam2-legend-entry", "data-tip": `${words.states[state]}\n${words.hints[state]}` },
      swatch(state),
      words.states[state],
    ),
  }));
  const node = element(
    "span",
    { class: "sam2-legend", "aria-hidden": "true" },
    ...entries.map((entry) => entry.node),
  );
  /** @type {readonly Lane[]} */
  let shown = [];

  /** @param {readonly Lane[]} lanes */
  function update(lanes) {
    if (lanes === shown) return;
    shown = lanes;
    const counts = lanes.map(countStates);
    for (const { state, node: entry } of entries)
      entry.hidden = state !== "keyframe" && !counts.some((count) => count[state]);
  }

  return { node, update };
}
