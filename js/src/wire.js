/**
 * What the kernel sends, checked once at the door. Nothing here throws: a message from another
 * version or a broken host must not take the widget down.
 *
 * @typedef {{ type: "point", x: number, y: number, label: 0 | 1 }} PointPrompt
 * @typedef {{ type: "box", x0: number, y0: number, x1: number, y1: number }} BoxPrompt
 * @typedef {PointPrompt | BoxPrompt} Prompt
 * @typedef {import("./mask.js").Logits} Logits
 *
 * @typedef {{ width: number, height: number, mime: string, data: Uint8Array<ArrayBuffer>, name: string }} Picture
 * @typedef {{ phase: string, message: string, progress: number | null, model: string, device: string }} Status
 *
 * @typedef {object} SegmentedObject
 * @property {number} id
 * @property {number} index position in the list
 * @property {string} color "#rrggbb"
 * @property {string | null} label
 * @property {number | null} score
 * @property {Logits | null} mask null: not computed yet
 *
 * @typedef {SegmentedObject & { prompts: readonly Prompt[], pending: boolean, empty: boolean }} ActiveObject
 *
 * @typedef {object} State the annotation as the kernel has it
 * @property {number} revision
 * @property {number} epoch
 * @property {Readonly<Record<string, number>>} ack
 * @property {ActiveObject | null} active
 * @property {boolean} canUndo
 * @property {boolean} canRedo
 * @property {string | null} label
 * @property {string} notice
 *
 * @typedef {{ reset: boolean, put: SegmentedObject[], drop: number[] }} ObjectsMessage
 */
import { unzlibSync } from "fflate";
import { cropLogits } from "./mask.js";

/** Drawn for an object whose colour did not arrive as #rrggbb. */
export const FALLBACK_COLOR = "#3b82f6";

/** No decoder answers with a larger grid; a corrupt size must not allocate gigabytes. */
const MAX_LOGITS = 4096;

/** @type {State} */
export const EMPTY_STATE = Object.freeze({
  revision: -1,
  epoch: 0,
  ack: Object.freeze({}),
  active: null,
  canUndo: false,
  canRedo: false,
  label: null,
  notice: "",
});

/** @param {unknown} value @returns {Record<string, unknown>} */
const record = (value) =>
  typeof value === "object" && value !== null ? /** @type {Record<string, unknown>} */ (value) : {};
/** @param {unknown} value */
const text = (value) => (typeof value === "string" ? value : "");
/** @param {unknown} value */
const textOrNull = (value) => (typeof value === "string" ? value : null);
/** @param {unknown} value */
const numberOrNull = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);
/** @param {unknown} value @param {number} otherwise */
const integer = (value, otherwise) => (Number.isInteger(value) ? /** @type {number} */ (value) : otherwise);
/** @param {unknown} value */
const list = (value) => (Array.isArray(value) ? value : []);
/** @param {unknown} value */
const color = (value) => (/^#[0-9a-f]{6}$/i.test(text(value)) ? text(value) : FALLBACK_COLOR);

/**
 * Binary data as hosts deliver it: DataView in JupyterLab, Uint8Array in Colab, ArrayBuffer
 * elsewhere, a plain array of numbers in VS Code.
 *
 * @param {unknown} value
 * @returns {Uint8Array<ArrayBuffer> | null}
 */
export function toBytes(value) {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) {
    const buffer = /** @type {ArrayBuffer} */ (value.buffer);
    return new Uint8Array(buffer, value.byteOffset, value.byteLength);
  }
  return Array.isArray(value) ? Uint8Array.from(value) : null;
}

/** @param {unknown} raw @returns {Picture | null} */
export function parsePicture(raw) {
  const { width, height, mime, data, name } = record(raw);
  const bytes = toBytes(data);
  if (!bytes?.length || integer(width, 0) < 1 || integer(height, 0) < 1) return null;
  return {
    width: integer(width, 0),
    height: integer(height, 0),
    mime: text(mime),
    data: bytes,
    name: text(name),
  };
}

