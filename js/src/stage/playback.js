/**
 * Plays the planes of a stack: pictures and masks are requested ahead, shown at a steady pace, and skipped
 * rather than shown late. The kernel shows the plane only when playback has stopped.
 *
 * @typedef {import("../state/answers.js").FrameAnswer} FrameAnswer
 * @typedef {import("../state/answers.js").FrameObject} FrameObject
 * @typedef {{ first: number, count: number, step: number, side: number, restart: boolean }} FramesRequest
 * @typedef {{ plane: number, bitmap: ImageBitmap, objects: readonly FrameObject[] }} PlayedFrame
 *
 * @typedef {object} Run from the start of playback to its stop
 * @property {number} stop one past the last plane
 * @property {number} side pixels of a picture's longer side
 * @property {number} next the first plane that was not requested yet
 * @property {number} step only every `step`-th plane is requested
 * @property {number} missing frames that were requested and have not arrived
 * @property {Set<number>} requests numbers of the requests
 * @property {{ plane: number, time: number }} anchor which plane is due when
 * @property {number} shown the plane that is shown
 * @property {PlayedFrame[]} queue decoded frames, in order
 * @property {number} decoding frames that are being decoded
 * @property {number} ticked time of the last tick
 * @property {number} lastArrival when a frame arrived last, or was requested
 * @property {{ n: number, time: number } | null} arrival of the last frame
 * @property {number} spacing milliseconds between two frames of one request, smoothed
 */
import { FRAMES_TIMEOUT } from "../state/timeouts.js";

/** Planes per second. */
export const RATE = 20;

/** Frames in one request; at most this many again wait decoded. */
export const BATCH = 8;

/** Largest step, with one picture per second; the kernel allows 64. */
const LARGEST_STEP = RATE;

/** Limits of the kernel for the longer side of a picture. */
const SIDES = [64, 2048];

/** Milliseconds without a tick, after which the page was hidden: time has not passed for the viewer. */
const PAUSE = 500;

/** Share of the newest interval in the smoothed one. */
const SMOOTHING = 0.3;

/**
 * @param {{
 *   request: (request: FramesRequest) => number | null,
 *   decode: (picture: import("../state/answers.js").FramePicture) => Promise<ImageBitmap>,
 *   changed: () => void,
 *   now?: () => number,
 * }} options `request`: returns its number, null if the kernel cannot be reached; `changed`: another frame may be due
 */
