/**
 * What a press, a drag and a release on the image do with the tool in hand. The pointer and
 * the keyboard's crosshair share it.
 *
 * @typedef {import("./geometry.js").Position} Position
 * @typedef {import("./prompts.js").Prompt} Prompt
 * @typedef {import("./marks.js").Grip} Grip
 * @typedef {import("./pointer.js").Draft} Draft
 * @typedef {{ negative?: boolean, dragging?: boolean, coarse?: boolean }} How
 * dragging: a drag may draw or move something (not with the right button); coarse: a finger
 *
 * @typedef {object} Press
 * @property {Position} from
 * @property {import("./options.js").Tool} tool
 * @property {0 | 1} label
 * @property {boolean} negative the press itself says "remove", not the switch
 * @property {boolean} dragging
 * @property {boolean} moved
 * @property {Grip | null} grip
 * @property {readonly Prompt[]} prompts at the time of the press
 */
import { boxBetween, clamp, clampPoint, isDrag, isInside } from "./geometry.js";
import { gripAt, moved } from "./marks.js";
import { contains } from "./mask.js";
import { brushRadius } from "./options.js";
import { MAX_SCRIBBLE_VERTICES, MAX_STROKE_VERTICES } from "./prompts.js";

/** CSS pixels within which a placed mark is under the pointer, or under a finger. */
const REACH = 7;
const COARSE_REACH = 14;

/** Vertices of a line are this far apart (CSS pixels) at least: closer ones cannot be seen. */
const VERTEX_STEP = 1;

/** Tools that take hold of placed marks. */
const GRABS = new Set(["point", "box"]);

/** At most `most` vertices, evenly taken, both ends among them. @template T @param {readonly T[]} vertices @param {number} most */
export const thinned = (vertices, most) =>
  vertices.length <= most
    ? [...vertices]
    : Array.from({ length: most }, (_, k) => vertices[Math.round((k * (vertices.length - 1)) / (most - 1))]);

/**
 * @param {{
 *   store: import("./store.js").Store,
 *   stage: Pick<import("./stage.js").Stage, "cssPixel">,
 *   ui: Pick<import("./commands.js").ViewState, "negative" | "draft" | "grabbed">,
 *   commands: { set: (change: { draft?: Draft | null, grabbed?: number | null }) => void },
 * }} options
 */