/** @param {unknown} raw @returns {Status} */
export function parseStatus(raw) {
  const { phase, message, progress, model, device } = record(raw);
  const share = numberOrNull(progress);
  return {
    phase: text(phase) || "loading",
    message: text(message),
    progress: share === null ? null : Math.min(Math.max(share, 0), 1),
    model: text(model),
    device: text(device),
  };
}

/** @param {unknown} raw @returns {string[]} */
export const parseLabels = (raw) => list(raw).filter((label) => typeof label === "string");

/**
 * @param {unknown} width
 * @param {unknown} height
 * @param {unknown} data zlib(int8[height * width])
 * @returns {Logits | null} null when it is damaged
 */
function parseMask(width, height, data) {
  const [w, h, deflated] = [integer(width, 0), integer(height, 0), toBytes(data)];
  if (!deflated || w < 1 || h < 1 || w > MAX_LOGITS || h > MAX_LOGITS) return null;
  try {
    const values = unzlibSync(deflated);
    if (values.length !== w * h) return null;
    return cropLogits(w, h, new Int8Array(values.buffer, values.byteOffset, values.length));
  } catch {
    return null;
  }
}

/** @param {unknown} raw @returns {Prompt | null} */
function parsePrompt(raw) {
  const { type, x, y, label, x0, y0, x1, y1 } = record(raw);
  const numbers = (type === "box" ? [x0, y0, x1, y1] : [x, y]).map(numberOrNull);
  if (numbers.includes(null)) return null;
  const [a, b, c, d] = /** @type {number[]} */ (numbers);
  if (type === "point") return { type, x: a, y: b, label: label === 0 ? 0 : 1 };
  return type === "box" ? { type, x0: a, y0: b, x1: c, y1: d } : null;
}

/** @param {unknown} raw @returns {Prompt[]} */
export const parsePrompts = (raw) => list(raw).map(parsePrompt).filter((prompt) => prompt !== null);

/**
 * @param {unknown} raw
 * @param {Logits | null} mask
 * @returns {SegmentedObject | null}
 */
function parseObject(raw, mask) {
  const { id, index, color: tint, label, score } = record(raw);
  if (!Number.isInteger(id)) return null;
  return {
    id: integer(id, 0),
    index: integer(index, 0),
    color: color(tint),
    label: textOrNull(label),
    score: numberOrNull(score),
    mask,
  };
}

/** @param {unknown} raw @returns {ActiveObject | null} */
function parseActive(raw) {
  const { prompts, pending, empty, mask } = record(raw);
  const { width, height, data } = record(mask);
  const object = parseObject(raw, parseMask(width, height, data));
  return (
    object && {
      ...object,
      prompts: parsePrompts(prompts),
      pending: pending === true,
      empty: empty === true,
    }
  );
}

/** @param {unknown} raw @returns {State} */
export function parseState(raw) {
  const { revision, epoch, ack, active, can_undo, can_redo, label, notice } = record(raw);
  const acks = Object.entries(record(ack)).filter(([, n]) => Number.isInteger(n));
  return {
    revision: integer(revision, EMPTY_STATE.revision),
    epoch: integer(epoch, 0),
    ack: /** @type {Record<string, number>} */ (Object.fromEntries(acks)),
    active: parseActive(active),
    canUndo: can_undo === true,
    canRedo: can_redo === true,
    label: textOrNull(label),
    notice: text(notice),
  };
}

/**
 * @param {unknown} content
 * @param {readonly unknown[]} buffers
 * @returns {ObjectsMessage | null} null when it is another message
 */
export function parseObjectsMessage(content, buffers) {
  const { type, reset, put, drop } = record(content);
  if (type !== "objects") return null;
  const objects = list(put).map((raw) => {
    const { width, height, buffer } = record(record(raw).mask);
    return parseObject(raw, parseMask(width, height, buffers[integer(buffer, -1)]));
  });
  return {
    reset: reset === true,
    put: objects.filter((object) => object !== null),
    drop: list(drop).filter(Number.isInteger),
  };
}
