/**
 * The mask that a click would give, requested while the pointer moves. One request is in flight, of later
 * places only the newest is kept, and previews pause when the kernel answers too slowly.
 *
 * @typedef {import("../pixels/geometry.js").Position} Position
 * @typedef {import("../pixels/mask.js").Mask} Mask
 */
import { clampPoint, isInside } from "../pixels/geometry.js";
import { keyOf as promptKey } from "../state/prompts.js";
import { PREVIEW_TIMEOUT } from "../state/timeouts.js";

/** Milliseconds: previews with a larger delay are paused, because they lag behind the pointer. */
const SLOW_ROUND_TRIP = 400;

/** How many of the last round trips the median is taken of. */
const MEDIAN_OF = 5;

/** @param {readonly number[]} values @returns {number | null} */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? sorted[sorted.length >> 1] : null;
}

/**
 * @param {{ store: import("../state/store.js").Store, changed: () => void, signal: AbortSignal, now?: () => number }} options
 */
export function createHoverPreview({ store, changed, signal, now = () => performance.now() }) {
  /** @type {{ at: Position, negative: boolean } | null} */
  let nextPlace = null;
  let inFlight = false;
  /** @type {{ mask: Mask, score: number | null, key: string } | null} */
  let shown = null;
  /** @type {number[]} */
  let roundTrips = [];
  let paused = false;

  /** Identifies what a click would be added to. */
  function keyOf() {
    const { plane, active, prompts } = store.snapshot();
    return `${plane}/${active?.id ?? ""}/${prompts.map(promptKey).join()}`;
  }

  function isAllowed() {
    const { options, isModelIdle } = store.snapshot();
    if (!options.hoverPreview) [paused, roundTrips] = [false, []];
    return options.hoverPreview && !paused && isModelIdle;
  }

  function requestNext() {
    if (inFlight || !nextPlace || !isAllowed()) return;
    const { at, negative } = nextPlace;
    const { picture } = store.snapshot();
    if (!picture || !isInside(at, picture)) return;
    nextPlace = null;
    const [sent, key] = [now(), keyOf()];
    const request = store.requestPreview(
      "hover",
      { type: "point", ...clampPoint(at, picture), label: negative ? 0 : 1 },
      {
        answered: (preview) => receive(preview, key, now() - sent),
        failed: () => finish(PREVIEW_TIMEOUT),
        timeout: PREVIEW_TIMEOUT,
        signal,
      },
    );
    inFlight = request !== null;
  }

  /** @param {number} trip milliseconds */
  function finish(trip) {
    inFlight = false;
    roundTrips = [...roundTrips, trip].slice(-MEDIAN_OF);
    paused ||=
      roundTrips.length === MEDIAN_OF &&
      /** @type {number} */ (median(roundTrips)) > SLOW_ROUND_TRIP;
    if (paused) shown = null;
    requestNext();
    changed();
  }

  /** @param {import("../state/answers.js").Preview} answer @param {string} key of what the click would have been added to @param {number} trip milliseconds */
  function receive({ mask, score }, key, trip) {
    const { pending } = store.snapshot();
    // While a click is pending its preview stays.
    if (!pending) shown = mask && key === keyOf() && !hasLeft ? { mask, score, key } : null;
    finish(trip);
  }

  let hasLeft = true;

  return {
    /** @param {Position} at in image coordinates @param {boolean} negative */
    move(at, negative) {
      hasLeft = false;
      nextPlace = { at, negative };
      requestNext();
    },
    leave() {
      hasLeft = true;
      [nextPlace, shown] = [null, null];
    },
    /** @returns {{ mask: Mask, score: number | null } | null} */
    shown() {
      const { pending, options } = store.snapshot();
      if (shown && (!options.hoverPreview || (!pending && shown.key !== keyOf()))) shown = null;
      return shown;
    },
    /** For the status line. */
    state() {
      isAllowed();
      return { roundTrip: median(roundTrips), paused, shown: shown !== null };
    },
  };
}
