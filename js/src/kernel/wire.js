/**
 * Parses what the kernel sends. Nothing here throws: a message from another version or a broken host
 * must not stop the widget.
 *
 * What should arrive is defined in `../protocol/messages.d.ts`; the parsers read exactly these fields.
 *
 * @typedef {import("../pixels/mask.js").Mask} Mask
 * @typedef {import("../state/annotation.js").Picture} Picture
 * @typedef {import("../state/annotation.js").Stack} Stack
 * @typedef {import("../state/annotation.js").Status} Status
 * @typedef {import("../state/annotation.js").ObjectClass} ObjectClass
 * @typedef {import("../state/annotation.js").Category} Category
 * @typedef {import("../state/annotation.js").PromptClass} PromptClass
 * @typedef {import("../state/annotation.js").MaskSettings} MaskSettings
 * @typedef {import("../state/annotation.js").Candidate} Candidate
 * @typedef {import("../state/annotation.js").SegmentedObject} SegmentedObject
 * @typedef {import("../state/annotation.js").ActiveObject} ActiveObject
 * @typedef {import("../state/annotation.js").State} State
 * @typedef {import("../state/annotation.js").Saved} Saved
 * @typedef {import("../state/annotation.js").ObjectsMessage} ObjectsMessage
 * @typedef {import("../state/answers.js").Preview} Preview
 * @typedef {import("../state/answers.js").ProbeAnswer} ProbeAnswer
 * @typedef {import("../state/answers.js").FileAnswer} FileAnswer
 * @typedef {import("../state/answers.js").PartAnswer} PartAnswer
 * @typedef {import("../state/answers.js").UploadedAnswer} UploadedAnswer
 * @typedef {import("../state/answers.js").TilesMessage} TilesMessage
 * @typedef {import("./wire-masks.js").KeyedData} KeyedData
 *
 * @import * as Wire from "../protocol/messages.d.ts"
 * @import { Untrusted } from "../protocol/untrusted.d.ts"
 */
import { EMPTY_STATE, DEFAULT_MASK_SETTINGS } from "../state/annotation.js";
import {
  atLeast,
  color,
  entries,
  flag,
  integer,
  integerOrNull,
  list,
  numberOrNull,
  oneOf,
  record,
  text,
  textOrNull,
  toBytes,
} from "./values.js";
import { isMissing, newKeyedData, parseBufferedMask, parseWholeMask } from "./wire-masks.js";
import { parsePrompts } from "./wire-prompts.js";

