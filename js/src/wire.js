/**
 * What the kernel sends, checked once at the door. Nothing here throws: a message from another
 * version or a broken host must not take the widget down.
 *
 * @typedef {import("./prompts.js").Prompt} Prompt
 * @typedef {import("./mask.js").Mask} Mask
 * @typedef {import("./strokes.js").Stroke} Stroke
 *
 * @typedef {{ size: number, levels: number }} TileScheme level k has half the pixels of level k - 1 a side; 0 is full size
 * @typedef {object} Picture
 * @property {number} width of the image
 * @property {number} height of the image
 * @property {number} viewWidth of the picture sent
 * @property {number} viewHeight of the picture sent
 * @property {string} mime
 * @property {Uint8Array<ArrayBuffer>} data
 * @property {string} name
 * @property {TileScheme | null} tiles
 *
 * @typedef {object} Status
 * @property {string} phase
 * @property {string} message
 * @property {string} hint the way out, or ""
 * @property {number | null} progress
 * @property {string} model
 * @property {string} device
 *
 * @typedef {{ name: string, color: string }} ObjectClass
 * @typedef {"on top" | "cut out"} Overlap
 * @typedef {{ overlap: Overlap, fillHoles: number, dropSpecks: number }} Settings areas in image pixels, 0 for off
 * @typedef {{ score: number | null, mask: Mask | null }} Candidate
 *
 * @typedef {object} SegmentedObject
 * @property {number} id
 * @property {number} index position in the list
 * @property {string} color "#rrggbb"
 * @property {string | null} label
 * @property {number | null} score
 * @property {boolean} visible
 * @property {boolean} locked
 * @property {Mask | null} mask null: not computed yet
 *
 * @typedef {object} Work what is known of the object being worked on only
 * @property {readonly Prompt[]} prompts
 * @property {boolean} pending
 * @property {boolean} empty
 * @property {readonly Candidate[] | null} candidates when the newest answer was ambiguous
 * @property {number} choice index of the candidate shown
 * @typedef {SegmentedObject & Work} ActiveObject
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
 * @property {Settings} settings
 *
 * @typedef {{ reset: boolean, put: SegmentedObject[], drop: number[] }} ObjectsMessage
 * @typedef {Map<string, Float64Array>} KnownStrokes vertices by key: the kernel sends those of a stroke once
 * @typedef {{ client: string, n: number, mask: Mask | null, score: number | null }} Preview
 * @typedef {{ client: string, n: number, x: number, y: number, values: number[] }} ProbeAnswer
 * @typedef {{ col: number, row: number, mime: string, data: Uint8Array<ArrayBuffer> }} Tile
 * @typedef {{ client: string, level: number, tiles: Tile[] }} TilesMessage
 */
import { unzlibSync } from "fflate";
import { cropLogits } from "./mask.js";

/** Drawn for an object whose colour did not arrive as #rrggbb. */
export const FALLBACK_COLOR = "#3b82f6";

/** No decoder answers with a larger grid; a corrupt size must not allocate gigabytes. */
const MAX_LOGITS = 4096;

/** Nor is there a larger cut-out of pixels: 1 bit each. */
const MAX_PIXELS = 2 ** 31;

/** @type {Settings} */
const NO_SETTINGS = Object.freeze({ overlap: "on top", fillHoles: 0, dropSpecks: 0 });

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
  settings: NO_SETTINGS,
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
/** @param {unknown} value @param {number} low @param {number} otherwise */
const atLeast = (value, low, otherwise) => Math.max(numberOrNull(value) ?? otherwise, low);
/** @param {unknown} value */
const list = (value) => (Array.isArray(value) ? value : []);
/** @param {unknown} value */
const color = (value) => (/^#[0-9a-f]{6}$/i.test(text(value)) ? text(value) : FALLBACK_COLOR);
/** @param {unknown} value @returns {0 | 1} */
const polarity = (value) => (value === 0 ? 0 : 1);

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
  const { width, height, view_width, view_height, mime, data, name, tiles } = record(raw);
  const bytes = toBytes(data);
  if (!bytes?.length || integer(width, 0) < 1 || integer(height, 0) < 1) return null;
  const { size, levels } = record(tiles);
  const served = integer(size, 0) > 0 && integer(levels, 0) > 0;
  return {
    width: integer(width, 0),
    height: integer(height, 0),
    viewWidth: integer(view_width, integer(width, 0)),
    viewHeight: integer(view_height, integer(height, 0)),
    mime: text(mime),
    data: bytes,
    name: text(name),
    tiles: served ? { size: integer(size, 0), levels: integer(levels, 0) } : null,
  };
}

