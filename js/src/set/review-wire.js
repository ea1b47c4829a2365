/**
 * Reads the kernel's messages about a review; what does not fit is replaced.
 *
 * @import * as Wire from "../protocol/messages.d.ts"
 * @import { Untrusted } from "../protocol/untrusted.d.ts"
 *
 * @typedef {import("./wire.js").State} State
 * @typedef {"image" | "score" | "area" | "time"} Sort
 * @typedef {{ sort: Sort, descending: boolean, labels: readonly (string | null)[] | null, state: State | null, accepted: boolean | null }} Query
 * @typedef {{ number: number, object: number, name: string, label: string | null, state: State, score: number | null, area: number | null, time: number | null, accepted: boolean, color: string, look: string }} Row
 * @typedef {{ version: number, undo: string, action: number, message: string }} Review
 */
import { flag, list, numberOrNull, record, text, textOrNull, toBytes } from "../kernel/values.js";
import { count, stateOf } from "./wire.js";

/** @type {readonly Sort[]} */
export const SORTS = ["image", "score", "area", "time"];

/** @param {unknown} raw @returns {Review} */
export function parseReviewState(raw) {
  const found = record(/** @type {Untrusted<Wire.ReviewTrait>} */ (raw));
  return {
    version: count(found.version),
    undo: text(found.undo),
    action: count(found.action),
    message: text(found.message),
  };
}

/** @param {unknown} raw */
export function parseReview(raw) {
  const found = record(/** @type {Untrusted<Wire.ReviewAnswer>} */ (raw));
  return {
    client: text(found.client),
    n: count(found.n),
    list: count(found.list),
    total: count(found.total),
    unmeasured: count(found.unmeasured),
  };
}

/** @param {unknown} raw */
export function parseRows(raw) {
  const found = record(/** @type {Untrusted<Wire.RowsAnswer>} */ (raw));
  return {
    client: text(found.client),
    n: count(found.n),
    list: count(found.list),
    first: count(found.first),
    rows: list(found.rows).map(parseRow),
  };
}

/** @param {Untrusted<Wire.ReviewRowItem>} raw @returns {Row} */
function parseRow(raw) {
  const found = record(raw);
  return {
    number: count(found.number),
    object: count(found.object),
    name: text(found.name),
    label: textOrNull(found.label),
    state: stateOf(found.state),
    score: numberOrNull(found.score),
    area: numberOrNull(found.area),
    time: numberOrNull(found.time),
    accepted: flag(found.accepted, false),
    color: text(found.color),
    look: text(found.look),
  };
}

/** @param {unknown} raw @param {readonly unknown[]} buffers */
export function parseCrop(raw, buffers) {
  const found = record(/** @type {Untrusted<Wire.CropAnswer>} */ (raw));
  return {
    client: text(found.client),
    n: count(found.n),
    number: count(found.number),
    object: count(found.object),
    look: text(found.look),
    error: text(found.error),
    data: toBytes(buffers[0]),
  };
}
