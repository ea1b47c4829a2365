/**
 * Requests for the mask of a click before it is made: where a pointer rests, and while its button is down.
 * If the click comes, its mask is shown at once. A tap on a touchpad is down for a few milliseconds only,
 * so without the first it would wait for the model.
 *
 * @typedef {import("../pixels/geometry.js").Position} Position
 * @typedef {import("../state/prompts.js").PointPrompt} PointPrompt
 */
import { clampPoint } from "../pixels/geometry.js";
import { PREVIEW_TIMEOUT } from "../state/timeouts.js";

/** Milliseconds without a movement after which a pointer rests. */
export const REST_DELAY = 80;

/** Milliseconds after a press until its mask is requested: a very short press sends the click itself first. */
export const PRESS_DELAY = 15;

/**
 * @param {{ store: import("../state/store.js").Store, signal: AbortSignal, now?: () => number }} options
 */
export function createEarlyPrediction({ store, signal, now = () => performance.now() }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** What a click would add where the pointer is, until its mask has been requested. @type {PointPrompt | null} */
  let next = null;
  /** Whether the pointer rests, and only the model is waited for. */
  let isWaiting = false;
  /** How long the kernel took for the last one: a slow model is given that much rest between two. */
  let roundTrip = 0;
  let inFlight = false;
  signal.addEventListener("abort", cancel);
  store.subscribe(requestWhenIdle, signal);

  function cancel() {
    clearTimeout(timer);
    [next, isWaiting] = [null, false];
  }

  function requestAfterRest() {
    isWaiting = false;
    clearTimeout(timer);
    timer = setTimeout(requestAtRest, Math.max(REST_DELAY, roundTrip));
  }

  function requestAtRest() {
    const { options, isModelIdle } = store.snapshot();
    // A hover preview requests the same mask at every movement.
    if (!next || options.hoverPreview) return;
    isWaiting = inFlight || !isModelIdle;
    if (isWaiting) return;
    const sent = now();
    const finish = () => {
      inFlight = false;
      roundTrip = now() - sent;
      requestWhenIdle();
    };
    const answers = { answered: finish, failed: finish, timeout: PREVIEW_TIMEOUT, signal };
    inFlight = store.requestPreview("hover", next, answers) !== null;
    next = null;
  }

  function requestWhenIdle() {
    if (isWaiting && !inFlight && store.snapshot().isModelIdle) requestAfterRest();
  }

  return {
    cancel,

    /** @param {Position} at in image coordinates @param {boolean} negative */
    moved(at, negative) {
      const { picture } = store.snapshot();
      if (!picture) return;
      next = { type: "point", ...clampPoint(at, picture), label: negative ? 0 : 1 };
      requestAfterRest();
    },

    /** @param {() => PointPrompt | null} pointOnRelease what a release would add now */
    pressed(pointOnRelease) {
      // The press came before the rest was over. The model may be faster by now: only a request can show it.
      if (next) roundTrip /= 2;
      cancel();
      timer = setTimeout(() => {
        const point = pointOnRelease();
        if (point && store.snapshot().isModelIdle) store.requestPreview("press", point);
      }, PRESS_DELAY);
    },
  };
}
