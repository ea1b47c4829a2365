/**
 * Prompts as the kernel sends them back.
 *
 * @typedef {import("./prompts.js").Prompt} Prompt
 */
import { integer, list, numberOrNull, polarity, record, text, textOrNull } from "./values.js";

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