export function createGesture({ store, stage, ui, commands }) {
  /** @type {Press | null} */
  let press = null;
  /** @type {Draft | null} */
  let draft = null;

  const image = () => store.snapshot().picture;
  const isOpen = () => store.snapshot().status.phase !== "closed";

  /** @param {Draft | null} next */
  function show(next) {
    draft = next;
    commands.set({ draft });
  }

  /** @param {Position} at @returns {Position | null} inside the image, to two decimals */
  function clamped(at) {
    const picture = image();
    return picture && clampPoint(at, picture);
  }

  /** @param {Position} at @param {boolean} [coarse] @returns {Grip | null} */
  function gripUnder(at, coarse = false) {
    const { prompts, options } = store.snapshot();
    if (!GRABS.has(options.tool)) return null;
    return gripAt(prompts, at, (coarse ? COARSE_REACH : REACH) * stage.cssPixel());
  }

  /** The topmost object there that can be selected. @param {Position} at @returns {number | null} */
  function objectAt(at) {
    const { rows, active, mask, settings } = store.snapshot();
    const picture = image();
    if (!picture || !isInside(at, picture)) return null;
    const [x, y] = [Math.floor(at.x), Math.floor(at.y)];
    // What is being worked on lies on top, unless each pixel belongs to one object only.
    const upwards = settings.overlap === "cut out" || !active ? rows : [...rows.filter(({ id }) => id !== active.id), active];
    for (let k = upwards.length - 1; k >= 0; k--) {
      const { id, visible, locked, mask: own } = upwards[k];
      const shown = id === active?.id ? mask : own;
      if (visible && !locked && shown && contains(shown, picture, x, y)) return id;
    }
    return null;
  }

  /** @param {Position} at @param {How} [how] */
  function begin(at, { negative = false, dragging = true, coarse = false } = {}) {
    const { options, prompts } = store.snapshot();
    const picture = image();
    if (!picture || !isOpen()) return;
    cancel();
    const { tool } = options;
    const label = tool === "eraser" ? (negative ? 1 : 0) : negative || ui.negative ? 0 : 1;
    press = { from: at, tool, label, negative, dragging, moved: false, grip: gripUnder(at, coarse), prompts };
    const { x, y } = clampPoint(at, picture);
    if (tool === "brush" || tool === "eraser") {
      show({ kind: "stroke", points: [x, y], radius: brushRadius(options.brushSize, picture), label });
    }
    if (tool === "scribble") show({ kind: "scribble", points: [[x, y]], label });
    // The mark is there at once; under a finger nobody would see it, and a second one may come to move the view.
    const point = tool === "point" && !press.grip && !coarse && tapPoint(press);
    if (point) show({ kind: "point", point });
  }

  /** @param {Position} at */
  function extend(at) {
    const to = clamped(at);
    if (!press || !to) return;
    const step = stage.cssPixel();
    press.moved ||= isDrag({ x: press.from.x / step, y: press.from.y / step }, { x: at.x / step, y: at.y / step });
    if (draft?.kind === "stroke") extendStroke(draft, to, step);
    else if (draft?.kind === "scribble") extendScribble(draft, to, step);
    else if (press.moved && press.dragging) drag(press, at);
  }

  /** @param {import("./pointer.js").StrokeDraft} stroke @param {Position} to @param {number} step */
  function extendStroke(stroke, { x, y }, step) {
    const { points } = stroke;
    if (Math.hypot(x - points[points.length - 2], y - points[points.length - 1]) < VERTEX_STEP * step) return;
    points.push(x, y);
    if (points.length >= 2 * MAX_STROKE_VERTICES) {
      // One stroke can hold no more; the next begins where this one ends.
      finishStroke(stroke);
      show({ ...stroke, points: [x, y] });
    } else show({ ...stroke });
  }

  /** @param {import("./pointer.js").ScribbleDraft} scribble @param {Position} to @param {number} step */
  function extendScribble(scribble, { x, y }, step) {
    const { points } = scribble;
    const [lastX, lastY] = points[points.length - 1];
    if (Math.hypot(x - lastX, y - lastY) < VERTEX_STEP * step) return;
    points.push([x, y]);
    show({ ...scribble });
  }

  /** @param {Press} pressed @param {Position} at */
  function drag({ from, tool, grip, prompts, negative }, at) {
    const picture = image();
    if (!picture) return;
    if (grip && !negative) {
      const by = { x: at.x - from.x, y: at.y - from.y };
      show({ kind: "move", index: grip.index, prompt: moved(prompts[grip.index], grip.corner, by, picture) });
    } else if (tool === "point" || tool === "box") {
      const inside = (/** @type {Position} */ { x, y }) => ({ x: clamp(x, 0, picture.width), y: clamp(y, 0, picture.height) });
      show({ kind: "box", from: inside(from), to: inside(at) });
    }
  }

  /** @param {Position} at */
  function end(at) {
    extend(at);
    const [pressed, drawn] = [press, draft];
    cancel();
    if (!pressed || !isOpen()) return;
    if (drawn && drawn.kind !== "point") finish(pressed, drawn);
    else tapped(pressed);
  }

  /** @param {Press} pressed @param {Draft} drawn */
  function finish(pressed, drawn) {
    const picture = image();
    if (drawn.kind === "stroke") finishStroke(drawn);
    if (drawn.kind === "scribble") finishScribble(pressed, drawn);
    // The prompts may have become others meanwhile: then nothing is moved.
    if (drawn.kind === "move" && store.snapshot().prompts[drawn.index] === pressed.prompts[drawn.index]) store.replacePrompt(drawn.index, drawn.prompt);
    if (drawn.kind !== "box" || !picture) return;
    const sides = boxBetween(drawn.from, drawn.to, picture);
    if (sides) store.addPrompt({ type: "box", ...sides });
    else if (pressed.tool === "point") add(pointOf(pressed));
  }

  /** @param {import("./pointer.js").StrokeDraft} stroke */
  function finishStroke({ points, radius, label }) {
    const { prompts, target } = store.snapshot();
    // There is nothing yet to erase from.
    if (label === 0 && target === null && !prompts.length) return;
    /** @type {[number, number][]} */
    const vertices = [];
    for (let k = 0; k < points.length; k += 2) vertices.push([points[k], points[k + 1]]);
    store.addPrompt({ type: "stroke", key: null, points: vertices, radius: Math.round(radius * 100) / 100, label });
  }

  /** A scribble without length is a point. @param {Press} pressed @param {import("./pointer.js").ScribbleDraft} scribble */
  function finishScribble(pressed, { points, label }) {
    if (points.length < 2) return add(pointOf(pressed));
    store.addPrompt({ type: "scribble", points: thinned(points, MAX_SCRIBBLE_VERTICES), label });
  }

  /** @param {Press} pressed */
  function tapped(pressed) {
    if (pressed.tool === "select") return select(objectAt(pressed.from));
    if (pressed.grip && pressed.negative && markUnder(pressed)) return store.removePrompt(pressed.grip.index);
    add(tapPoint(pressed));
  }

  /** The mark that was pressed, if it is still there. @param {Press} pressed */
  function markUnder({ grip, prompts }) {
    const mark = grip && prompts[grip.index];
    return mark && mark === store.snapshot().prompts[grip.index] ? mark : null;
  }

  /** What a press adds that ends where it began. @param {Press} pressed */
  function tapPoint(pressed) {
    const mark = markUnder(pressed);
    // A second point on a point would say nothing new.
    const isAboutMark = mark && (pressed.negative || mark.type === "point");
    return (pressed.tool === "point" || pressed.tool === "box") && !isAboutMark ? pointOf(pressed) : null;
  }

  /** @param {Press} pressed @returns {import("./prompts.js").PointPrompt | null} */
  function pointOf({ from, label }) {
    const picture = image();
    return picture && isInside(from, picture) ? { type: "point", ...clampPoint(from, picture), label } : null;
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
    show(null);
    return true;
  }

  return {
    begin,
    extend,
    end,
    cancel,
    isActive: () => press !== null,
    /** The point that a release would add now. */
    expected: () => (press && (!draft || draft.kind === "point") ? tapPoint(press) : null),
    /** Press and release at one place. @param {Position} at @param {How} [how] */
    tap(at, how) {
      begin(at, how);
      end(at);
    },
    /** @param {Position} at @returns {number | null} index of the placed mark there */
    markAt: (at) => gripUnder(at)?.index ?? null,
    objectAt,
    clamped,
    /** @param {Position} at */
    isInside(at) {
      const picture = image();
      return picture !== null && isInside(at, picture);
    },
  };
}
