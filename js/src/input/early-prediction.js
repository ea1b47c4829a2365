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
  /** How long the kernel took for the last one: a slow model is given that much rest between two. */
  let roundTrip = 0;
  let inFlight = false;
  signal.addEventListener("abort", cancel);

  function cancel() {
    clearTimeout(timer);
  }

  /** @param {() => void} request @param {number} delay */
  function schedule(request, delay) {
    cancel();
    timer = setTimeout(request, delay);
  }

  /** @param {PointPrompt} point */
  function requestAtRest(point) {
    // A hover preview requests the same mask at every movement.
    const { options, isModelIdle } = store.snapshot();
    if (inFlight || !isModelIdle || options.hoverPreview) return;
    const sent = now();
    const finish = () => {
      inFlight = false;
      roundTrip = now() - sent;
    };
    const answers = { answered: finish, failed: finish, timeout: PREVIEW_TIMEOUT, signal };
    inFlight = store.requestPreview("hover", point, answers) !== null;
  }

  return {
    cancel,

    /** @param {Position} at in image coordinates @param {boolean} negative */
    moved(at, negative) {
      const { picture } = store.snapshot();
      if (!picture) return;
      const label = negative ? 0 : 1;
      const point = /** @type {const} */ ({ type: "point", ...clampPoint(at, picture), label });
      schedule(() => requestAtRest(point), Math.max(REST_DELAY, roundTrip));
    },

    /** @param {() => PointPrompt | null} pointOnRelease what a release would add now */
    pressed(pointOnRelease) {
      schedule(() => {
        const point = pointOnRelease();
        if (point && store.snapshot().isModelIdle) store.requestPreview("press", point);
      }, PRESS_DELAY);
    },
  };
}
