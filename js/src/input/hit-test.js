/**
 * Placed prompts under the pointer: finds and moves them.
 *
 * @typedef {import("../state/prompts.js").Prompt} Prompt
 * @typedef {import("../pixels/geometry.js").Position} Position
 * @typedef {import("../pixels/geometry.js").Size} Size
 * @typedef {{ index: number, corner: { x: "x0" | "x1", y: "y0" | "y1" } | null }} Grip a prompt, or one corner of a box
 */
import { boxBetween, clamp, clampPoint } from "../pixels/geometry.js";

/** @param {Position} p @param {Position} a @param {Position} b */
function distanceToSegment(p, a, b) {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const length = dx * dx + dy * dy;
  const t = length > 0 ? clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / length, 0, 1) : 0;
  return Math.hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

/** @param {readonly Position[]} line @param {Position} at */
function distanceToLine(line, at) {
  const ends = line.length > 1 ? line.slice(1) : line;
  return Math.min(...ends.map((end, k) => distanceToSegment(at, line[k], end)));
}

/** @param {Prompt & { type: "box" }} box @returns {Position[]} */
const outline = ({ x0, y0, x1, y1 }) => [
  { x: x0, y: y0 },
  { x: x1, y: y0 },
  { x: x1, y: y1 },
  { x: x0, y: y1 },
  { x: x0, y: y0 },
];

/** @param {Prompt} prompt @param {Position} at */
function distanceTo(prompt, at) {
  if (prompt.type === "point") return Math.hypot(prompt.x - at.x, prompt.y - at.y);
  if (prompt.type === "box") return distanceToLine(outline(prompt), at);
  if (prompt.type === "scribble")
    return distanceToLine(
      prompt.points.map(([x, y]) => ({ x, y })),
      at,
    );
  return Infinity;
}

/** Small ones first: on the border of a box, a point is meant and not the box. */
const LAYERS = ["point", "scribble", "box"];

/**
 * @param {readonly Prompt[]} prompts
 * @param {Position} at
 * @param {number} reach in image pixels
 * @returns {Grip | null} the newest of the smallest kind
 */
export function gripAt(prompts, at, reach) {
  for (const type of LAYERS) {
    for (let index = prompts.length - 1; index >= 0; index--) {
      const prompt = prompts[index];
      if (prompt.type !== type || distanceTo(prompt, at) > reach) continue;
      return { index, corner: prompt.type === "box" ? cornerAt(prompt, at, 1.5 * reach) : null };
    }
  }
  return null;
}

/** @param {Prompt & { type: "box" }} box @param {Position} at @param {number} reach @returns {Grip["corner"]} */
function cornerAt({ x0, y0, x1, y1 }, at, reach) {
  const x = Math.abs(at.x - x0) < Math.abs(at.x - x1) ? "x0" : "x1";
  const y = Math.abs(at.y - y0) < Math.abs(at.y - y1) ? "y0" : "y1";
  const near = Math.hypot(at.x - (x === "x0" ? x0 : x1), at.y - (y === "y0" ? y0 : y1)) <= reach;
  return near ? { x, y } : null;
}

/**
 * @param {Prompt} prompt
 * @param {Grip["corner"]} corner
 * @param {Position} by in image pixels
 * @param {Size} image
 * @returns {Prompt} the same one if it cannot be moved
 */
export function moved(prompt, corner, by, image) {
  if (prompt.type === "point")
    return { ...prompt, ...clampPoint({ x: prompt.x + by.x, y: prompt.y + by.y }, image) };
  if (prompt.type === "scribble") {
    const points = prompt.points.map(([x, y]) => clampPoint({ x: x + by.x, y: y + by.y }, image));
    return {
      ...prompt,
      points: points.map(({ x, y }) => /** @type {[number, number]} */ ([x, y])),
    };
  }
  if (prompt.type !== "box") return prompt;
  const box = corner ? stretched(prompt, corner, by) : shifted(prompt, by, image);
  const sides = boxBetween({ x: box.x0, y: box.y0 }, { x: box.x1, y: box.y1 }, image);
  return sides ? { type: "box", ...sides } : prompt;
}

/** @param {import("../pixels/geometry.js").Corners} box @param {NonNullable<Grip["corner"]>} corner @param {Position} by */
const stretched = (box, corner, by) => ({
  ...box,
  [corner.x]: box[corner.x] + by.x,
  [corner.y]: box[corner.y] + by.y,
});

/** Moved as far as possible without changing its size. @param {import("../pixels/geometry.js").Corners} box @param {Position} by @param {Size} image */
function shifted({ x0, y0, x1, y1 }, by, image) {
  const dx = clamp(by.x, -x0, image.width - x1);
  const dy = clamp(by.y, -y0, image.height - y1);
  return { x0: x0 + dx, y0: y0 + dy, x1: x1 + dx, y1: y1 + dy };
}
