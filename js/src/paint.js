/**
 * Marks drawn over the picture. Positions and sizes are in device pixels; `unit` is the number
 * of device pixels in a CSS pixel.
 *
 * Every mark is two-toned, so that it shows on any background.
 *
 * @typedef {CanvasRenderingContext2D} Context
 * @typedef {import("./geometry.js").Position} Position
 * @typedef {import("./geometry.js").Corners} Corners
 */
import { depthLevels } from "./contour.js";

const POSITIVE = "#12a150";
const NEGATIVE = "#e5383b";
const SHADE = "rgba(0, 0, 0, 0.55)";
const POINT_RADIUS = 6;
const PULSE_PERIOD = 1100;

/** @typedef {"finished" | "active"} Look */

/**
 * The mask in its colour: a translucent fill, and a contour on its own outermost pixels.
 *
 * @param {import("./mask.js").Bitmap} bitmap
 * @param {string} color "#rrggbb"
 * @param {Look} look
 * @param {number} unit
 * @returns {ImageData}
 */
export function tint(bitmap, color, look, unit) {
  const hairline = Math.max(1, Math.round(unit));
  const rings = look === "active" ? [...ring(hairline, "#ffffff", 0.95), ...ring(hairline, color, 1)] : ring(hairline, color, 0.95);
  const fill = rgba(color, look === "active" ? 0.45 : 0.3);
  const table = Uint32Array.from([0, ...rings, fill]);
  const levels = depthLevels(bitmap, table.length - 1);
  const image = new ImageData(bitmap.width, bitmap.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let at = 0; at < levels.length; at++) pixels[at] = table[levels[at]];
  return image;
}

/** @param {number} width @param {string} color @param {number} alpha */
const ring = (width, color, alpha) => Array.from({ length: width }, () => rgba(color, alpha));

/** One pixel as ImageData holds it. @param {string} color @param {number} alpha */
function rgba(color, alpha) {
  const bytes = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return new Uint32Array(Uint8Array.of(...bytes, Math.round(alpha * 255)).buffer)[0];
}

/**
 * @param {Context} context
 * @param {Position} at
 * @param {boolean} positive
 * @param {number} unit
 */
export function drawPoint(context, { x, y }, positive, unit) {
  const radius = POINT_RADIUS * unit;
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
 * A ring that grows out of the newest prompt while its mask is on the way.
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
  const left = Math.max(Math.round(x0), inset);
  const top = Math.max(Math.round(y0), inset);
  const right = Math.min(Math.round(x1), width - inset);
  const bottom = Math.min(Math.round(y1), height - inset);
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
