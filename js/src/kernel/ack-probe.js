/**
 * Small messages that carry TCP acknowledgements. A Jupyter server sends the second small part of an
 * answer only when the first is acknowledged, and the browser's system delays an acknowledgement by up
 * to 40 ms unless it can be sent with data; each of these messages is such data.
 *
 * A message sent before the answer is written does not help the answer. So the first is sent when the
 * answer is expected, by how long the kernel took last, and another follows if it has not come. When an
 * answer arrives they stop. Servers without that delay (see `sam2_widget.server`) get none.
 */

/** Milliseconds until the kernel has written an answer that needs no model. */
export const FIRST_DELAY = 8;

/** Milliseconds that the request is under way, at most. */
const TRANSIT = 4;

/** Milliseconds between two messages. */
const INTERVAL = 12;

/** Messages for one request: each costs 1.5 KiB, with Jupyter's replies to it. */
const MAX_PROBES = 2;

/** Milliseconds: the longest delay of the first message. */
const LONGEST_DELAY = 400;

/** @param {{ send: () => void, isNeedless: () => boolean, signal: AbortSignal }} options */
export function createAckProbes({ send, isNeedless, signal }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let remaining = 0;
  let expectedDelay = FIRST_DELAY;
  signal.addEventListener("abort", stop);

  function stop() {
    clearTimeout(timer);
    remaining = 0;
  }

  /** @param {number} delay */
  function schedule(delay) {
    clearTimeout(timer);
    timer = setTimeout(() => {
      remaining -= 1;
      send();
      if (remaining > 0) schedule(INTERVAL);
    }, delay);
  }

  return {
    /** A request was sent. @param {boolean} needsModel */
    start(needsModel) {
      if (isNeedless()) return;
      remaining = MAX_PROBES;
      schedule(needsModel ? expectedDelay : FIRST_DELAY);
    },
    stop,
    /** How long the kernel took for the last prediction. @param {number} ms */
    expectDuration: (ms) =>
      void (expectedDelay = Math.min(Math.max(ms + TRANSIT, FIRST_DELAY), LONGEST_DELAY)),
  };
}
