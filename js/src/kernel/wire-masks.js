/**
 * Masks as they cross the comm: deflated logits or pixels, and strokes.
 *
 * @import { MaskContent, MaskStroke } from "../protocol/messages.d.ts"
 * @import { Fields, Untrusted } from "../protocol/untrusted.d.ts"
 * @typedef {import("../pixels/mask.js").Mask} Mask
 * @typedef {import("../pixels/strokes.js").Stroke} Stroke
 * @typedef {object} KeyedData what the kernel sends once and refers to by a key afterwards
 * @property {Map<string, Float64Array>} strokes vertices
 * @property {Map<string, NonNullable<Mask["base"]>>} masks speculative predictions, the newest last
 * @property {Map<string, string>} largePrompts strokes and masks among the prompts, as JSON
 */

import { unzlibSync } from "fflate";
import { cropLogits } from "../pixels/mask.js";
import {
  integer,
  list,
  numberOrNull,
  polarity,
  record,
  text,
  textOrNull,
  toBytes,
} from "./values.js";

/** Largest side of a logit grid: a corrupt size must not allocate gigabytes. */
const MAX_LOGITS = 4096;

/** Speculative masks that are kept: more than the kernel refers to. */
const MAX_MASKS = 8;

/** Largest cut-out in pixels, of 1 bit each. */
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
 * @param {Pick<Fields<MaskContent>, "width" | "height">} raw
 * @param {unknown} data zlib(int8[height * width])
 * @returns {import("../pixels/mask.js").Logits | null}
 */
export function parseLogits({ width, height }, data) {
  const [w, h] = [integer(width, 0), integer(height, 0)];
  if (w < 1 || h < 1 || w > MAX_LOGITS || h > MAX_LOGITS) return null;
  const values = inflate(data, w * h);
  return values && cropLogits(w, h, new Int8Array(values.buffer, values.byteOffset, values.length));
}

/**
 * @param {Fields<MaskContent>} raw
 * @param {unknown} data zlib of rows of bits, each row padded to bytes
 * @returns {Mask["base"]}
 */
function parsePixels({ x, y, width, height }, data) {
  const [w, h] = [integer(width, 0), integer(height, 0)];
  if (w < 1 || h < 1 || w * h > MAX_PIXELS) return null;
  const values = inflate(data, ((w + 7) >> 3) * h);
  return (
    values && {
      kind: "pixels",
      x: integer(x, 0),
      y: integer(y, 0),
      width: w,
      height: h,
      data: values,
    }
  );
}

/** @param {Untrusted<MaskStroke["points"]> | undefined} points @returns {Float64Array | null} */
function flatten(points) {
  const flat = Float64Array.from(
    list(points).flatMap((point) => list(point).slice(0, 2).map(Number)),
  );
  return flat.length > 0 && flat.length % 2 === 0 && flat.every(Number.isFinite) ? flat : null;
}

/** @param {Untrusted<MaskStroke>} raw @param {KeyedData} known @returns {Stroke | null} */
function parseStroke(raw, known) {
  const { key, points, radius, label } = record(raw);
  const arrived = flatten(points);
  if (arrived && textOrNull(key) !== null) known.strokes.set(text(key), arrived);
  const vertices = arrived ?? known.strokes.get(text(key));
  const reach = numberOrNull(radius) ?? 0;
  return vertices && reach > 0 ? { points: vertices, radius: reach, label: polarity(label) } : null;
}

/** @param {Fields<MaskContent>} fields @param {unknown} data @param {KeyedData} known */
function parseBase(fields, data, known) {
  const base =
    text(fields.kind) === "pixels" ? parsePixels(fields, data) : parseLogits(fields, data);
  const key = textOrNull(fields.key);
  if (base && key !== null) store(known.masks, key, base);
  return base;
}

/** @param {KeyedData["masks"]} masks @param {string} key @param {NonNullable<Mask["base"]>} base */
function store(masks, key, base) {
  masks.delete(key);
  masks.set(key, base);
  for (const old of masks.keys()) if (masks.size > MAX_MASKS) masks.delete(old);
}

/** Whether a mask is sent as a key only. @param {Fields<MaskContent>} fields */
const isReference = ({ known }) => textOrNull(known) !== null;

/** @returns {KeyedData} */
export const newKeyedData = () => ({
  strokes: new Map(),
  masks: new Map(),
  largePrompts: new Map(),
});

/** Whether a mask is referred to that this page does not have: its message was lost, or the page is new. @param {Untrusted<MaskContent | null> | undefined} raw @param {KeyedData} known */
export const isMissing = (raw, known) =>
  isReference(record(raw)) && !known.masks.has(text(record(raw).known));

/**
 * @param {Untrusted<MaskContent | null> | undefined} raw
 * @param {unknown} data
 * @param {KeyedData} known
 * @returns {Mask | null} null when there is none, or it is damaged
 */
function parseMask(raw, data, known) {
  const fields = record(raw);
  const strokes = list(fields.strokes)
    .map((stroke) => parseStroke(stroke, known))
    .filter((stroke) => stroke !== null);
  const base = isReference(fields)
    ? (known.masks.get(text(fields.known)) ?? null)
    : parseBase(fields, data, known);
  return base || strokes.length ? { base, strokes } : null;
}

/** @param {Untrusted<MaskContent | null> | undefined} raw @param {KeyedData} known @returns {Mask | null} with its data inside */
export const parseWholeMask = (raw, known) => parseMask(raw, record(raw).data, known);

/** @param {Untrusted<MaskContent | null> | undefined} raw @param {readonly unknown[]} buffers @param {KeyedData} known @returns {Mask | null} with its data in a buffer */
export const parseBufferedMask = (raw, buffers, known) =>
  parseMask(raw, buffers[integer(record(raw).buffer, -1)], known);
