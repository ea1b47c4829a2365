/**
 * Masks as they cross the comm: deflated logits or pixels, and strokes.
 *
 * @typedef {import("./mask.js").Mask} Mask
 * @typedef {import("./strokes.js").Stroke} Stroke
 * @typedef {object} Known what the kernel sends once, by its keys
 * @property {Map<string, Float64Array>} strokes vertices
 * @property {Map<string, NonNullable<Mask["base"]>>} masks those that were foreseen, the newest last
 */
import { unzlibSync } from "fflate";
import { cropLogits } from "./mask.js";
import { integer, list, numberOrNull, polarity, record, text, textOrNull, toBytes } from "./values.js";

/** No decoder answers with a larger grid; a corrupt size must not allocate gigabytes. */
const MAX_LOGITS = 4096;

/** Masks foreseen that are kept: more than the kernel names. */
const KEPT = 8;

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

/** @param {unknown} raw @param {Known} known @returns {Stroke | null} */
function parseStroke(raw, known) {
  const { key, points, radius, label } = record(raw);
  const came = flatten(points);
  if (came && textOrNull(key) !== null) known.strokes.set(text(key), came);
  const vertices = came ?? known.strokes.get(text(key));
  const reach = numberOrNull(radius) ?? 0;
  return vertices && reach > 0 ? { points: vertices, radius: reach, label: polarity(label) } : null;
}

/** @param {Record<string, unknown>} fields @param {unknown} data @param {Known} known */
function parseBase(fields, data, known) {
  const base = fields.kind === "pixels" ? parsePixels(fields, data) : parseLogits(fields, data);
  const key = textOrNull(fields.key);
  if (base && key !== null) keep(known.masks, key, base);
  return base;
}

/** @param {Known["masks"]} masks @param {string} key @param {NonNullable<Mask["base"]>} base */
function keep(masks, key, base) {
  masks.delete(key);
  masks.set(key, base);
  for (const old of masks.keys()) if (masks.size > KEPT) masks.delete(old);
}

/** Whether a mask comes by its key only. @param {Record<string, unknown>} fields */
const isKnown = ({ known }) => textOrNull(known) !== null;

/** @returns {Known} */
export const nothingKnown = () => ({ strokes: new Map(), masks: new Map() });

/** Whether a mask is named that has not come: it was lost, or this page is new. @param {unknown} raw @param {Known} known */
export const isMissing = (raw, known) => isKnown(record(raw)) && !known.masks.has(text(record(raw).known));

/**
 * @param {unknown} raw
 * @param {unknown} data
 * @param {Known} known
 * @returns {Mask | null} null when there is none, or it is damaged
 */
function parseMask(raw, data, known) {
  const fields = record(raw);
  const strokes = list(fields.strokes).map((stroke) => parseStroke(stroke, known)).filter((stroke) => stroke !== null);
  const base = isKnown(fields) ? (known.masks.get(text(fields.known)) ?? null) : parseBase(fields, data, known);
  return base || strokes.length ? { base, strokes } : null;
}

/** @param {unknown} raw @param {Known} known @returns {Mask | null} with its data inside */
export const parseWholeMask = (raw, known) => parseMask(raw, record(raw).data, known);

/** @param {unknown} raw @param {readonly unknown[]} buffers @param {Known} known @returns {Mask | null} with its data in a buffer */
export const parseBufferedMask = (raw, buffers, known) => parseMask(raw, buffers[integer(record(raw).buffer, -1)], known);
