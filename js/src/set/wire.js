/**
 * Reads the traits and messages of the kernel, which may be of another version: what does not fit is
 * replaced.
 *
 * @import * as Wire from "../protocol/messages.d.ts"
 * @import { Untrusted } from "../protocol/untrusted.d.ts"
 *
 * @typedef {"untouched" | "in progress" | "done" | "empty" | "review" | "skipped"} State
 * @typedef {string | number | boolean} Value of an attribute
 * @typedef {"text" | "number" | "flag" | "choice"} AttributeType
 * @typedef {{ name: string, type: AttributeType, choices: readonly string[] }} Attribute
 * @typedef {ReadonlyMap<string, Value>} Values
 *
 * @typedef {{ total: number, matches: number, list: number, version: number, before: number, isMatch: boolean }} Images
 * @typedef {{ id: number, place: number, label: string | null, note: string, values: Values }} ObjectDetails
 * @typedef {{ number: number, name: string, state: State, note: string, values: Values, object: ObjectDetails | null, carriedOut: number }} Shown carriedOut: this page's newest action that was carried out before, -1 if none was
 * @typedef {{ done: number, unreadable: number, secondsPerImage: number | null, secondsLeft: number | null, error: string }} Progress
 * @typedef {{ text: string, state: State | null, label: string | null }} Search
 * @typedef {{ classes: readonly string[], used: readonly string[], image: readonly Attribute[], object: readonly Attribute[] }} Declared
 * @typedef {{ count: number, client: string, text: string }} Notice
 * @typedef {{ number: number, name: string, state: State, problem: string }} Item
 */
import {
  entries,
  flag,
  integer,
  list,
  numberOrNull,
  oneOf,
  record,
  text,
  textOrNull,
  toBytes,
} from "../kernel/values.js";

/** @type {readonly State[]} */
export const STATES = ["untouched", "in progress", "done", "empty", "review", "skipped"];

/** @type {readonly AttributeType[]} */
const ATTRIBUTE_TYPES = ["text", "number", "flag", "choice"];

/** @param {Untrusted<State | null | undefined> | undefined} value @returns {State} */
export const stateOf = (value) =>
  oneOf(/** @type {Untrusted<State>} */ (value), STATES, "untouched");

/** @param {Untrusted<number> | undefined} value @returns {number} a whole number from 0 */
export const count = (value) => Math.max(integer(value, 0), 0);

/** @param {unknown} raw @returns {Images} */
export function parseImages(raw) {
  const { total, matches, list, version, before, is_match } = record(
    /** @type {Untrusted<Wire.ImagesTrait>} */ (raw),
  );
  return {
    total: count(total),
    matches: count(matches),
    list: count(list),
    version: count(version),
    before: count(before),
    isMatch: flag(is_match, false),
  };
}

/** @param {Untrusted<Wire.ShownTrait["values"]> | undefined} raw @returns {Values} */
function parseValues(raw) {
  /** @type {Map<string, Value>} */
  const found = new Map();
  for (const [name, value] of entries(raw)) {
    const known = /** @type {unknown} */ (value);
    if (typeof known === "string" || typeof known === "boolean" || Number.isFinite(known))
      found.set(name, /** @type {Value} */ (known));
  }
  return found;
}

/** @param {unknown} raw @param {string} client @returns {Shown} */
export function parseShown(raw, client) {
  const { number, name, state, note, values, object, actions } = record(
    /** @type {Untrusted<Wire.ShownTrait>} */ (raw),
  );
  return {
    number: count(number),
    name: text(name),
    state: stateOf(state),
    note: text(note),
    values: parseValues(values),
    object: parseObject(object),
    carriedOut: parseAck(actions, client),
  };
}

/** @param {Untrusted<Wire.ObjectDetails | null> | undefined} raw @returns {ObjectDetails | null} */
function parseObject(raw) {
  if (!raw) return null;
  const { id, place, label, note, values } = record(raw);
  return {
    id: count(id),
    place: count(place),
    label: textOrNull(label),
    note: text(note),
    values: parseValues(values),
  };
}

/** @param {unknown} raw @returns {Progress} */
export function parseProgress(raw) {
  const { done, unreadable, seconds_per_image, seconds_left, error } = record(
    /** @type {Untrusted<Wire.ProgressTrait>} */ (raw),
  );
  return {
    done: count(done),
    unreadable: count(unreadable),
    secondsPerImage: numberOrNull(seconds_per_image),
    secondsLeft: numberOrNull(seconds_left),
    error: text(error),
  };
}

/** @param {unknown} raw @returns {Search} */
export function parseSearch(raw) {
  const found = record(/** @type {Untrusted<Wire.SearchTrait>} */ (raw));
  return {
    text: text(found.text),
    state: textOrNull(found.state) === null ? null : stateOf(found.state),
    label: textOrNull(found.label),
  };
}

/** @param {unknown} raw @returns {Declared} */
export function parseDeclared(raw) {
  const { classes, used, image, object } = record(
    /** @type {Untrusted<Wire.DeclaredTrait>} */ (raw),
  );
  return {
    classes: list(classes).map(text),
    used: list(used).map(text),
    image: list(image).map(parseAttribute),
    object: list(object).map(parseAttribute),
  };
}

/** @param {Untrusted<Wire.AttributeDeclaration>} raw @returns {Attribute} */
function parseAttribute(raw) {
  const { name, type, choices } = record(raw);
  return {
    name: text(name),
    type: oneOf(/** @type {Untrusted<AttributeType>} */ (type), ATTRIBUTE_TYPES, "text"),
    choices: list(choices).map(text),
  };
}

/** @param {unknown} raw @returns {Notice} */
export function parseNotice(raw) {
  const found = record(/** @type {Untrusted<Wire.NoticeTrait>} */ (raw));
  return { count: count(found.count), client: text(found.client), text: text(found.text) };
}

/** @param {unknown} raw @param {string} client @returns {number} its newest action that has arrived; -1 if none has */
export function parseAck(raw, client) {
  const found = entries(/** @type {Untrusted<Record<string, number>>} */ (raw));
  return integer(found.find(([name]) => name === client)?.[1], -1);
}

/** @param {unknown} raw */
export function parseItems(raw) {
  const found = record(/** @type {Untrusted<Wire.ItemsAnswer>} */ (raw));
  return {
    client: text(found.client),
    n: count(found.n),
    list: count(found.list),
    version: count(found.version),
    first: count(found.first),
    items: list(found.items).map(parseItem),
  };
}

/** @param {Untrusted<Wire.ImageItem>} raw @returns {Item} */
function parseItem(raw) {
  const { number, name, state, problem } = record(raw);
  return {
    number: count(number),
    name: text(name),
    state: stateOf(state),
    problem: text(problem),
  };
}

/** @param {unknown} raw @param {readonly unknown[]} buffers */
export function parseThumbnail(raw, buffers) {
  const found = record(/** @type {Untrusted<Wire.ThumbnailAnswer>} */ (raw));
  return {
    client: text(found.client),
    n: count(found.n),
    number: count(found.number),
    error: text(found.error),
    data: toBytes(buffers[0]),
  };
}
