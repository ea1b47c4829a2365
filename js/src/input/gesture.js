/**
 * What a press, a drag and a release on the image do with the selected tool. The pointer and the
 * keyboard's crosshair share it.
 *
 * @typedef {import("../pixels/geometry.js").Position} Position
 * @typedef {import("../state/prompts.js").Prompt} Prompt
 * @typedef {import("./hit-test.js").Grip} Grip
 * @typedef {import("../state/view-state.js").Draft} Draft
 * @typedef {{ negative?: boolean, dragging?: boolean, coarse?: boolean, straight?: boolean, erasing?: boolean }} PressOptions
 * dragging: a drag may draw or move something (not with the right button); coarse: by a finger; straight:
 * the stroke begins with a line from the end of the previous one; erasing: erase, with any tool
 *
 * @typedef {object} Press
 * @property {Position} from
 * @property {import("../state/options.js").Tool} tool
 * @property {0 | 1} label
 * @property {boolean} negative the press itself removes, by a modifier or button; the switch for removing is not counted
 * @property {boolean} dragging
 * @property {boolean} moved
 * @property {Grip | null} grip
 * @property {readonly Prompt[]} prompts at the time of the press
 */
import { boxBetween, clamp, clampPoint, isDrag, isInside } from "../pixels/geometry.js";
import { gripAt, moved } from "./hit-test.js";
import { contains } from "../pixels/mask.js";
import { brushRadius } from "../state/options.js";
import { MAX_SCRIBBLE_VERTICES, MAX_STROKE_VERTICES, findPrompt } from "../state/prompts.js";

/** CSS pixels within which the pointer or a finger hits a placed mark. */
const REACH = 7;
const COARSE_REACH = 14;

/** CSS pixels between the vertices of a line, at least: closer ones cannot be seen. */
const VERTEX_STEP = 1;

/** CSS pixels between the places where a drag looks for proposals. */
const PICK_STEP = 3;

/** Tools that can drag placed marks. */
const GRABBING_TOOLS = new Set(["point", "box"]);

/** At most `most` vertices, evenly chosen, with both ends. @template T @param {readonly T[]} vertices @param {number} most */
export const thinned = (vertices, most) =>
  vertices.length <= most
    ? [...vertices]
    : Array.from(
        { length: most },
        (_, k) => vertices[Math.round((k * (vertices.length - 1)) / (most - 1))],
      );

/**
 * @param {{
 *   store: import("../state/store.js").Store,
 *   stage: Pick<import("../stage/stage.js").Stage, "cssPixel">,
 *   ui: Pick<import("../state/view-state.js").ViewState, "negative" | "draft" | "grabbed" | "drawsRegion">,
 *   commands: {
 *     set: (change: { draft?: Draft | null, grabbed?: number | null }) => void,
 *     propose: (region: import("../pixels/geometry.js").Corners) => void,
 *     decide: (type: "accept" | "reject", numbers: readonly number[]) => void,
 *   },
 *   proposals: () => readonly import("../state/proposals.js").Proposal[],
 * }} options proposals: those that are shown
 */
