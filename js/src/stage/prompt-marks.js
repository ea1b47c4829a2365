/**
 * The marks over the masks: placed prompts, what is being drawn, the cursor.
 *
 * @typedef {import("../state/snapshot.js").Snapshot} Snapshot
 * @typedef {import("../state/view-state.js").ViewState} ViewState
 * @typedef {import("./layers.js").Frame} Frame
 * @typedef {import("../pixels/geometry.js").Position} Position
 * @typedef {import("../state/prompts.js").Prompt} Prompt
 * @typedef {CanvasRenderingContext2D} Context
 *
 * @typedef {object} Mark
 * @property {Function} look a function of `paint.js`
 * @property {string} args its arguments as JSON
 * @property {(context: Context) => void} draw
 */
import { cssPixelOf, toSurface } from "../pixels/geometry.js";
import { brushRadius } from "../state/options.js";
import {
  drawBox,
  drawBrush,
  drawCrosshair,
  drawGrid,
  drawGuide,
  drawPoint,
  drawPulse,
  drawScribble,
} from "./paint.js";
import { isForModel } from "../state/prompts.js";

/**
 * @template {unknown[]} Args
 * @param {(context: Context, ...args: Args) => void} draw
 * @param {Args} args
 * @returns {Mark}
 */
const mark = (draw, ...args) => ({
  look: draw,
  args: JSON.stringify(args),
  draw: (context) => draw(context, ...args),
});

/** @param {readonly Mark[]} a @param {readonly Mark[]} b */
export const sameMarks = (a, b) =>
  a.length === b.length && a.every(({ look, args }, k) => look === b[k].look && args === b[k].args);

/** Milliseconds until a pending mask is shown as pending: drawing earlier would take time from the model. */
const PULSE_DELAY = 200;

const PAINTS = new Set(["brush", "eraser"]);

/** The centre of a prompt's pulse. @param {Prompt} prompt @returns {Position | null} */
function pulseCenterOf(prompt) {
  if (prompt.type === "point") return prompt;
  if (prompt.type === "box")
    return { x: (prompt.x0 + prompt.x1) / 2, y: (prompt.y0 + prompt.y1) / 2 };
  if (prompt.type !== "scribble") return null;
  const [x, y] = prompt.points[prompt.points.length >> 1];
  return { x, y };
}

/** @param {Position} from @param {Position} to @param {Frame} frame @param {boolean} held @param {boolean} dashed */
function sideMark(from, to, { placement, style }, held, dashed) {
  const [p, q] = [toSurface(from, placement), toSurface(to, placement)];
  const sides = {
    x0: Math.min(p.x, q.x),
    y0: Math.min(p.y, q.y),
    x1: Math.max(p.x, q.x),
    y1: Math.max(p.y, q.y),
  };
  return mark(drawBox, sides, held ? 1.6 * style.unit : style.unit, dashed);
}

/** @param {readonly [number, number][]} points @param {0 | 1} label @param {Frame} frame @param {boolean} held */
const scribbleMark = (points, label, { placement, style }, held) =>
  mark(
    drawScribble,
    points.map(([x, y]) => toSurface({ x, y }, placement)),
    label === 1,
    style.unit,
    held,
  );

/** @param {import("../state/prompts.js").PointPrompt} point @param {Frame} frame @param {boolean} held */
const pointMark = (point, { placement, style }, held) =>
  mark(drawPoint, toSurface(point, placement), point.label === 1, style.unit, held);

/** Boxes below scribbles below points. @param {readonly Prompt[]} prompts @param {number | null} grabbed @param {Frame} frame @returns {Mark[]} */
function promptMarks(prompts, grabbed, frame) {
  /** @type {Record<"box" | "scribble" | "point", Mark[]>} */
  const marks = { box: [], scribble: [], point: [] };
  prompts.forEach((prompt, k) => {
    const held = k === grabbed;
    if (prompt.type === "box")
      marks.box.push(
        sideMark(
          { x: prompt.x0, y: prompt.y0 },
          { x: prompt.x1, y: prompt.y1 },
          frame,
          held,
          false,
        ),
      );
    if (prompt.type === "scribble")
      marks.scribble.push(scribbleMark(prompt.points, prompt.label, frame, held));
    if (prompt.type === "point") marks.point.push(pointMark(prompt, frame, held));
  });
  return [...marks.box, ...marks.scribble, ...marks.point];
}

