/** Values of whatever kind a message brings, made into values of one kind. */

/** @param {unknown} value @returns {Record<string, unknown>} */
export const record = (value) =>
  typeof value === "object" && value !== null ? /** @type {Record<string, unknown>} */ (value) : {};
/** @param {unknown} value */
export const text = (value) => (typeof value === "string" ? value : "");
/** @param {unknown} value */
export const textOrNull = (value) => (typeof value === "string" ? value : null);
/** @param {unknown} value */
export const numberOrNull = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);
/** @param {unknown} value @param {number} otherwise */
export const integer = (value, otherwise) => (Number.isInteger(value) ? /** @type {number} */ (value) : otherwise);
/** @param {unknown} value @param {number} low @param {number} otherwise */
export const atLeast = (value, low, otherwise) => Math.max(numberOrNull(value) ?? otherwise, low);
/** @param {unknown} value */
export const list = (value) => (Array.isArray(value) ? value : []);
/** @param {unknown} value @returns {0 | 1} */
export const polarity = (value) => (value === 0 ? 0 : 1);

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
