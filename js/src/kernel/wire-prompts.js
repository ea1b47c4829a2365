/**
 * Prompts as the kernel sends them back.
 *
 * @import { Scribble, ShownPrompt } from "../protocol/messages.d.ts"
 * @import { Fields, Untrusted } from "../protocol/untrusted.d.ts"
 * @typedef {import("../state/prompts.js").Prompt} Prompt
 */
import { integerOrNull, list, numberOrNull, polarity, record, text, textOrNull } from "./values.js";

/** @param {Untrusted<Scribble["points"] | undefined> | undefined} raw @returns {[number, number][] | null} */
function parseVertices(raw) {
  const vertices = list(raw).map((vertex) => list(vertex).slice(0, 2).map(numberOrNull));
  const whole =
    vertices.length > 0 &&
    vertices.every((vertex) => vertex.length === 2 && !vertex.includes(null));
  return whole ? /** @type {[number, number][]} */ (vertices) : null;
}

/** @type {Record<ShownPrompt["type"], (raw: Fields<ShownPrompt>) => Prompt | null>} */
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
  choice({ index: raw }) {
    const index = integerOrNull(raw);
    return index === null ? null : { type: "choice", index };
  },
  stroke({ key, points, radius, label }) {
    const reach = numberOrNull(radius) ?? 0;
    const vertices = parseVertices(points);
    if (reach <= 0) return null;
    /** @type {import("../state/prompts.js").StrokeBrush} */
    const brush = { type: "stroke", radius: reach, label: polarity(label) };
    if (text(key)) return { ...brush, key: text(key), points: vertices };
    return vertices && { ...brush, key: null, points: vertices };
  },
  mask: ({ key }) => (textOrNull(key) ? { type: "mask", key: text(key) } : null),
};

/** @param {Untrusted<ShownPrompt[] | undefined> | undefined} raw @returns {Prompt[]} */
export const parsePrompts = (raw) =>
  list(raw).flatMap((each) => {
    const type = text(record(each).type);
    const parse = Object.hasOwn(PROMPT_PARSERS, type)
      ? PROMPT_PARSERS[/** @type {ShownPrompt["type"]} */ (type)]
      : null;
    return parse?.(record(each)) ?? [];
  });