/** @param {ViewState} ui @param {Frame} frame @returns {Mark[]} */
function draftMarks({ draft }, frame) {
  if (draft?.kind === "box") return [sideMark(draft.from, draft.to, frame, false, true)];
  if (draft?.kind === "scribble") return [scribbleMark(draft.points, draft.label, frame, false)];
  return draft?.kind === "point" ? [pointMark(draft.point, frame, false)] : [];
}

/** @param {Snapshot} snapshot @param {ViewState} ui @param {Frame} frame @returns {Mark[]} */
function cursorMarks({ options, picture }, ui, { placement, style: { unit } }) {
  if (!ui.cursor || !picture) return [];
  const at = toSurface(ui.cursor, placement);
  const radius =
    brushRadius(options.brushSize, cssPixelOf(placement, unit)) * (placement.width / picture.width);
  const line = ui.lineStart ? [mark(drawGuide, toSurface(ui.lineStart, placement), at, unit)] : [];
  const brush =
    PAINTS.has(options.tool) && !ui.holdPan ? [...line, mark(drawBrush, at, radius, unit)] : [];
  return ui.crosshair ? [...brush, mark(drawCrosshair, at, unit)] : brush;
}

/** @param {{ repaint: () => void, signal: AbortSignal }} options */
export function createMarks({ repaint, signal }) {
  const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
  /** Time at which the ring around the newest pending prompt began to grow; null while it waits. @type {number | null} */
  let pulseStart = null;
  let isPulseDue = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let pulseTimer;
  /** @type {Prompt | null} */
  let pulsing = null;
  signal.addEventListener("abort", stopPulse);

  function stopPulse() {
    clearTimeout(pulseTimer);
    [pulsing, pulseStart, isPulseDue] = [null, null, false];
  }

  /** @param {Prompt} newest */
  function schedulePulse(newest) {
    stopPulse();
    pulsing = newest;
    pulseTimer = setTimeout(() => {
      isPulseDue = true;
      repaint();
    }, PULSE_DELAY);
  }

  /** @param {Prompt[]} prompts @param {Frame} frame @param {number} time @returns {{ marks: Mark[], grows: boolean }} */
  function pulseOf(prompts, { placement, style }, time) {
    const newest = prompts[prompts.length - 1];
    if (!pulsing || JSON.stringify(newest) !== JSON.stringify(pulsing)) schedulePulse(newest);
    const center = pulseCenterOf(newest);
    if (!isPulseDue || !center) return { marks: [], grows: false };
    pulseStart ??= time;
    const age = reducedMotion.matches ? null : time - pulseStart;
    return {
      marks: [mark(drawPulse, toSurface(center, placement), style.unit, age)],
      grows: !reducedMotion.matches,
    };
  }

  /**
   * @param {Snapshot} snapshot
   * @param {ViewState} ui
   * @param {Frame} frame
   * @param {number} time
   * @returns {{ marks: Mark[], grows: boolean }} grows: the next frame differs
   */
  function list(snapshot, ui, frame, time) {
    const { prompts, pending, isDisconnected } = snapshot;
    const { draft } = ui;
    const modelPrompts = prompts.filter(isForModel);
    const animated = pending && !isDisconnected && modelPrompts.length > 0;
    const pulse = animated ? pulseOf(modelPrompts, frame, time) : { marks: [], grows: false };
    if (!animated && pulsing) stopPulse();
    const shown =
      draft?.kind === "move"
        ? prompts.map((prompt, k) => (k === draft.index ? draft.prompt : prompt))
        : prompts;
    const placed = ui.hideMasks ? [] : promptMarks(shown, ui.grabbed, frame);
    const grid = mark(drawGrid, frame.placement);
    return {
      marks: [
        grid,
        ...pulse.marks,
        ...placed,
        ...draftMarks(ui, frame),
        ...cursorMarks(snapshot, ui, frame),
      ],
      grows: pulse.grows,
    };
  }

  /** The pointer's shape. @param {Snapshot} snapshot @param {ViewState} ui */
  function cursor({ options }, { holdPan, grabbed, draft, hovered, proposal }) {
    if (draft?.kind === "move") return "grabbing";
    if (holdPan || options.tool === "pan") return "grab";
    if (options.tool === "propose" && proposal !== null) return "pointer";
    if (options.tool === "select") return hovered === null ? "default" : "pointer";
    return grabbed === null || draft ? "crosshair" : "grab";
  }

  return { list, cursor };
}
