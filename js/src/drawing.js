/**
 * The marks over the masks: placed prompts, what is being drawn, the cursor.
 *
 * @typedef {import("./store.js").Snapshot} Snapshot
 * @typedef {import("./commands.js").ViewState} ViewState
 * @typedef {import("./layers.js").Frame} Frame
 * @typedef {import("./geometry.js").Position} Position
 * @typedef {import("./prompts.js").Prompt} Prompt
 * @typedef {CanvasRenderingContext2D} Context
 */
import { toSurface } from "./geometry.js";
import { brushRadius } from "./options.js";
import { drawBox, drawBrush, drawCrosshair, drawGrid, drawPoint, drawPulse, drawScribble } from "./paint.js";
import { isForModel } from "./prompts.js";

/** Milliseconds until a mask that is on its way is worth a sign: before, it would take its time from the model. */
const PATIENCE = 200;

const PAINTS = new Set(["brush", "eraser"]);

/** Where a prompt's pulse comes from. @param {Prompt} prompt @returns {Position | null} */
function heartOf(prompt) {
  if (prompt.type === "point") return prompt;
  if (prompt.type === "box") return { x: (prompt.x0 + prompt.x1) / 2, y: (prompt.y0 + prompt.y1) / 2 };
  if (prompt.type !== "scribble") return null;
  const [x, y] = prompt.points[prompt.points.length >> 1];
  return { x, y };
}

/** @param {{ repaint: () => void, signal: AbortSignal }} options */
export function createMarks({ repaint, signal }) {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  /** Time at which the ring around the newest pending prompt began to grow; null while it waits. @type {number | null} */
  let pulseStart = null;
  let due = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  /** @type {Prompt | null} */
  let pulsing = null;
  signal.addEventListener("abort", stopPulse);

  function stopPulse() {
    clearTimeout(waiting);
    [pulsing, pulseStart, due] = [null, null, false];
  }

  /** @param {Prompt} newest */
  function awaitPulse(newest) {
    stopPulse();
    pulsing = newest;
    waiting = setTimeout(() => {
      due = true;
      repaint();
    }, PATIENCE);
  }

  /** @param {Context} context @param {Prompt[]} prompts @param {Frame} frame @param {number} time @returns {boolean} whether it grows */
  function drawPulseOf(context, prompts, { placement, style }, time) {
    const newest = prompts[prompts.length - 1];
    if (!pulsing || JSON.stringify(newest) !== JSON.stringify(pulsing)) awaitPulse(newest);
    const heart = heartOf(newest);
    if (!due || !heart) return false;
    pulseStart ??= time;
    drawPulse(context, toSurface(heart, placement), style.unit, still.matches ? null : time - pulseStart);
    return !still.matches;
  }

  /** @param {Context} context @param {readonly Prompt[]} prompts @param {number | null} grabbed @param {Frame} frame */
  function drawPrompts(context, prompts, grabbed, frame) {
    const { placement, style: { unit } } = frame;
    const at = (/** @type {Position} */ position) => toSurface(position, placement);
    prompts.forEach((prompt, k) => prompt.type === "box" && drawSides(context, { x: prompt.x0, y: prompt.y0 }, { x: prompt.x1, y: prompt.y1 }, frame, k === grabbed, false));
    prompts.forEach((prompt, k) => {
      if (prompt.type === "scribble") drawScribble(context, prompt.points.map(([x, y]) => at({ x, y })), prompt.label === 1, unit, k === grabbed);
    });
    prompts.forEach((prompt, k) => prompt.type === "point" && drawPoint(context, at(prompt), prompt.label === 1, unit, k === grabbed));
  }

  /** @param {Context} context @param {Position} from @param {Position} to @param {Frame} frame @param {boolean} held @param {boolean} dashed */
  function drawSides(context, from, to, { placement, style }, held, dashed) {
    const [p, q] = [toSurface(from, placement), toSurface(to, placement)];
    const sides = { x0: Math.min(p.x, q.x), y0: Math.min(p.y, q.y), x1: Math.max(p.x, q.x), y1: Math.max(p.y, q.y) };
    drawBox(context, sides, held ? 1.6 * style.unit : style.unit, dashed);
  }

  /** @param {Context} context @param {ViewState} ui @param {Frame} frame */
  function drawDraft(context, { draft }, frame) {
    if (draft?.kind === "box") drawSides(context, draft.from, draft.to, frame, false, true);
    if (draft?.kind !== "scribble") return;
    const line = draft.points.map((/** @type {[number, number]} */ [x, y]) => toSurface({ x, y }, frame.placement));
    drawScribble(context, line, draft.label === 1, frame.style.unit);
  }

  /** @param {Context} context @param {Snapshot} snapshot @param {ViewState} ui @param {Frame} frame */
  function drawCursor(context, { options, picture }, ui, { placement, style: { unit } }) {
    if (!ui.cursor || !picture) return;
    const at = toSurface(ui.cursor, placement);
    const radius = brushRadius(options.brushSize, picture) * (placement.width / picture.width);
    if (PAINTS.has(options.tool) && !ui.holdPan) drawBrush(context, at, radius, unit);
    if (ui.crosshair) drawCrosshair(context, at, unit);
  }

  /**
   * @param {Context} context
   * @param {Snapshot} snapshot
   * @param {ViewState} ui
   * @param {Frame} frame
   * @param {number} time
   * @returns {boolean} whether the next frame differs
   */
  function draw(context, snapshot, ui, frame, time) {
    const { prompts, pending, gone } = snapshot;
    const { draft } = ui;
    const asked = prompts.filter(isForModel);
    const animated = pending && !gone && asked.length > 0;
    drawGrid(context, frame.placement);
    const grows = animated && drawPulseOf(context, asked, frame, time);
    if (!animated && pulsing) stopPulse();
    const shown = draft?.kind === "move" ? prompts.map((prompt, k) => (k === draft.index ? draft.prompt : prompt)) : prompts;
    if (!ui.hideMasks) drawPrompts(context, shown, ui.grabbed, frame);
    drawDraft(context, ui, frame);
    drawCursor(context, snapshot, ui, frame);
    return grows;
  }

  /** The pointer's shape. @param {Snapshot} snapshot @param {ViewState} ui */
  function cursor({ options }, { holdPan, grabbed, draft, hovered }) {
    if (draft?.kind === "move") return "grabbing";
    if (holdPan || options.tool === "pan") return "grab";
    if (options.tool === "select") return hovered === null ? "default" : "pointer";
    return grabbed === null || draft ? "crosshair" : "grab";
  }

  return { draw, cursor };
}
