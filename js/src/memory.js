/**
 * The mask to show while the kernel has not answered yet: the one that was foreseen, or the last
 * one of the same object, with the strokes made since on top, so that nothing flashes and a brush
 * paints at once.
 *
 * @typedef {import("./mask.js").Mask} Mask
 * @typedef {import("./strokes.js").Stroke} Stroke
 * @typedef {import("./prompts.js").Prompt} Prompt
 * @typedef {import("./prompts.js").StrokePrompt} StrokePrompt
 * @typedef {import("./wire.js").ActiveObject} ActiveObject
 */
import { NO_MASK } from "./mask.js";

/** More strokes than these are not remembered: the kernel sends them with its masks anyway. */
const MAX_KNOWN = 512;

/** Says which prompt it is, whoever has parsed it. @param {Prompt} prompt */
const keyOf = (prompt) => JSON.stringify(prompt.type === "stroke" ? (prompt.key ?? prompt) : prompt);

/** @param {readonly Prompt[]} prompts @returns {StrokePrompt[]} */
const strokesOf = (prompts) => prompts.flatMap((prompt) => (prompt.type === "stroke" ? [prompt] : []));

/** Lays strokes on a mask: the result is the same object as long as they are the same. */
function createComposer() {
  /** @type {Mask | null} */
  let base = null;
  /** @type {readonly Stroke[]} */
  let extra = [];
  let composed = NO_MASK;

  /** @param {Mask} nextBase @param {readonly Stroke[]} nextExtra */
  return function compose(nextBase, nextExtra) {
    if (base === nextBase && extra.length === nextExtra.length && extra.every((stroke, k) => stroke === nextExtra[k])) return composed;
    [base, extra] = [nextBase, nextExtra];
    composed = { base: base.base, strokes: [...base.strokes, ...extra] };
    return composed;
  };
}

export function createMaskMemory() {
  /** @type {{ id: number, mask: Mask | null, keys: Set<string | null> } | null} */
  let last = null;
  /** The answer to prompts that nobody has said yet. @type {{ keys: string[], mask: Mask } | null} */
  let foreseen = null;
  /** Strokes of this page by the kernel's names for them. @type {Map<string, Stroke>} */
  const known = new Map();
  /** @type {WeakMap<StrokePrompt, Stroke>} */
  const converted = new WeakMap();
  const composeShown = createComposer();
  const composeNew = createComposer();
  const composeAhead = createComposer();

  /** @param {StrokePrompt} prompt @returns {Stroke | null} */
  function toStroke(prompt) {
    const { key, points, radius, label } = prompt;
    if (!points) return key === null ? null : (known.get(key) ?? null);
    const stroke = converted.get(prompt) ?? { points: Float64Array.from(points.flat()), radius, label };
    converted.set(prompt, stroke);
    return stroke;
  }

  /** @param {readonly Prompt[]} prompts @param {Set<string | null>} [present] keys of those in the mask already */
  function newStrokes(prompts, present) {
    const fresh = strokesOf(prompts).filter(({ key }) => key === null || !present?.has(key));
    return fresh.map(toStroke).filter((stroke) => stroke !== null);
  }

  /** @param {readonly Prompt[]} prompts @returns {readonly Prompt[] | null} those beyond what was foreseen; null if it was something else */
  function beyondForeseen(prompts) {
    const keys = foreseen?.keys;
    return keys && keys.length <= prompts.length && keys.every((key, k) => key === keyOf(prompts[k])) ? prompts.slice(keys.length) : null;
  }

  /** What was foreseen, also while more is asked for. @param {readonly Prompt[]} prompts @returns {Mask | null} */
  function ahead(prompts) {
    const more = beyondForeseen(prompts);
    if (!foreseen || !more) return null;
    const extra = newStrokes(more);
    return extra.length ? composeAhead(foreseen.mask, extra) : foreseen.mask;
  }

  /** What is painted already is not painted again. @param {Mask} mask */
  const asForeseen = (mask) =>
    foreseen && mask.base === foreseen.mask.base && !mask.strokes.length && !foreseen.mask.strokes.length ? foreseen.mask : mask;

  return {
    /** @param {readonly Prompt[]} prompts which may be said next @param {Mask | null} mask */
    foresee: (prompts, mask) => void (foreseen = mask && { keys: prompts.map(keyOf), mask }),

    /** @param {readonly Prompt[]} prompts */
    isForeseen: (prompts) => beyondForeseen(prompts)?.length === 0,

    /**
     * The kernel took our prompts over: its keys stand for our strokes.
     *
     * @param {readonly Prompt[]} ours
     * @param {readonly Prompt[]} theirs
     */
    learn(ours, theirs) {
      theirs.forEach((their, k) => {
        const our = ours[k];
        if (their.type !== "stroke" || their.key === null || our?.type !== "stroke" || our.label !== their.label) return;
        const stroke = toStroke(our);
        if (stroke) known.set(their.key, stroke);
      });
      for (const key of known.keys()) if (known.size > MAX_KNOWN) known.delete(key);
    },

    /** @param {ActiveObject | null} active */
    remember(active) {
      const keys = () => new Set(strokesOf(active?.prompts ?? []).map(({ key }) => key));
      if (active?.mask) last = { id: active.id, mask: asForeseen(active.mask), keys: keys() };
      else if (!active) last = null;
      else if (!active.pending) last = { id: active.id, mask: null, keys: keys() };
      else if (last?.id !== active.id) last = null;
      if (!active?.pending) foreseen = null;
    },

    /** @param {readonly Prompt[]} prompts @returns {Mask | null} the one foreseen, or the last one with the strokes that it lacks */
    shown(prompts) {
      const extra = newStrokes(prompts, last?.keys);
      return ahead(prompts) ?? (extra.length ? composeShown(last?.mask ?? NO_MASK, extra) : (last?.mask ?? null));
    },

    /** @param {readonly Prompt[]} prompts @returns {Mask | null} of an object that the kernel does not know yet */
    begun(prompts) {
      const extra = newStrokes(prompts);
      return ahead(prompts) ?? (extra.length ? composeNew(NO_MASK, extra) : null);
    },
  };
}
