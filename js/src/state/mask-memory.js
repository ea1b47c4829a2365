/**
 * The mask to show until the kernel answers: the speculative prediction if there is one, else the last
 * mask of the same object, with newer strokes on top. So nothing flashes, and a brush paints at once.
 *
 * @typedef {import("../pixels/mask.js").Mask} Mask
 * @typedef {import("../pixels/strokes.js").Stroke} Stroke
 * @typedef {import("./prompts.js").Prompt} Prompt
 * @typedef {import("./prompts.js").StrokePrompt} StrokePrompt
 * @typedef {import("./annotation.js").ActiveObject} ActiveObject
 */
import { NO_MASK } from "../pixels/mask.js";
import { keyOf } from "./prompts.js";

/** The most strokes that are remembered: the kernel sends them with its masks anyway. */
const MAX_STROKES = 512;

/** @param {readonly Prompt[]} prompts @returns {StrokePrompt[]} */
const strokesOf = (prompts) =>
  prompts.flatMap((prompt) => (prompt.type === "stroke" ? [prompt] : []));

/** Adds strokes to a mask; returns the same object as long as both are the same. */
function createComposer() {
  /** @type {Mask | null} */
  let base = null;
  /** @type {readonly Stroke[]} */
  let extra = [];
  let composed = NO_MASK;

  /** @param {Mask} nextBase @param {readonly Stroke[]} nextExtra */
  return function compose(nextBase, nextExtra) {
    if (
      base === nextBase &&
      extra.length === nextExtra.length &&
      extra.every((stroke, k) => stroke === nextExtra[k])
    )
      return composed;
    [base, extra] = [nextBase, nextExtra];
    composed = { base: base.base, strokes: [...base.strokes, ...extra] };
    return composed;
  };
}

export function createMaskMemory() {
  /** @type {{ id: number, mask: Mask | null, keys: Set<string | null> } | null} */
  let last = null;
  /** The speculative prediction, by the keys of its prompts. @type {{ keys: string[], mask: Mask } | null} */
  let speculative = null;
  /** Strokes of this page by the keys that the kernel has given them. @type {Map<string, Stroke>} */
  const strokesByKey = new Map();
  /** @type {WeakMap<StrokePrompt, Stroke>} */
  const converted = new WeakMap();
  const composeShown = createComposer();
  const composeNew = createComposer();
  const composeSpeculative = createComposer();

  /** @param {StrokePrompt} prompt @returns {Stroke | null} */
  function toStroke(prompt) {
    const { key, points, radius, label } = prompt;
    if (!points) return key === null ? null : (strokesByKey.get(key) ?? null);
    const stroke = converted.get(prompt) ?? {
      points: Float64Array.from(points.flat()),
      radius,
      label,
    };
    converted.set(prompt, stroke);
    return stroke;
  }

  /** @param {readonly Prompt[]} prompts @param {Set<string | null>} [present] keys of those in the mask already */
  function newStrokes(prompts, present) {
    const fresh = strokesOf(prompts).filter(({ key }) => key === null || !present?.has(key));
    return fresh.map(toStroke).filter((stroke) => stroke !== null);
  }

  /** @param {readonly Prompt[]} prompts @returns {readonly Prompt[] | null} those after the prompts of the speculative prediction; null if they do not begin with these */
  function promptsBeyondSpeculative(prompts) {
    const keys = speculative?.keys;
    return keys &&
      keys.length <= prompts.length &&
      keys.every((key, k) => key === keyOf(prompts[k]))
      ? prompts.slice(keys.length)
      : null;
  }

  /** The speculative prediction, with strokes made since, also while more prompts are pending. @param {readonly Prompt[]} prompts @returns {Mask | null} */
  function speculativeMask(prompts) {
    const more = promptsBeyondSpeculative(prompts);
    if (!speculative || !more) return null;
    const extra = newStrokes(more);
    return extra.length ? composeSpeculative(speculative.mask, extra) : speculative.mask;
  }

  /** Keep the mask object that is painted already if the kernel's mask is the same. @param {Mask} mask */
  const reuseSpeculativeMask = (mask) =>
    speculative &&
    mask.base === speculative.mask.base &&
    !mask.strokes.length &&
    !speculative.mask.strokes.length
      ? speculative.mask
      : mask;

  return {
    /** A stroke that was drawn in this page. @param {string} key the kernel's @returns {Stroke | undefined} */
    strokeOf: (key) => strokesByKey.get(key),

    /** @param {readonly Prompt[]} prompts that may be next @param {Mask | null} mask */
    setSpeculative: (prompts, mask) =>
      void (speculative = mask && { keys: prompts.map(keyOf), mask }),

    /** @param {readonly Prompt[]} prompts */
    isSpeculative: (prompts) => promptsBeyondSpeculative(prompts)?.length === 0,

    /**
     * The kernel has acknowledged our prompts: from now on its keys refer to our strokes.
     *
     * @param {readonly Prompt[]} ours
     * @param {readonly Prompt[]} theirs
     */
    confirmStrokes(ours, theirs) {
      theirs.forEach((their, k) => {
        const our = ours[k];
        if (
          their.type !== "stroke" ||
          their.key === null ||
          our?.type !== "stroke" ||
          our.label !== their.label
        )
          return;
        const stroke = toStroke(our);
        if (stroke) strokesByKey.set(their.key, stroke);
      });
      for (const key of strokesByKey.keys())
        if (strokesByKey.size > MAX_STROKES) strokesByKey.delete(key);
    },

    /** @param {ActiveObject | null} active */
    rememberMask(active) {
      const keys = () => new Set(strokesOf(active?.prompts ?? []).map(({ key }) => key));
      if (active?.mask)
        last = { id: active.id, mask: reuseSpeculativeMask(active.mask), keys: keys() };
      else if (!active) last = null;
      else if (!active.pending) last = { id: active.id, mask: null, keys: keys() };
      else if (last?.id !== active.id) last = null;
      if (!active?.pending) speculative = null;
    },

    /** @param {readonly Prompt[]} prompts @returns {Mask | null} the speculative one, or the last one with newer strokes */
    maskOfActive(prompts) {
      const extra = newStrokes(prompts, last?.keys);
      return (
        speculativeMask(prompts) ??
        (extra.length ? composeShown(last?.mask ?? NO_MASK, extra) : (last?.mask ?? null))
      );
    },

    /** @param {readonly Prompt[]} prompts @returns {Mask | null} of an object that the kernel has not acknowledged yet */
    maskOfNext(prompts) {
      const extra = newStrokes(prompts);
      return speculativeMask(prompts) ?? (extra.length ? composeNew(NO_MASK, extra) : null);
    },
  };
}

/** @typedef {ReturnType<typeof createMaskMemory>} MaskMemory */
