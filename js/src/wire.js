/**
 * What the kernel sends, checked once at the door. Nothing here throws: a message from another
 * version or a broken host must not take the widget down.
 *
 * @typedef {import("./prompts.js").Prompt} Prompt
 * @typedef {import("./mask.js").Mask} Mask
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
 * @property {number} plane
 * @property {TileScheme | null} tiles
 *
 * @typedef {{ axis: string, count: number, annotated: number[] }} Stack planes, and the numbers of those with objects
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
 * @property {string} nextColor of the object that the next prompt would start
 * @property {string} notice about the mask
 * @property {Readonly<Record<string, string>>} notices what single pages were told, by their tab, or all, under ""
 * @property {number} noticed how many notices there have been
 * @property {Settings} settings
 * @property {number} plane the one that all this is about
 * @property {number | null} turning the plane that is on its way
 * @property {boolean} lacks the mask is one that this page has not got
 * @property {number} objects number of the last message of objects that belongs to it
 *
 * @typedef {{ n: number, plane: number, reset: boolean, put: SegmentedObject[], drop: number[] }} ObjectsMessage
 * @typedef {import("./wire-masks.js").Known} Known
 * @typedef {{ client: string, n: number, mask: Mask | null, score: number | null }} Preview
 * @typedef {{ client: string, n: number, x: number, y: number, values: number[] }} ProbeAnswer
 * @typedef {{ client: string, n: number, name: string, mime: string, size: number, parts: number }} FileAnswer no parts: it could not be made
 * @typedef {{ client: string, n: number, part: number, data: Uint8Array<ArrayBuffer> | null }} PartAnswer
 * @typedef {{ client: string, n: number, at: number, done: boolean }} UploadedAnswer
 * @typedef {{ col: number, row: number, mime: string, data: Uint8Array<ArrayBuffer> }} Tile
 * @typedef {{ client: string, plane: number, level: number, tiles: Tile[] }} TilesMessage
 */
import { atLeast, integer, list, numberOrNull, record, text, textOrNull, toBytes } from "./values.js";
import { isMissing, nothingKnown, parseBufferedMask, parseWholeMask } from "./wire-masks.js";
import { parsePrompts } from "./wire-prompts.js";

/** Drawn for an object whose colour did not arrive as #rrggbb. */
export const FALLBACK_COLOR = "#3b82f6";

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
  nextColor: FALLBACK_COLOR,
  notice: "",
  notices: Object.freeze({}),
  noticed: 0,
  settings: NO_SETTINGS,
  plane: 0,
  turning: null,
  lacks: false,
  objects: -1,
});

/** @param {unknown} value */
const color = (value) => (/^#[0-9a-f]{6}$/i.test(text(value)) ? text(value) : FALLBACK_COLOR);

/** @param {unknown} raw @returns {Picture | null} */
export function parsePicture(raw) {
  const { width, height, view_width, view_height, mime, data, name, plane, tiles } = record(raw);
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
    plane: integer(plane, 0),
    tiles: served ? { size: integer(size, 0), levels: integer(levels, 0) } : null,
  };
}

/** @param {unknown} raw @returns {Stack | null} null for a plain image */
export function parseStack(raw) {
  const { axis, count, annotated } = record(raw);
  const planes = integer(count, 0);
  const numbers = list(annotated).filter((at) => Number.isInteger(at) && at >= 0 && at < planes);
  return planes > 1 ? { axis: text(axis).slice(0, 1), count: planes, annotated: numbers } : null;
}