/** @param {unknown} raw @returns {Status} */
export function parseStatus(raw) {
  const { phase, message, hint, progress, model, device } = record(raw);
  const share = numberOrNull(progress);
  return {
    phase: text(phase) || "loading",
    message: text(message),
    hint: text(hint),
    progress: share === null ? null : Math.min(Math.max(share, 0), 1),
    model: text(model),
    device: text(device),
  };
}

/** @param {unknown} raw @returns {ObjectClass[]} */
export const parseClasses = (raw) =>
  list(raw).flatMap((each) => {
    const name = textOrNull(each) ?? textOrNull(record(each).name);
    return name === null ? [] : [{ name, color: color(record(each).color) }];
  });

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
const parseWholeMask = (raw, known) => parseMask(raw, record(raw).data, known);

/** @param {unknown} raw @param {readonly unknown[]} buffers @param {KnownStrokes} known @returns {Mask | null} with its data in a buffer */
const parseBufferedMask = (raw, buffers, known) => parseMask(raw, buffers[integer(record(raw).buffer, -1)], known);

/** @param {unknown} raw @returns {[number, number][] | null} */
function parseVertices(raw) {
  const vertices = list(raw).map((vertex) => list(vertex).slice(0, 2).map(numberOrNull));
  const whole = vertices.length > 0 && vertices.every((vertex) => vertex.length === 2 && !vertex.includes(null));
  return whole ? /** @type {[number, number][]} */ (vertices) : null;
}

/** @type {Record<string, (raw: Record<string, unknown>) => Prompt | null>} */
const PROMPT_PARSERS = {
  point({ x, y, label }) {
    const [a, b] = [numberOrNull(x), numberOrNull(y)];
    return a === null || b === null ? null : { type: "point", x: a, y: b, label: polarity(label) };
  },
  box(raw) {
    const sides = [raw.x0, raw.y0, raw.x1, raw.y1].map(numberOrNull);
    if (sides.includes(null)) return null;
    const [x0, y0, x1, y1] = /** @type {number[]} */ (sides);
    return { type: "box", x0, y0, x1, y1 };
  },
  scribble({ points, label }) {
    const vertices = parseVertices(points);
    return vertices && { type: "scribble", points: vertices, label: polarity(label) };
  },
  choice: ({ index }) => (Number.isInteger(index) ? { type: "choice", index: integer(index, 0) } : null),
  stroke({ key, points, radius, label }) {
    const reach = numberOrNull(radius) ?? 0;
    const vertices = parseVertices(points);
    if (reach <= 0 || (!vertices && !textOrNull(key))) return null;
    return { type: "stroke", key: textOrNull(key), points: vertices, radius: reach, label: polarity(label) };
  },
  mask: ({ key }) => (textOrNull(key) ? { type: "mask", key: text(key) } : null),
};

/** @param {unknown} raw @returns {Prompt[]} */
export const parsePrompts = (raw) =>
  list(raw).flatMap((each) => {
    const type = text(record(each).type);
    const parse = Object.hasOwn(PROMPT_PARSERS, type) ? PROMPT_PARSERS[type] : null;
    return parse?.(record(each)) ?? [];
  });

/**
 * @param {unknown} raw
 * @param {Mask | null} mask
 * @returns {SegmentedObject | null}
 */
function parseObject(raw, mask) {
  const { id, index, color: tint, label, score, visible, locked } = record(raw);
  if (!Number.isInteger(id)) return null;
  return {
    id: integer(id, 0),
    index: integer(index, 0),
    color: color(tint),
    label: textOrNull(label),
    score: numberOrNull(score),
    visible: visible !== false,
    locked: locked === true,
    mask,
  };
}