export function createGesture({ store, stage, ui, commands, proposals }) {
  /** @type {Press | null} */
  let press = null;
  /** @type {{ plane: number, end: [number, number] } | null} */
  let previousStroke = null;

  const image = () => store.snapshot().picture;
  const isOpen = () => store.snapshot().status.phase !== "closed";

  /** @param {Draft | null} draft */
  const setDraft = (draft) => commands.set({ draft });

  /** @param {Position} at @returns {Position | null} inside the image, to two decimals */
  function clamped(at) {
    const picture = image();
    return picture && clampPoint(at, picture);
  }

  /** @param {Position} at @param {boolean} [coarse] @returns {Grip | null} */
  function gripUnder(at, coarse = false) {
    const { prompts, options } = store.snapshot();
    if (!GRABBING_TOOLS.has(options.tool)) return null;
    return gripAt(prompts, at, (coarse ? COARSE_REACH : REACH) * stage.cssPixel());
  }

  /** The topmost object there that can be selected. @param {Position} at @returns {number | null} */
  function objectAt(at) {
    const { rows, active, mask, settings } = store.snapshot();
    const picture = image();
    if (!picture || !isInside(at, picture)) return null;
    const [x, y] = [Math.floor(at.x), Math.floor(at.y)];
    // The active object lies on top, unless each pixel belongs to one object only.
    const upwards =
      settings.overlap === "cut out" || !active
        ? rows
        : [...rows.filter(({ id }) => id !== active.id), active];
    for (let k = upwards.length - 1; k >= 0; k--) {
      const { id, visible, locked, mask: own } = upwards[k];
      const shown = id === active?.id ? mask : own;
      if (visible && !locked && shown && contains(shown, picture, x, y)) return id;
    }
    return null;
  }

  /** The number of the smallest proposal there, which lies on top. @param {Position} at @returns {number | null} */
  function proposalAt(at) {
    const picture = image();
    if (!picture || !isInside(at, picture)) return null;
    const [x, y] = [Math.floor(at.x), Math.floor(at.y)];
    const under = proposals().filter(
      ({ box, mask }) =>
        x >= box.x0 && x < box.x1 && y >= box.y0 && y < box.y1 && contains(mask, picture, x, y),
    );
    const areas = under.map(({ area }) => area);
    return under[areas.indexOf(Math.min(...areas))]?.number ?? null;
  }

  /** Whether a press chooses proposals, and does not draw the region to look for them in. */
  function isPicking() {
    const { proposals: known, proposing } = store.snapshot();
    return !ui.drawsRegion && (known.all.length > 0 || proposing?.running === true);
  }

  /** @param {Position} at @param {PressOptions} [how] */
  function begin(
    at,
    { negative = false, dragging = true, coarse = false, straight = false, erasing = false } = {},
  ) {
    const { options, prompts } = store.snapshot();
    const picture = image();
    if (!picture || !isOpen()) return;
    cancel();
    const tool = erasing ? "eraser" : options.tool;
    const label = tool === "eraser" ? (negative ? 1 : 0) : negative || ui.negative ? 0 : 1;
    press = {
      from: at,
      tool,
      label,
      negative,
      dragging,
      moved: false,
      grip: gripUnder(at, coarse),
      prompts,
    };
    const { x, y } = clampPoint(at, picture);
    if (tool === "brush" || tool === "eraser") {
      const line = (straight && strokeEnd()) || [];
      setDraft({
        kind: "stroke",
        points: [...line, x, y],
        radius: brushRadius(options.brushSize, stage.cssPixel()),
        label,
      });
    }
    if (tool === "propose" && isPicking()) {
      setDraft({ kind: "pick", numbers: [], rejects: label === 0, at });
      pick(at);
    }
    if (tool === "scribble") setDraft({ kind: "scribble", points: [[x, y]], label });
    // The mark is shown at once. Not for a finger, which covers it and may be the first of two that move the view.
    const point = tool === "point" && !press.grip && !coarse && tapPoint(press);
    if (point) setDraft({ kind: "point", point });
  }

  /** Where the last stroke on this object has ended. @returns {[number, number] | null} */
  function strokeEnd() {
    const { plane, prompts } = store.snapshot();
    return previousStroke?.plane === plane && prompts.some(({ type }) => type === "stroke")
      ? previousStroke.end
      : null;
  }

  /** @param {Position} at */
  function extend(at) {
    const to = clamped(at);
    if (!press || !to) return;
    const step = stage.cssPixel();
    press.moved ||= isDrag(
      { x: press.from.x / step, y: press.from.y / step },
      { x: at.x / step, y: at.y / step },
    );
    const { draft } = ui;
    if (draft?.kind === "stroke") extendStroke(draft, to, step);
    else if (draft?.kind === "scribble") extendScribble(draft, to, step);
    else if (draft?.kind === "pick") pick(at);
    else if (press.moved && press.dragging) drag(press, at);
  }

  /** Add the proposals on the way there to those that are accepted or rejected. @param {Position} to */
  function pick(to) {
    const { draft } = ui;
    if (draft?.kind !== "pick") return;
    const { at: from } = draft;
    const length = Math.hypot(to.x - from.x, to.y - from.y);
    // A fast pointer is reported only here and there.
    const steps = Math.max(1, Math.ceil(length / (PICK_STEP * stage.cssPixel())));
    const numbers = new Set(draft.numbers);
    for (let k = 1; k <= steps; k++) {
      const number = proposalAt({
        x: from.x + ((to.x - from.x) * k) / steps,
        y: from.y + ((to.y - from.y) * k) / steps,
      });
      if (number !== null) numbers.add(number);
    }
    setDraft({ ...draft, numbers: [...numbers], at: to });
  }

  /** @param {import("../state/view-state.js").StrokeDraft} stroke @param {Position} to @param {number} step */
  function extendStroke(stroke, { x, y }, step) {
    const { points } = stroke;
    if (
      Math.hypot(x - points[points.length - 2], y - points[points.length - 1]) <
      VERTEX_STEP * step
    )
      return;
    points.push(x, y);
    if (points.length >= 2 * MAX_STROKE_VERTICES) {
      // A stroke cannot have more vertices; the next one begins where this one ends.
      finishStroke(stroke);
      setDraft({ ...stroke, points: [x, y] });
    } else setDraft({ ...stroke });
  }

  /** @param {import("../state/view-state.js").ScribbleDraft} scribble @param {Position} to @param {number} step */
  function extendScribble(scribble, { x, y }, step) {
    const { points } = scribble;
    const [lastX, lastY] = points[points.length - 1];
    if (Math.hypot(x - lastX, y - lastY) < VERTEX_STEP * step) return;
    points.push([x, y]);
    setDraft({ ...scribble });
  }

  /** @param {Press} pressed @param {Position} at */
  function drag({ from, tool, grip, prompts, negative }, at) {
    const picture = image();
    if (!picture) return;
    if (grip && !negative) {
      const by = { x: at.x - from.x, y: at.y - from.y };
      const index = markUnder({ grip, prompts });
      setDraft(
        index < 0
          ? null
          : { kind: "move", index, prompt: moved(prompts[grip.index], grip.corner, by, picture) },
      );
    } else if (tool === "point" || tool === "box" || tool === "propose") {
      const inside = (/** @type {Position} */ { x, y }) => ({
        x: clamp(x, 0, picture.width),
        y: clamp(y, 0, picture.height),
      });
      setDraft({ kind: "box", from: inside(from), to: inside(at) });
    }
  }

  /** @param {Position} at */
  function end(at) {
    extend(at);
    const [pressed, drawn] = [press, ui.draft];
    cancel();
    if (!pressed || !isOpen()) return;
    if (drawn && drawn.kind !== "point") finish(pressed, drawn);
    else if (!isDragOfMark(pressed)) applyTap(pressed);
  }

  /** @param {Press} pressed */
  const isDragOfMark = ({ grip, moved: hasMoved, dragging, negative }) =>
    grip !== null && hasMoved && dragging && !negative;

  /** @param {Press} pressed @param {Draft} drawn */
  function finish(pressed, drawn) {
    const picture = image();
    if (drawn.kind === "stroke") finishStroke(drawn);
    if (drawn.kind === "scribble") finishScribble(pressed, drawn);
    // The prompt may have been removed meanwhile: then nothing is moved.
    if (drawn.kind === "move" && markUnder(pressed) >= 0)
      store.replacePrompt(markUnder(pressed), drawn.prompt);
    if (drawn.kind === "pick") commands.decide(drawn.rejects ? "reject" : "accept", drawn.numbers);
    if (drawn.kind !== "box" || !picture) return;
    const sides = boxBetween(drawn.from, drawn.to, picture);
    if (sides && pressed.tool === "propose") commands.propose(sides);
    else if (sides) store.addPrompt({ type: "box", ...sides });
    else if (pressed.tool === "point") add(pointOf(pressed));
  }

  /** @param {import("../state/view-state.js").StrokeDraft} stroke */
  function finishStroke({ points, radius, label }) {
    const { prompts, target, plane } = store.snapshot();
    // There is nothing yet to erase from.
    if (label === 0 && target === null && !prompts.length) return;
    /** @type {[number, number][]} */
    const vertices = [];
    for (let k = 0; k < points.length; k += 2) vertices.push([points[k], points[k + 1]]);
    previousStroke = { plane, end: vertices[vertices.length - 1] };
    store.addPrompt({
      type: "stroke",
      key: null,
      points: vertices,
      radius: Math.round(radius * 100) / 100,
      label,
    });
  }

  /** A scribble without length becomes a point. @param {Press} pressed @param {import("../state/view-state.js").ScribbleDraft} scribble */
  function finishScribble(pressed, { points, label }) {
    if (points.length < 2) return add(pointOf(pressed));
    store.addPrompt({ type: "scribble", points: thinned(points, MAX_SCRIBBLE_VERTICES), label });
  }

  /** @param {Press} pressed */
  function applyTap(pressed) {
    if (pressed.tool === "select") return select(objectAt(pressed.from));
    const mark = markUnder(pressed);
    if (pressed.negative && mark >= 0) store.removePrompt(mark);
    else add(tapPoint(pressed));
  }

  /** Index of the mark that was pressed, -1 when it is no longer there. @param {Pick<Press, "grip" | "prompts">} pressed */
  function markUnder({ grip, prompts }) {
    return grip ? findPrompt(store.snapshot().prompts, prompts[grip.index], grip.index) : -1;
  }

  /** The point that a press adds if it ends where it began. @param {Press} pressed */
  function tapPoint(pressed) {
    const at = markUnder(pressed);
    const mark = at < 0 ? null : store.snapshot().prompts[at];
    // A second point on a point would be no information, and a mark that was to be removed may have been removed already.
    const isAboutMark = pressed.grip && (pressed.negative || mark?.type === "point");
    return (pressed.tool === "point" || pressed.tool === "box") && !isAboutMark
      ? pointOf(pressed)
      : null;
  }

  /** @param {Press} pressed @returns {import("../state/prompts.js").PointPrompt | null} */
  function pointOf({ from, label }) {
    const picture = image();
    return picture && isInside(from, picture)
      ? { type: "point", ...clampPoint(from, picture), label }
      : null;
  }

  /** @param {Prompt | null} prompt */
  function add(prompt) {
    if (prompt) store.addPrompt(prompt);
  }

  /** @param {number | null} object */
  function select(object) {
    const { active } = store.snapshot();
    if (object !== (active?.id ?? null)) store.act("select", { object });
  }

  /** @returns {boolean} whether there was anything to cancel */
  function cancel() {
    if (!press) return false;
    press = null;
    setDraft(null);
    return true;
  }

  return {
    begin,
    extend,
    end,
    cancel,
    isActive: () => press !== null,
    /** The point that a release would add now. */
    pointOnRelease: () =>
      press && (!ui.draft || ui.draft.kind === "point") ? tapPoint(press) : null,
    /** Where a straight line of the brush or eraser would begin. @returns {Position | null} */
    lineStart() {
      const { tool } = store.snapshot().options;
      const end = tool === "brush" || tool === "eraser" ? strokeEnd() : null;
      return end && { x: end[0], y: end[1] };
    },
    /** Press and release at one place. @param {Position} at @param {PressOptions} [how] */
    tap(at, how) {
      begin(at, how);
      end(at);
    },
    /** @param {Position} at @returns {number | null} index of the placed mark there */
    markAt: (at) => gripUnder(at)?.index ?? null,
    objectAt,
    proposalAt,
    clamped,
    /** @param {Position} at */
    isInside(at) {
      const picture = image();
      return picture !== null && isInside(at, picture);
    },
  };
}
