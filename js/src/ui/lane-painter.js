/**
 * Paints lanes of the timeline. What differs in tone differs in pattern, too: tracked is solid, doubtful
 * striped over an amber line, stale an outline with faint stripes, absent a dotted line.
 *
 * @typedef {import("../state/timeline.js").Lane} Lane
 * @typedef {import("../state/timeline.js").RunState} RunState
 * @typedef {import("../state/timeline.js").PlaneRange} PlaneRange
 * @typedef {import("../state/lane-runs.js").Stretch} Stretch
 * @typedef {{ context: CanvasRenderingContext2D, ratio: number, ink: string, ground: string, alpha: number }} Brush
 *   ratio: device pixels in a CSS pixel; ink, ground: colours of text and background; alpha: of all that is painted
 * @typedef {{ top: number, height: number, width: number }} Strip device pixels
 */
import { planeToX, stretchesOf } from "../state/lane-runs.js";

const DOUBT = "#f59e0b";

/** Of a lane whose object is hidden. */
const HIDDEN_ALPHA = 0.35;

/** CSS pixels. */
const RADIUS = 3;
const STRIPES = 6;
const TICK = 5;

/** CSS pixels of a plane from which on there is a gap between stretches. */
const GAP_FROM = 6;

/** @type {WeakMap<Lane, { key: string, stretches: Stretch[] }>} */
const laidOut = new WeakMap();

/** @param {Lane} lane @param {number} count @param {number} width */
function layOut(lane, count, width) {
  const key = `${count}/${width}`;
  const known = laidOut.get(lane);
  if (known?.key === key) return known.stretches;
  const stretches = stretchesOf(lane.runs, count, width);
  laidOut.set(lane, { key, stretches });
  return stretches;
}

/**
 * Stripes in the clip that is set.
 *
 * @param {Brush} brush
 * @param {{ x: number, y: number, width: number, height: number }} box
 * @param {1 | -1} way they rise or fall
 * @param {number} thickness CSS pixels
 */
function paintStripes({ context, ratio }, { x, y, width, height }, way, thickness) {
  const period = STRIPES * ratio;
  context.lineWidth = thickness * ratio;
  context.beginPath();
  // From the left border of the strip, so that neighbouring stretches have one pattern.
  for (let at = Math.floor((x - height) / period) * period; at < x + width + height; at += period) {
    context.moveTo(at, way > 0 ? y + height : y);
    context.lineTo(at + height, way > 0 ? y : y + height);
  }
  context.stroke();
}

/** @param {Brush} brush @param {{ x: number, y: number, width: number, height: number }} box @param {string} color */
function paintDoubtful(brush, box, color) {
  const { context, ratio, alpha } = brush;
  const line = Math.max(Math.round(3 * ratio), 1);
  context.globalAlpha = alpha * 0.3;
  context.fillStyle = color;
  context.fillRect(box.x, box.y, box.width, box.height);
  context.globalAlpha = alpha * 0.95;
  context.strokeStyle = color;
  paintStripes(brush, box, 1, 2.2);
  context.globalAlpha = alpha;
  context.fillStyle = DOUBT;
  context.fillRect(box.x, box.y + box.height - line, box.width, line);
}

/** @param {Brush} brush @param {{ x: number, y: number, width: number, height: number }} box @param {string} color */
function paintStale(brush, box, color) {
  const { context, ratio, alpha } = brush;
  const line = Math.max(Math.round(ratio), 1);
  context.strokeStyle = color;
  context.globalAlpha = alpha * 0.4;
  paintStripes(brush, box, -1, 1);
  context.globalAlpha = alpha * 0.85;
  context.lineWidth = 2 * line;
  context.beginPath();
  context.roundRect(box.x, box.y, box.width, box.height, cornersOf(box, ratio));
  context.stroke();
}

/** @param {Brush} brush @param {{ x: number, y: number, width: number, height: number }} box @param {string} color */
function paintAbsent({ context, ratio, alpha }, { x, y, width, height }, color) {
  const dot = 2 * ratio;
  context.strokeStyle = color;
  context.globalAlpha = alpha * 0.75;
  context.lineWidth = dot;
  context.setLineDash([dot, 1.5 * dot]);
  context.beginPath();
  context.moveTo(x + dot / 2, Math.round(y + height / 2));
  context.lineTo(x + width, Math.round(y + height / 2));
  context.stroke();
  context.setLineDash([]);
}