/** @param {unknown} raw @param {KnownStrokes} known @returns {Candidate[] | null} */
function parseCandidates(raw, known) {
  const candidates = list(raw).map((each) => ({
    score: numberOrNull(record(each).score),
    mask: parseWholeMask(record(each).mask, known),
  }));
  return candidates.length > 1 ? candidates : null;
}

/** @param {unknown} raw @param {KnownStrokes} known @returns {ActiveObject | null} */
function parseActive(raw, known) {
  const { prompts, pending, empty, mask, candidates, choice } = record(raw);
  const object = parseObject(raw, parseWholeMask(mask, known));
  return (
    object && {
      ...object,
      prompts: parsePrompts(prompts),
      pending: pending === true,
      empty: empty === true,
      candidates: parseCandidates(candidates, known),
      choice: integer(choice, 0),
    }
  );
}

/** @param {unknown} raw @returns {Settings} */
function parseSettings(raw) {
  const { overlap, fill_holes, drop_specks } = record(raw);
  return {
    overlap: overlap === "cut out" ? overlap : NO_SETTINGS.overlap,
    fillHoles: atLeast(fill_holes, 0, 0),
    dropSpecks: atLeast(drop_specks, 0, 0),
  };
}

/** @param {unknown} raw @param {KnownStrokes} [known] @returns {State} */
export function parseState(raw, known = new Map()) {
  const { revision, epoch, ack, active, can_undo, can_redo, label, notice, settings } = record(raw);
  const acks = Object.entries(record(ack)).filter(([, n]) => Number.isInteger(n));
  return {
    revision: integer(revision, EMPTY_STATE.revision),
    epoch: integer(epoch, 0),
    ack: /** @type {Record<string, number>} */ (Object.fromEntries(acks)),
    active: parseActive(active, known),
    canUndo: can_undo === true,
    canRedo: can_redo === true,
    label: textOrNull(label),
    notice: text(notice),
    settings: parseSettings(settings),
  };
}

/** @param {unknown} content */
export const typeOf = (content) => text(record(content).type);

/**
 * @param {unknown} content
 * @param {readonly unknown[]} buffers
 * @param {KnownStrokes} [known]
 * @returns {ObjectsMessage}
 */
export function parseObjects(content, buffers, known = new Map()) {
  const { reset, put, drop } = record(content);
  const objects = list(put).map((raw) => parseObject(raw, parseBufferedMask(record(raw).mask, buffers, known)));
  return {
    reset: reset === true,
    put: objects.filter((object) => object !== null),
    drop: list(drop).filter(Number.isInteger),
  };
}

/** @param {unknown} content @param {readonly unknown[]} buffers @param {KnownStrokes} [known] @returns {Preview} */
export function parsePreview(content, buffers, known = new Map()) {
  const { client, n, mask, score } = record(content);
  return { client: text(client), n: integer(n, -1), mask: parseBufferedMask(mask, buffers, known), score: numberOrNull(score) };
}

/** @param {unknown} content @returns {ProbeAnswer} */
export function parseProbe(content) {
  const { client, n, x, y, values } = record(content);
  return {
    client: text(client),
    n: integer(n, -1),
    x: numberOrNull(x) ?? 0,
    y: numberOrNull(y) ?? 0,
    values: list(values).map(numberOrNull).filter((value) => value !== null),
  };
}

/** @param {unknown} content @param {readonly unknown[]} buffers @returns {TilesMessage} */
export function parseTiles(content, buffers) {
  const { client, level, tiles } = record(content);
  const whole = list(tiles).flatMap((raw) => {
    const { col, row, mime, buffer } = record(raw);
    const data = toBytes(buffers[integer(buffer, -1)]);
    return data?.length && Number.isInteger(col) && Number.isInteger(row)
      ? [{ col: integer(col, 0), row: integer(row, 0), mime: text(mime), data }]
      : [];
  });
  return { client: text(client), level: integer(level, -1), tiles: whole };
}
