/**
 * Converts values that have arrived to values that are surely of their type. The type parameters hold
 * what the value should be, so that a field is read as what the protocol defines.
 *
 * @import { Fields, Untrusted } from "../protocol/untrusted.d.ts"
 */
import { FALLBACK_COLOR } from "../state/annotation.js";

/**
 * @template T
 * @param {Untrusted<T> | null | undefined} value
 * @returns {Fields<T>} empty when it is no record
 */
export const record = (value) =>
  typeof value === "object" && value !== null ? /** @type {Fields<T>} */ (value) : {};

/**
 * @template T
 * @param {Untrusted<Record<string, T>> | null | undefined} value
 * @returns {[string, Untrusted<T>][]} nothing when it is no record
 */
export const entries = (value) => Object.entries(/** @type {object} */ (record(value)));

/**
 * @template T
 * @param {Untrusted<readonly T[] | null | undefined> | null | undefined} value
 * @returns {Untrusted<T>[]} empty when it is no list
 */
export const list = (value) => (Array.isArray(value) ? value : []);

/** @param {Untrusted<string | null | undefined> | undefined} value */
export const text = (value) => (typeof value === "string" ? value : "");

/** @param {Untrusted<string | null | undefined> | undefined} value @returns {string | null} */
export const textOrNull = (value) => (typeof value === "string" ? value : null);

/** @param {Untrusted<number | null | undefined> | undefined} value @returns {number | null} */
export const numberOrNull = (value) =>
  typeof value === "number" && Number.isFinite(value) ? value : null;

/** @param {Untrusted<number | null | undefined> | undefined} value @param {number} otherwise */
export const integer = (value, otherwise) => integerOrNull(value) ?? otherwise;

/** @param {Untrusted<number | null | undefined> | undefined} value */
export const integerOrNull = (value) =>
  Number.isInteger(value) ? /** @type {number} */ (/** @type {unknown} */ (value)) : null;

/** @param {Untrusted<number | null | undefined> | undefined} value @param {number} low @param {number} otherwise */
export const atLeast = (value, low, otherwise) => Math.max(numberOrNull(value) ?? otherwise, low);

/** @param {Untrusted<boolean | undefined> | undefined} value @param {boolean} otherwise */
export const flag = (value, otherwise) => (typeof value === "boolean" ? value : otherwise);

/** @param {Untrusted<string | null | undefined> | undefined} value @returns {string} "#rrggbb" */
export const color = (value) =>
  /^#[0-9a-f]{6}$/i.test(text(value)) ? text(value) : FALLBACK_COLOR;

/** @param {Untrusted<number | undefined> | undefined} value @returns {0 | 1} */
export const polarity = (value) => (numberOrNull(value) === 0 ? 0 : 1);

/**
 * One of the words that a field may hold.
 *
 * @template {string} Word
 * @param {Untrusted<Word | undefined> | undefined} value
 * @param {readonly Word[]} words
 * @param {NoInfer<Word>} otherwise
 * @returns {Word}
 */
export const oneOf = (value, words, otherwise) =>
  words.find((word) => word === text(/** @type {Untrusted<string>} */ (value))) ?? otherwise;

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
