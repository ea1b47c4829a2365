/**
 * Small messages that carry what the server's socket waits for. A Jupyter server sends the second
 * small part of an answer only when the first is acknowledged, and an acknowledgement that has
 * nothing to travel with is put off for 40 ms; each nudge takes one along.
 *
 * A nudge that comes before the answer is written frees only what came before it and leaves its
 * own acknowledgement behind, so the first goes when the answer should be there, by how long the
 * kernel took last, and another follows if it is not. An answer that comes by itself stops them.
 * Servers that do not wait (see `sam2_widget.server`) are never nudged.
 */

/** Milliseconds until an answer that needs no model is written. */
export const SOON = 8;

/** What the request's way adds to that (milliseconds), rather more than less. */
const ON_THE_WAY = 4;

/** Between two nudges. */
const EVERY = 12;

/** For one request: each costs 1.5 KiB with what Jupyter says about it. */
const MOST = 2;

/** How far ahead (milliseconds) an answer may be expected. */
const LATEST = 400;

/** @param {{ nudge: () => void, needless: () => boolean, signal: AbortSignal }} options */
export function createNudges({ nudge, needless, signal }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let left = 0;
  let expected = SOON;
  signal.addEventListener("abort", stop);

  function stop() {
    clearTimeout(timer);
    left = 0;
  }

  /** @param {number} delay */
  function later(delay) {
    clearTimeout(timer);
    timer = setTimeout(() => {
      left -= 1;
      nudge();
      if (left > 0) later(EVERY);
    }, delay);
  }

  return {
    /** A request has left. @param {boolean} asksModel */
    start(asksModel) {
      if (needless()) return;
      left = MOST;
      later(asksModel ? expected : SOON);
    },
    stop,
    /** The model was asked, and it took the kernel so long. @param {number} ms */
    learn: (ms) => void (expected = Math.min(Math.max(ms + ON_THE_WAY, SOON), LATEST)),
  };
}
