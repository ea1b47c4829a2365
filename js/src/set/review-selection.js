/**
 * What is selected in a list of many thousands: ranges of positions, in order and apart from each other.
 *
 * @typedef {readonly [number, number]} Range first and last position
 * @typedef {readonly Range[]} Ranges
 * @typedef {object} Selection
 * @property {Ranges} ranges
 * @property {number} anchor where a range that is extended starts
 * @property {number} cursor where the keys are
 */

/** @type {Selection} */
export const NOTHING = { ranges: [], anchor: 0, cursor: 0 };

/** @param {Ranges} ranges @param {number} position */
export const includes = (ranges, position) =>
  ranges.some(([first, last]) => first <= position && position <= last);

/** @param {Ranges} ranges */
export const countOf = (ranges) => ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);

/** @param {Ranges} ranges @param {Range} added @returns {Ranges} */
export function withRange(ranges, [first, last]) {
  const apart = ranges.filter(([a, b]) => b < first - 1 || a > last + 1);
  const joined = ranges.filter(([a, b]) => b >= first - 1 && a <= last + 1);
  /** @type {Range} */
  const whole = [
    Math.min(first, ...joined.map(([a]) => a)),
    Math.max(last, ...joined.map(([, b]) => b)),
  ];
  return [...apart, whole].sort(([a], [b]) => a - b);
}

/** @param {Ranges} ranges @param {number} position @returns {Ranges} */
const without = (ranges, position) =>
  ranges.flatMap(([first, last]) => {
    if (position < first || position > last) return [/** @type {Range} */ ([first, last])];
    /** @type {Range[]} */
    const rest = [
      [first, position - 1],
      [position + 1, last],
    ];
    return rest.filter(([a, b]) => a <= b);
  });

/**
 * @param {Selection} selection
 * @param {number} position
 * @returns {Selection}
 */
export const toggled = ({ ranges }, position) => ({
  ranges: includes(ranges, position)
    ? without(ranges, position)
    : withRange(ranges, [position, position]),
  anchor: position,
  cursor: position,
});

/**
 * All from the anchor to a position, in place of what was selected, or in addition.
 *
 * @param {Selection} selection
 * @param {number} position
 * @param {{ add: boolean }} options
 * @returns {Selection}
 */
export function extended({ ranges, anchor }, position, { add }) {
  /** @type {Range} */
  const range = [Math.min(anchor, position), Math.max(anchor, position)];
  return { ranges: add ? withRange(ranges, range) : [range], anchor, cursor: position };
}

/** @param {number} position @returns {Selection} */
export const only = (position) => ({
  ranges: [[position, position]],
  anchor: position,
  cursor: position,
});

/** @param {Selection} selection @param {number} total @returns {Selection} */
export const everything = (selection, total) =>
  total > 0 ? { ...selection, ranges: [[0, total - 1]] } : NOTHING;

/**
 * Where a key moves the cursor of a grid.
 *
 * @param {string} key
 * @param {number} at
 * @param {{ columns: number, rows: number, total: number, isWhole: boolean }} grid `rows`: of one page;
 *   `isWhole`: Home and End mean the whole list
 * @returns {number | null} null for other keys
 */
export function movedTo(key, at, { columns, rows, total, isWhole }) {
  const row = at - (at % columns);
  /** @type {Record<string, number>} */
  const targets = {
    ArrowLeft: at - 1,
    ArrowRight: at + 1,
    ArrowUp: at - columns < 0 ? at : at - columns,
    // To the last object from the row before the last one, which may be shorter.
    ArrowDown: row + columns >= total ? at : at + columns,
    PageUp: at - columns * rows,
    PageDown: at + columns * rows,
    Home: isWhole ? 0 : row,
    End: isWhole ? total - 1 : row + columns - 1,
  };
  const to = targets[key];
  return to === undefined || total === 0 ? null : Math.min(Math.max(to, 0), total - 1);
}
