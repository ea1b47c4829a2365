/**
 * Marks drawn over the picture. Positions and sizes are in device pixels; `unit` is the number
 * of device pixels in a CSS pixel.
 *
 * Every mark has two colours, so that it can be seen on any background.
 *
 * @typedef {CanvasRenderingContext2D} Context
 * @typedef {import("../pixels/geometry.js").Position} Position
 * @typedef {import("../pixels/geometry.js").Corners} Corners
 */

const POSITIVE = "#12a150";
const NEGATIVE = "#e5383b";
const SHADE = "rgba(0, 0, 0, 0.55)";
const POINT_RADIUS = 6;
const PULSE_PERIOD = 1100;

/** Device pixels per image pixel from which on the grid is drawn. */
const GRID_FROM = 8;

/**
 * @param {Context} context
 * @param {Position} at
 * @param {boolean} positive
 * @param {number} unit
 * @param {boolean} [held] under the pointer: it can be dragged
 */
export function drawPoint(context, { x, y }, positive, unit, held = false) {
  const radius = (held ? POINT_RADIUS + 2 : POINT_RADIUS) * unit;
  disc(context, x, y, radius + 1.5 * unit, SHADE);
  disc(context, x, y, radius + 0.5 * unit, "#fff");
  disc(context, x, y, radius - 0.75 * unit, positive ? POSITIVE : NEGATIVE);
  const arm = radius * 0.5;
  context.beginPath();
  context.moveTo(x - arm, y);
  context.lineTo(x + arm, y);
  if (positive) {
    context.moveTo(x, y - arm);
    context.lineTo(x, y + arm);
  }
  stroke(context, "#fff", 1.6 * unit);
}

/** @param {Context} context @param {number} x @param {number} y @param {number} radius @param {string} color */
function disc(context, x, y, radius, color) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = color;
  context.fill();
}

/** @param {Context} context @param {string} color @param {number} width */
function stroke(context, color, width) {
  context.strokeStyle = color;
  context.lineWidth = width;
  context.stroke();
}

/**
 * A ring that grows around the newest prompt while its mask is pending.
 *
 * @param {Context} context
 * @param {Position} at
 * @param {number} unit
 * @param {number | null} time milliseconds since it appeared; null for a still ring
 */
export function drawPulse(context, { x, y }, unit, time) {
  const share = time === null ? 0.5 : (time % PULSE_PERIOD) / PULSE_PERIOD;
  context.save();
  context.globalAlpha = 0.9 * (1 - share);
  context.beginPath();
  context.arc(x, y, (POINT_RADIUS + 2 + 10 * share) * unit, 0, 2 * Math.PI);
  stroke(context, SHADE, 3 * unit);
  stroke(context, "#fff", 1.5 * unit);
  context.restore();
}

/**
 * @param {Context} context
 * @param {Corners} corners
 * @param {number} unit
 * @param {boolean} dashed still being dragged
 */
export function drawBox(context, { x0, y0, x1, y1 }, unit, dashed) {
  const line = Math.max(1, Math.round(1.5 * unit));
  // On whole device pixels, and inside the canvas when the box touches its border.
  const inset = line / 2 + Math.round(unit);
  const { width, height } = context.canvas;
  // A side that is out of view stays out of view.
  const near = (/** @type {number} */ at, /** @type {number} */ side) =>
    at < -1 || at > side + 1 ? at : Math.min(Math.max(Math.round(at), inset), side - inset);
  const [left, top, right, bottom] = [
    near(x0, width),
    near(y0, height),
    near(x1, width),
    near(y1, height),
  ];
  context.save();
  context.beginPath();
  context.rect(left, top, Math.max(right - left, 0), Math.max(bottom - top, 0));
  context.lineJoin = "miter";
  stroke(context, SHADE, line + 2 * Math.round(unit));
  if (dashed) context.setLineDash([5 * unit, 3 * unit]);
  stroke(context, "#fff", line);
  context.restore();
}

/** @param {Context} context @param {Position} at @param {number} unit */
export function drawCrosshair(context, at, unit) {
  const [x, y] = [Math.round(at.x) + 0.5, Math.round(at.y) + 0.5];
  const gap = 7 * unit;
  const { width, height } = context.canvas;
  context.beginPath();
  for (const [x0, y0, x1, y1] of [
    [0, y, x - gap, y],
    [x + gap, y, width, y],
    [x, 0, x, y - gap],
    [x, y + gap, x, height],
  ]) {
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
  }
  stroke(context, SHADE, 3 * unit);
  stroke(context, "#fff", unit);
  disc(context, x, y, 1.75 * unit, SHADE);
  disc(context, x, y, unit, "#fff");
}

/**
 * @param {Context} context
 * @param {readonly Position[]} line
 * @param {boolean} positive
 * @param {number} unit
 * @param {boolean} [held]
 */
export function drawScribble(context, line, positive, unit, held = false) {
  const width = (held ? 4.5 : 3) * unit;
  context.save();
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  context.moveTo(line[0].x, line[0].y);
  // A line to its own start draws a single vertex as a dot.
  for (const { x, y } of line.length > 1 ? line.slice(1) : line) context.lineTo(x, y);
  stroke(context, SHADE, width + 3 * unit);
  stroke(context, "#fff", width + 1.5 * unit);
  stroke(context, positive ? POSITIVE : NEGATIVE, width);
  context.restore();
}

/** The brush under the pointer. @param {Context} context @param {Position} at @param {number} radius @param {number} unit */
export function drawBrush(context, { x, y }, radius, unit) {
  context.beginPath();
  context.arc(x, y, Math.max(radius, unit), 0, 2 * Math.PI);
  stroke(context, SHADE, 3 * unit);
  stroke(context, "#fff", 1.25 * unit);
}

/** Where a straight line would run. @param {Context} context @param {Position} from @param {Position} to @param {number} unit */
export function drawGuide(context, from, to, unit) {
  context.save();
  context.setLineDash([6 * unit, 4 * unit]);
  context.beginPath();
  context.moveTo(from.x, from.y);
  context.lineTo(to.x, to.y);
  stroke(context, SHADE, 3 * unit);
  stroke(context, "#fff", 1.25 * unit);
  context.restore();
}

/**
 * Lines between image pixels, once these are large enough to be distinguished.
 *
 * @param {Context} context
 * @param {import("../pixels/geometry.js").Placement} placement
 */
export function drawGrid(context, placement) {
  const { image, left, top, width, height } = placement;
  const step = { x: width / image.width, y: height / image.height };
  if (Math.min(step.x, step.y) < GRID_FROM) return;
  context.save();
  context.globalAlpha =
    Math.min((Math.min(step.x, step.y) - GRID_FROM) / GRID_FROM + 0.3, 1) * 0.35;
  context.fillStyle = "#808080";
  const bottom = Math.min(top + height, context.canvas.height);
  const right = Math.min(left + width, context.canvas.width);
  for (
    let x = Math.max(Math.ceil(-left / step.x), 1);
    x < image.width && left + x * step.x < right;
    x++
  ) {
    context.fillRect(Math.round(left + x * step.x), Math.max(top, 0), 1, bottom - Math.max(top, 0));
  }
  for (
    let y = Math.max(Math.ceil(-top / step.y), 1);
    y < image.height && top + y * step.y < bottom;
    y++
  ) {
    context.fillRect(Math.max(left, 0), Math.round(top + y * step.y), right - Math.max(left, 0), 1);
  }
  context.restore();
}
