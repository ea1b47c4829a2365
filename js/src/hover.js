/**
 * The mask that a click would give, asked for while the pointer moves: one question in flight,
 * the newest waits, and none at all once the way to the kernel proves too slow for it.
 *
 * @typedef {import("./geometry.js").Position} Position
 * @typedef {import("./mask.js").Mask} Mask
 */
import { clampPoint, isInside } from "./geometry.js";

/** Milliseconds: a preview that lags more than this behind the pointer is in the way. */
const SLOW = 400;

/** Round trips whose median counts, and after which an answer is not waited for. */
const WINDOW = 5;
const PATIENCE = 2000;

/** @param {readonly number[]} values @returns {number | null} */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? sorted[sorted.length >> 1] : null;
}

/**
 * @param {{ store: import("./store.js").Store, changed: () => void, signal: AbortSignal, now?: () => number }} options
 */
export function createHover({ store, changed, signal, now = () => performance.now() }) {
  /** @type {{ at: Position, negative: boolean } | null} */
  let wanted = null;
  /** @type {{ n: number, since: number, key: string } | null} */
  let asked = null;
  /** @type {{ mask: Mask, score: number | null, key: string } | null} */
  let shown = null;
  /** @type {number[]} */
  let trips = [];
  let paused = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  signal.addEventListener("abort", () => clearTimeout(waiting));

  /** What a click would be added to. */
  function keyOf() {
    const { plane, active, prompts } = store.snapshot();
    return `${plane}/${active?.id ?? ""}/${prompts.length}`;
  }

  function allowed() {
    const { options, free } = store.snapshot();
    if (!options.hoverPreview) [paused, trips] = [false, []];
    return options.hoverPreview && !paused && free;
  }

  function pump() {
    if (asked || !wanted || !allowed()) return;
    const { at, negative } = wanted;
    const { picture } = store.snapshot();
    if (!picture || !isInside(at, picture)) return;
    wanted = null;
    const n = store.askAhead("hover", { type: "point", ...clampPoint(at, picture), label: negative ? 0 : 1 });
    if (n === null) return;
    asked = { n, since: now(), key: keyOf() };
    waiting = setTimeout(() => note(PATIENCE), PATIENCE);
  }

  /** @param {number} trip milliseconds */
  function note(trip) {
    clearTimeout(waiting);
    asked = null;
    trips = [...trips, trip].slice(-WINDOW);
    paused ||= trips.length === WINDOW && /** @type {number} */ (median(trips)) > SLOW;
    if (paused) shown = null;
    pump();
    changed();
  }

  /** @param {import("./wire.js").Preview} answer */
  function receive({ client, n, mask, score }) {
    if (client !== store.client || n !== asked?.n) return;
    const { key, since } = asked;
    const { pending } = store.snapshot();
    // While a click is on its way the picture of it stays.
    if (!pending) shown = mask && key === keyOf() && !left ? { mask, score, key } : null;
    note(now() - since);
  }

  let left = true;
  store.listen("preview", receive, signal);

  return {
    /** @param {Position} at in image coordinates @param {boolean} negative */
    move(at, negative) {
      left = false;
      wanted = { at, negative };
      pump();
    },
    leave() {
      left = true;
      [wanted, shown] = [null, null];
    },
    /** @returns {{ mask: Mask, score: number | null } | null} */
    shown() {
      const { pending, options } = store.snapshot();
      if (shown && (!options.hoverPreview || (!pending && shown.key !== keyOf()))) shown = null;
      return shown;
    },
    /** For the status line. */
    state() {
      allowed();
      return { roundTrip: median(trips), paused, shown: shown !== null };
    },
  };
}