export function createPlayback({ request, decode, changed, now = () => performance.now() }) {
  /** @type {Run | null} */
  let run = null;
  /** Stays after the stop, until the kernel shows the plane. @type {PlayedFrame | null} */
  let shown = null;

  /** @param {PlayedFrame | null} frame */
  function show(frame) {
    if (shown !== frame) shown?.bitmap.close();
    shown = frame;
  }

  /** @param {Run} on @param {boolean} restart */
  function send(on, restart) {
    const count = Math.min(BATCH, Math.ceil((on.stop - on.next) / on.step));
    const { next: first, step, side } = on;
    const n = request({ first, count, step, side, restart });
    if (n === null) return;
    on.requests.add(n);
    on.missing += count;
    on.next += count * step;
    on.lastArrival = now();
  }

  /** Keep half a request on its way, as long as there is room for what arrives. @param {Run} on */
  function requestAhead(on) {
    const ahead = on.queue.length + on.decoding;
    if (on.next >= on.stop || on.missing > BATCH / 2 || ahead >= BATCH) return;
    // Frames arrive slower than they are played: skip planes to keep the speed.
    const wanted = Math.ceil((on.spacing * RATE) / 1000 - 0.1);
    on.step = Math.min(Math.max(wanted, 1), LARGEST_STEP);
    send(on, false);
  }

  /** Request lost frames again. @param {Run} on @param {number} time */
  function recover(on, time) {
    if (!on.missing || time - on.lastArrival < FRAMES_TIMEOUT) return;
    on.requests.clear();
    on.missing = 0;
    on.next = (on.queue.at(-1)?.plane ?? on.shown) + on.step;
    if (on.next < on.stop) send(on, true);
  }

  /** @param {Run} on @param {number} time @returns {number} the plane that is due */
  function due(on, time) {
    const { anchor, queue } = on;
    if (time - on.ticked > PAUSE) anchor.time += time - on.ticked;
    on.ticked = time;
    const plane = anchor.plane + ((time - anchor.time) * RATE) / 1000;
    // Nothing to show: playback pauses, and continues from the current plane.
    const next = on.shown + on.step;
    if (queue.length || plane < next) return plane;
    on.anchor = { plane: next, time };
    return next;
  }

  /** @param {Run} on @param {number} plane that is due */
  function showDue(on, plane) {
    while (on.queue.length && on.queue[0].plane <= plane) {
      const frame = /** @type {PlayedFrame} */ (on.queue.shift());
      on.shown = frame.plane;
      show(frame);
    }
  }

  /** @param {Run} on */
  const isOver = (on) => on.next >= on.stop && !on.missing && !on.decoding && on.queue.length === 0;

  /** @param {Run} on @param {FrameAnswer} answer */
  function measure(on, { n }) {
    const time = now();
    on.lastArrival = time;
    // Between two requests the kernel may have waited for the second one.
    if (on.arrival?.n === n) {
      const interval = time - on.arrival.time;
      on.spacing = on.spacing ? on.spacing + SMOOTHING * (interval - on.spacing) : interval;
    }
    on.arrival = { n, time };
  }

  /** @param {Run} on @param {FrameAnswer} answer */
  async function take(on, { plane, picture, objects }) {
    if (!picture) return;
    on.decoding += 1;
    const bitmap = await decode(picture).catch(() => null);
    on.decoding -= 1;
    if (!bitmap) return;
    if (run !== on || plane <= on.shown) return bitmap.close();
    on.queue.push({ plane, bitmap, objects });
    on.queue.sort((a, b) => a.plane - b.plane);
  }

  function end() {
    for (const { bitmap } of run?.queue ?? []) bitmap.close();
    run = null;
  }

  return {
    isPlaying: () => run !== null,
    /** What is shown in place of the kernel's plane. */
    frame: () => shown,

    /** @param {number} plane that is shown @param {{ stop: number, side: number }} options */
    start(plane, { stop, side }) {
      end();
      const time = now();
      run = {
        stop,
        side: Math.round(Math.min(Math.max(side, SIDES[0]), SIDES[1])),
        next: plane + 1,
        step: 1,
        missing: 0,
        requests: new Set(),
        anchor: { plane, time },
        shown: plane,
        queue: [],
        decoding: 0,
        ticked: time,
        lastArrival: time,
        arrival: null,
        spacing: 0,
      };
      if (run.next < stop) send(run, true);
    },

    /** @returns {number | null} the plane that is shown; null if nothing was played */
    stop() {
      if (!run) return null;
      const { shown: plane, requests } = run;
      end();
      if (requests.size)
        request({ first: plane, count: 0, step: 1, side: SIDES[0], restart: true });
      return plane;
    },

    /** Show the frame that is due. @param {number} time @returns {number | null} the plane shown; null when playback is over */
    tick(time) {
      if (!run) return null;
      showDue(run, due(run, time));
      requestAhead(run);
      recover(run, time);
      return isOver(run) ? null : run.shown;
    },

    /** @param {FrameAnswer} answer */
    async receive(answer) {
      const on = run;
      if (!on?.requests.has(answer.n)) return;
      on.missing = Math.max(on.missing - 1, 0);
      measure(on, answer);
      await take(on, answer);
      changed();
    },

    /** Show the kernel's plane again. */
    release: () => show(null),
  };
}

/** @typedef {ReturnType<typeof createPlayback>} Playback */
