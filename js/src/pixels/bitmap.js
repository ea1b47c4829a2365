/**
 * A mask's pixels on some surface, cut to those that may be inside.
 *
 * @typedef {object} Bitmap
 * @property {number} x left column on the surface
 * @property {number} y top row on the surface
 * @property {number} width
 * @property {number} height
 * @property {Uint8Array} inside row-major, 1 inside and 0 outside
 * @property {Int32Array} columns image column that each column shows
 * @property {Int32Array} rows image row that each row shows
 */

export {};