/** @param {unknown} raw the trait `_state` @returns {import("./timings.js").KernelTiming | null} */
export function parseTiming(raw) {
  const { client, n, kernel, decoder } = record(record(raw).timing);
  if (!Number.isInteger(n)) return null;
  return { client: text(client), n: integer(n, 0), kernel: atLeast(kernel, 0, 0), decoder: atLeast(decoder, 0, 0) };
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

/**
 * The one that is chosen comes without its mask, which is that of the object but for its strokes.
 *
 * @param {unknown} raw
 * @param {number} choice
 * @param {Mask | null} shown
 * @param {Known} known
 * @returns {Candidate[] | null}
 */
function parseCandidates(raw, choice, shown, known) {
  const chosen = shown?.base ? { base: shown.base, strokes: [] } : null;
  const candidates = list(raw).map((each, at) => ({
    score: numberOrNull(record(each).score),
    mask: parseWholeMask(record(each).mask, known) ?? (at === choice ? chosen : null),
  }));
  return candidates.length > 1 ? candidates : null;
}

/** @param {unknown} raw @param {Known} known @returns {ActiveObject | null} */
function parseActive(raw, known) {
  const { prompts, pending, empty, mask, candidates, choice } = record(raw);
  const shown = parseWholeMask(mask, known);
  const object = parseObject(raw, shown);
  return (
    object && {
      ...object,
      prompts: parsePrompts(prompts),
      pending: pending === true,
      empty: empty === true,
      candidates: parseCandidates(candidates, integer(choice, 0), shown, known),
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

/** @param {unknown} raw @param {Known} [known] @returns {State} */
export function parseState(raw, known = nothingKnown()) {
  const { revision, epoch, ack, active, can_undo, can_redo, label, next_color, notice, notices, noticed, settings, plane, turning, objects } = record(raw);
  const acks = Object.entries(record(ack)).filter(([, n]) => Number.isInteger(n));
  return {
    revision: integer(revision, EMPTY_STATE.revision),
    epoch: integer(epoch, 0),
    ack: /** @type {Record<string, number>} */ (Object.fromEntries(acks)),
    active: parseActive(active, known),
    canUndo: can_undo === true,
    canRedo: can_redo === true,
    label: textOrNull(label),
    nextColor: color(next_color),
    notice: text(notice),
    notices: Object.fromEntries(Object.entries(record(notices)).map(([page, told]) => [page, text(told)])),
    noticed: integer(noticed, 0),
    settings: parseSettings(settings),
    plane: integer(plane, 0),
    turning: numberOrNull(turning),
    lacks: isMissing(record(active).mask, known),
    objects: integer(objects, EMPTY_STATE.objects),
  };
}

/** @param {unknown} content */
export const typeOf = (content) => text(record(content).type);

/**
 * @param {unknown} content
 * @param {readonly unknown[]} buffers
 * @param {Known} [known]
 * @returns {ObjectsMessage}
 */
export function parseObjects(content, buffers, known = nothingKnown()) {
  const { n, plane, reset, put, drop } = record(content);
  const objects = list(put).map((raw) => parseObject(raw, parseBufferedMask(record(raw).mask, buffers, known)));
  return {
    n: integer(n, -1),
    plane: integer(plane, 0),
    reset: reset === true,
    put: objects.filter((object) => object !== null),
    drop: list(drop).filter(Number.isInteger),
  };
}

/** @param {unknown} content @param {readonly unknown[]} buffers @param {Known} [known] @returns {Preview} */
export function parsePreview(content, buffers, known = nothingKnown()) {
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

/** @param {unknown} content @returns {FileAnswer} */
export function parseFile(content) {
  const { client, n, name, mime, size, parts } = record(content);
  return { client: text(client), n: integer(n, -1), name: text(name), mime: text(mime), size: integer(size, 0), parts: integer(parts, 0) };
}

/** @param {unknown} content @param {readonly unknown[]} buffers @returns {PartAnswer} */
export function parsePart(content, buffers) {
  const { client, n, part } = record(content);
  return { client: text(client), n: integer(n, -1), part: integer(part, -1), data: toBytes(buffers[0]) };
}

/** @param {unknown} content @returns {UploadedAnswer} */
export function parseUploaded(content) {
  const { client, n, at, done } = record(content);
  return { client: text(client), n: integer(n, -1), at: integer(at, 0), done: done === true };
}

/** @param {unknown} content @param {readonly unknown[]} buffers @returns {TilesMessage} */
export function parseTiles(content, buffers) {
  const { client, plane, level, tiles } = record(content);
  const whole = list(tiles).flatMap((raw) => {
    const { col, row, mime, buffer } = record(raw);
    const data = toBytes(buffers[integer(buffer, -1)]);
    return data?.length && Number.isInteger(col) && Number.isInteger(row)
      ? [{ col: integer(col, 0), row: integer(row, 0), mime: text(mime), data }]
      : [];
  });
  return { client: text(client), plane: integer(plane, 0), level: integer(level, -1), tiles: whole };
}

/**
 * Put objects at their places, one after the other.
 *
 * @param {readonly SegmentedObject[]} objects
 * @param {readonly SegmentedObject[]} put
 */
export function insertAll(objects, put) {
  let list = [...objects];
  const known = new Set(list.map(({ id }) => id));
  for (const object of put) {
    if (known.has(object.id)) list = list.filter(({ id }) => id !== object.id);
    known.add(object.id);
    list.splice(Math.max(object.index, 0), 0, object);
  }
  return list;
}