/** @param {unknown} raw @returns {Picture | null} */
export function parsePicture(raw) {
  const { width, height, view_width, view_height, mime, data, name, plane, tiles } = record(
    /** @type {Untrusted<Wire.SyncedTraits["_image"]>} */ (raw),
  );
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

/** @param {unknown} raw @param {readonly unknown[]} buffers @returns {Picture | null} */
export function parsePictureAhead(raw, buffers) {
  const content = record(/** @type {Untrusted<Wire.PictureMessage>} */ (raw));
  return parsePicture({ ...content, data: buffers[integer(content.buffer, -1)] });
}

/** @param {unknown} raw @returns {Stack | null} null for a plain image */
export function parseStack(raw) {
  const { axis, count, annotated } = record(
    /** @type {Untrusted<Wire.SyncedTraits["_stack"]>} */ (raw),
  );
  const planes = integer(count, 0);
  const numbers = list(annotated)
    .map((plane) => integer(plane, -1))
    .filter((plane) => plane >= 0 && plane < planes);
  return planes > 1 ? { axis: text(axis).slice(0, 1), count: planes, annotated: numbers } : null;
}

/** @param {unknown} raw the same trait @returns {boolean} whether the image is one of a set */
export const parseIsSet = (raw) =>
  integer(record(/** @type {Untrusted<Wire.SyncedTraits["_stack"]>} */ (raw)).images, 0) > 0;

/** @param {unknown} raw @returns {import("../state/timings.js").KernelTiming | null} */
export function parseTiming(raw) {
  const { client, n, kernel, decoder } = record(
    record(/** @type {Untrusted<Wire.StateTrait>} */ (raw)).timing,
  );
  if (!Number.isInteger(n)) return null;
  return {
    client: text(client),
    n: integer(n, 0),
    kernel: atLeast(kernel, 0, 0),
    decoder: atLeast(decoder, 0, 0),
  };
}

/** @param {unknown} raw @returns {Status} */
export function parseStatus(raw) {
  const { phase, message, hint, progress, model, device } = record(
    /** @type {Untrusted<Wire.SyncedTraits["_status"]>} */ (raw),
  );
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
  list(/** @type {Untrusted<Wire.SyncedTraits["_labels"]>} */ (raw)).flatMap((each) => {
    // A label without a colour may also be a plain text.
    const { name: declared, color: tint } = record(each);
    const name = typeof each === "string" ? each : textOrNull(declared);
    return name === null ? [] : [{ name, color: tint === null ? null : color(tint) }];
  });

/** @param {unknown} raw @returns {Category[]} */
export const parseCategories = (raw) =>
  list(/** @type {Untrusted<Wire.SyncedTraits["_categories"]>} */ (raw)).flatMap((each) => {
    const id = integer(record(each).id, -1);
    const name = textOrNull(record(each).name);
    return name === null || id < 0 ? [] : [{ id, name }];
  });

/**
 * @param {Untrusted<Wire.FinishedObject | Wire.ActiveObject | null> | undefined} raw
 * @param {Mask | null} mask
 * @returns {SegmentedObject | null}
 */
function parseObject(raw, mask) {
  const {
    id,
    index,
    prompts,
    color: tint,
    own_color,
    label,
    score,
    number,
    crowd,
    visible,
    locked,
    tracked,
  } = record(raw);
  const known = integerOrNull(id);
  if (known === null) return null;
  return {
    id: known,
    index: integer(index, 0),
    color: color(tint),
    label: textOrNull(label),
    score: numberOrNull(score),
    number: integer(number, 0) > 0 ? integer(number, 0) : null,
    crowd: flag(crowd, false),
    visible: flag(visible, true),
    locked: flag(locked, false),
    tracked: flag(tracked, false),
    prompts: parsePrompts(prompts),
    ownColor: textOrNull(own_color) && color(own_color),
    mask,
  };
}

/**
 * The chosen candidate is sent without its mask, which is the object's mask without strokes.
 *
 * @param {Untrusted<Wire.ActiveObject["candidates"] | undefined> | undefined} raw
 * @param {number} choice
 * @param {Mask | null} shown
 * @param {KeyedData} known
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

/** @param {Untrusted<Wire.ActiveObject | null> | undefined} raw @param {KeyedData} known @returns {ActiveObject | null} */
function parseActive(raw, known) {
  const { pending, empty, mask, candidates, choice } = record(raw);
  const shown = parseWholeMask(mask, known);
  const object = parseObject(raw, shown);
  return (
    object && {
      ...object,
      pending: flag(pending, false),
      empty: flag(empty, false),
      candidates: parseCandidates(candidates, integer(choice, 0), shown, known),
      choice: integer(choice, 0),
    }
  );
}

/** @param {Untrusted<Wire.StateTrait["settings"]> | undefined} raw @returns {MaskSettings} */
function parseSettings(raw) {
  const { overlap, fill_holes, drop_specks } = record(raw);
  return {
    overlap: oneOf(overlap, ["on top", "cut out"], DEFAULT_MASK_SETTINGS.overlap),
    fillHoles: atLeast(fill_holes, 0, 0),
    dropSpecks: atLeast(drop_specks, 0, 0),
  };
}

/** @param {unknown} raw @param {KeyedData} [known] @returns {State} */
export function parseState(raw, known = newKeyedData()) {
  const {
    revision,
    epoch,
    ack,
    active,
    can_undo,
    can_redo,
    label,
    next_color,
    color_by,
    notice,
    notices,
    noticed,
    settings,
    plane,
    pending_plane,
    objects,
  } = record(/** @type {Untrusted<Wire.StateTrait>} */ (raw));
  const acks = entries(ack).flatMap(([client, n]) => {
    const newest = integerOrNull(n);
    return newest === null ? [] : [[client, newest]];
  });
  return {
    revision: integer(revision, EMPTY_STATE.revision),
    epoch: integer(epoch, 0),
    ack: Object.fromEntries(acks),
    active: parseActive(active, known),
    canUndo: flag(can_undo, false),
    canRedo: flag(can_redo, false),
    label: textOrNull(label),
    nextColor: color(next_color),
    colorBy: oneOf(color_by, ["class", "object"], EMPTY_STATE.colorBy),
    notice: text(notice),
    notices: Object.fromEntries(entries(notices).map(([page, notice]) => [page, text(notice)])),
    noticeCount: integer(noticed, 0),
    settings: parseSettings(settings),
    plane: integer(plane, 0),
    pendingPlane: numberOrNull(pending_plane),
    isMaskMissing: isMissing(record(active).mask, known),
    newestObjectsMessage: integer(objects, EMPTY_STATE.newestObjectsMessage),
  };
}

/** @param {unknown} raw @returns {Saved} */
export function parseSaved(raw) {
  const { key, owner, on_disk, folder, file, error, offer } = record(
    /** @type {Untrusted<Wire.SyncedTraits["_saved"]>} */ (raw),
  );
  const count = integer(record(offer).objects, 0);
  return {
    key: text(key),
    owner: text(owner),
    onDisk: flag(on_disk, false),
    folder: text(folder),
    file: text(file),
    error: text(error),
    offer: count > 0 ? { count, seconds: atLeast(record(offer).seconds, 0, 0) } : null,
  };
}

/** @param {unknown} raw @returns {PromptClass[]} */
export const parsePromptClasses = (raw) =>
  list(/** @type {Untrusted<Wire.SyncedTraits["_prompt_classes"]>} */ (raw)).flatMap((each) => {
    const [id, name] = [integer(record(each).id, -1), textOrNull(record(each).name)];
    return name === null ? [] : [{ name, ...(id >= 0 && { id }) }];
  });

/** @param {unknown} content */
export const typeOf = (content) =>
  text(record(/** @type {Untrusted<Wire.KernelMessage>} */ (content)).type);

/**
 * @param {unknown} content
 * @param {readonly unknown[]} buffers
 * @param {KeyedData} [known]
 * @returns {ObjectsMessage}
 */
export function parseObjects(content, buffers, known = newKeyedData()) {
  const { n, plane, reset, put, drop, large_prompts } = record(
    /** @type {Untrusted<Wire.ObjectsMessage>} */ (content),
  );
  for (const [key, json] of entries(large_prompts))
    if (textOrNull(json)) known.largePrompts.set(key, text(json));
  const objects = list(put).map((raw) =>
    parseObject(raw, parseBufferedMask(record(raw).mask, buffers, known)),
  );
  return {
    n: integer(n, -1),
    plane: integer(plane, 0),
    reset: flag(reset, false),
    put: objects.filter((object) => object !== null),
    drop: list(drop)
      .map(integerOrNull)
      .filter((id) => id !== null),
  };
}

/** @param {unknown} content @param {readonly unknown[]} buffers @param {KeyedData} [known] @returns {Preview} */
export function parsePreview(content, buffers, known = newKeyedData()) {
  const { client, n, mask, score } = record(/** @type {Untrusted<Wire.PreviewAnswer>} */ (content));
  return {
    client: text(client),
    n: integer(n, -1),
    mask: parseBufferedMask(mask, buffers, known),
    score: numberOrNull(score),
  };
}

/** @param {unknown} content @returns {ProbeAnswer} */
export function parseProbe(content) {
  const { client, n, x, y, values } = record(/** @type {Untrusted<Wire.ProbeAnswer>} */ (content));
  return {
    client: text(client),
    n: integer(n, -1),
    x: numberOrNull(x) ?? 0,
    y: numberOrNull(y) ?? 0,
    values: list(values)
      .map(numberOrNull)
      .filter((value) => value !== null),
  };
}

/** @param {unknown} content @returns {FileAnswer} */
export function parseFile(content) {
  const { client, n, name, mime, size, parts } = record(
    /** @type {Untrusted<Wire.FileAnswer>} */ (content),
  );
  return {
    client: text(client),
    n: integer(n, -1),
    name: text(name),
    mime: text(mime),
    size: integer(size, 0),
    parts: integer(parts, 0),
  };
}

/** @param {unknown} content @param {readonly unknown[]} buffers @returns {PartAnswer} */
export function parsePart(content, buffers) {
  const { client, n, part } = record(/** @type {Untrusted<Wire.PartAnswer>} */ (content));
  return {
    client: text(client),
    n: integer(n, -1),
    part: integer(part, -1),
    data: toBytes(buffers[0]),
  };
}

/** @param {unknown} content @returns {UploadedAnswer} */
export function parseUploaded(content) {
  const { client, n, at, done } = record(/** @type {Untrusted<Wire.UploadedAnswer>} */ (content));
  return { client: text(client), n: integer(n, -1), at: integer(at, 0), done: flag(done, false) };
}

/** @param {unknown} content @param {readonly unknown[]} buffers @returns {TilesMessage} */
export function parseTiles(content, buffers) {
  const { client, plane, level, tiles } = record(
    /** @type {Untrusted<Wire.TilesAnswer>} */ (content),
  );
  const whole = list(tiles).flatMap((raw) => {
    const { col, row, mime, buffer } = record(raw);
    const data = toBytes(buffers[integer(buffer, -1)]);
    const [column, line] = [integerOrNull(col), integerOrNull(row)];
    return data?.length && column !== null && line !== null
      ? [{ col: column, row: line, mime: text(mime), data }]
      : [];
  });
  return {
    client: text(client),
    plane: integer(plane, 0),
    level: integer(level, -1),
    tiles: whole,
  };
}