/** @param {Brush} brush @param {{ x: number, y: number, width: number, height: number }} box @param {string} color */
function paintTracked({ context, alpha }, { x, y, width, height }, color) {
  context.globalAlpha = alpha * 0.78;
  context.fillStyle = color;
  context.fillRect(x, y, width, height);
}

/** @type {Readonly<Record<RunState, typeof paintTracked>>} */
const PAINTERS = {
  tracked: paintTracked,
  doubtful: paintDoubtful,
  stale: paintStale,
  absent: paintAbsent,
};

/** @param {{ width: number, height: number }} box @param {number} ratio */
const cornersOf = ({ width, height }, ratio) =>
  Math.min(RADIUS * ratio, Math.floor(width / 3), height / 2);

/** @param {Brush} brush @param {RunState} state @param {{ x: number, y: number, width: number, height: number }} box @param {string} color */
export function paintStretch(brush, state, box, color) {
  const { context, ratio } = brush;
  context.save();
  context.beginPath();
  context.roundRect(box.x, box.y, box.width, box.height, cornersOf(box, ratio));
  context.clip();
  PAINTERS[state](brush, box, color);
  context.restore();
}

/**
 * A diamond; several keyframes in a row are one long diamond.
 *
 * @param {Brush} brush
 * @param {{ from: number, to: number, middle: number }} at centres of the first and the last plane
 * @param {string} color
 */
export function paintKeyframe({ context, ratio, ink, ground, alpha }, { from, to, middle }, color) {
  const reach = TICK * ratio;
  context.globalAlpha = alpha;
  context.beginPath();
  context.moveTo(from - reach, middle);
  context.lineTo(from, middle - reach);
  context.lineTo(to, middle - reach);
  context.lineTo(to + reach, middle);
  context.lineTo(to, middle + reach);
  context.lineTo(from, middle + reach);
  context.closePath();
  context.lineJoin = "round";
  context.strokeStyle = ground;
  context.lineWidth = 4 * ratio;
  context.stroke();
  context.strokeStyle = ink;
  context.lineWidth = 1.5 * ratio;
  context.stroke();
  context.fillStyle = color;
  context.fill();
}

/**
 * @param {Brush} brush
 * @param {Lane} lane
 * @param {Strip} strip
 * @param {number} count of all planes
 */
export function paintLane(brush, lane, { top, height, width }, count) {
  const { context, ratio } = brush;
  // Not by a filter of the context, which Safari does not have.
  const ownBrush = { ...brush, alpha: lane.visible ? 1 : HIDDEN_ALPHA };
  const cell = width / count;
  const gap = cell >= GAP_FROM * ratio ? Math.round(ratio) : 0;
  context.save();
  for (const { from, to, state } of layOut(lane, count, width)) {
    const box = { x: from, y: top, width: Math.max(to - from - gap, 1), height };
    paintStretch(ownBrush, state, box, lane.color);
  }
  const middle = top + height / 2;
  // An empty diamond: marked as absent.
  for (const { from, to } of ticksOf(lane.absent, count, width))
    paintKeyframe(ownBrush, { from, to, middle }, brush.ground);
  for (const { from, to } of ticksOf(lane.keyframes, count, width))
    paintKeyframe(ownBrush, { from, to, middle }, lane.color);
  context.restore();
}

/**
 * Centres of the first and last plane of each keyframe, together where they are less than a pixel apart.
 *
 * @param {readonly PlaneRange[]} keyframes
 * @param {number} count
 * @param {number} width
 */
export function ticksOf(keyframes, count, width) {
  /** @type {{ from: number, to: number }[]} */
  const ticks = [];
  for (const [start, stop] of keyframes) {
    const [from, to] = [start + 0.5, stop - 0.5].map((at) => planeToX(at, count, width));
    const last = ticks.at(-1);
    if (last && from - last.to < 1) last.to = to;
    else ticks.push({ from, to });
  }
  return ticks;
}
