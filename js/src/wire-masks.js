/**
 * Masks as they cross the comm: deflated logits or pixels, and strokes.
 *
 * @typedef {import("./mask.js").Mask} Mask
 * @typedef {import("./strokes.js").Stroke} Stroke
 * @typedef {Map<string, Float64Array>} KnownStrokes vertices by key: the kernel sends those of a stroke once
 */
import { unzlibSync } from "fflate";
import { cropLogits } from "./mask.js";
import { integer, list, numberOrNull, polarity, record, text, textOrNull, toBytes } from "./values.js";

/** No decoder answers with a larger grid; a corrupt size must not allocate gigabytes. */
const MAX_LOGITS = 4096;

/** Nor is there a larger cut-out of pixels: 1 bit each. */
const MAX_PIXELS = 2 ** 31;

/** @param {unknown} deflated @param {number} size @returns {Uint8Array | null} null when it is damaged */
function inflate(deflated, size) {
  const bytes = toBytes(deflated);
  if (!bytes) return null;
  try {
    const values = unzlibSync(bytes);
    return values.length === size ? values : null;
  } catch {
    return null;
  }
}

/**
 * @param {Record<string, unknown>} raw
 * @param {unknown} data zlib(int8[height * width])
 * @returns {Mask["base"]}
 */
function parseLogits({ width, height }, data) {
  const [w, h] = [integer(width, 0), integer(height, 0)];
  if (w < 1 || h < 1 || w > MAX_LOGITS || h > MAX_LOGITS) return null;
  const values = inflate(data, w * h);
  return values && cropLogits(w, h, new Int8Array(values.buffer, values.byteOffset, values.length));
}

/**
 * @param {Record<string, unknown>} raw
 * @param {unknown} data zlib of rows of bits, each row padded to bytes
 * @returns {Mask["base"]}
 */
function parsePixels({ x, y, width, height }, data) {
  const [w, h] = [integer(width, 0), integer(height, 0)];
  if (w < 1 || h < 1 || w * h > MAX_PIXELS) return null;
  const values = inflate(data, ((w + 7) >> 3) * h);
  return values && { kind: "pixels", x: integer(x, 0), y: integer(y, 0), width: w, height: h, data: values };
}

/** @param {unknown} points @returns {Float64Array | null} */
function flatten(points) {
  const flat = Float64Array.from(list(points).flatMap((point) => list(point).slice(0, 2)));
  return flat.length > 0 && flat.length % 2 === 0 && flat.every(Number.isFinite) ? flat : null;
}

/** @param {unknown} raw @param {KnownStrokes} known @returns {Stroke | null} */
function parseStroke(raw, known) {
  const { key, points, radius, label } = record(raw);
  const came = flatten(points);
  if (came && textOrNull(key) !== null) known.set(text(key), came);
  const vertices = came ?? known.get(text(key));
  const reach = numberOrNull(radius) ?? 0;
  return vertices && reach > 0 ? { points: vertices, radius: reach, label: polarity(label) } : null;
}

/**
 * @param {unknown} raw
 * @param {unknown} data
 * @param {KnownStrokes} known
 * @returns {Mask | null} null when there is none, or it is damaged
 */
function parseMask(raw, data, known) {
  const fields = record(raw);
  const strokes = list(fields.strokes).map((stroke) => parseStroke(stroke, known)).filter((stroke) => stroke !== null);
  const base = fields.kind === "pixels" ? parsePixels(fields, data) : parseLogits(fields, data);
  return base || strokes.length ? { base, strokes } : null;
}

/** @param {unknown} raw @param {KnownStrokes} known @returns {Mask | null} with its data inside */
export const parseWholeMask = (raw, known) => parseMask(raw, record(raw).data, known);

/** @param {unknown} raw @param {readonly unknown[]} buffers @param {KnownStrokes} known @returns {Mask | null} with its data in a buffer */
export const parseBufferedMask = (raw, buffers, known) => parseMask(raw, buffers[integer(record(raw).buffer, -1)], known);
