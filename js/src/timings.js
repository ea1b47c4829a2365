/**
 * The page's marks along one click: event, request, answer, paint. All by the page's own clock;
 * what the kernel needed comes with its answer as durations.
 *
 * @typedef {{ client: string, n: number, kernel: number, decoder: number }} KernelTiming durations in microseconds
 * @typedef {{ browser: number, comm: number, kernel: number, decoder: number, paint: number, total: number }} Timing milliseconds
 * @typedef {{ n: number, event: number, sent: number, kernel: KernelTiming | null, received: number, painted: number }} Click
 */

/** An event longer ago (milliseconds) was about something else. */
const RECENT = 1000;

/** Clicks that the kernel has not been told of: it takes no more in one message. */
const KEPT = 100;

/** Microseconds after which a page has slept; the kernel takes no more. */
const LONGEST = 600_000_000;

/**
 * @param {{ client: string, now?: () => number, afterFrame?: (then: () => void) => void }} options
 */
export function createTimings({ client, now = () => performance.now(), afterFrame = afterThisFrame }) {
  let event = -Infinity;
  /** @type {Click | null} */
  let current = null;
  /** @type {Click | null} */
  let last = null;
  /** @type {Click[]} */
  let untold = [];

  return {
    /** A pointer's or key's event, from which a request may come. @param {number} timeStamp */
    happened: (timeStamp) => void (event = timeStamp),

    /** @param {number} n of the request that leaves now */
    sent(n) {
      const at = now();
      current = { n, event: at - event < RECENT ? Math.min(event, at) : at, sent: at, kernel: null, received: 0, painted: 0 };
      event = -Infinity;
    },

    /** @param {KernelTiming | null} kernel @param {number} at when its message arrived */
    received(kernel, at) {
      if (!current || current.kernel || kernel?.client !== client || kernel.n !== current.n) return;
      current.kernel = kernel;
      current.received = at;
    },

    /**
     * What was received is on its way to the screen; call it at the end of a frame's work.
     *
     * @param {boolean} [foreseen] it was here before it was asked for
     */
    painted(foreseen = false) {
      const click = current;
      if (click && foreseen && !click.kernel) Object.assign(click, { kernel: { client, n: click.n, kernel: 0, decoder: 0 }, received: click.sent });
      if (!click?.kernel) return;
      current = null;
      // Layout and the canvas's own work come after the callback.
      afterFrame(() => {
        click.painted = now();
        last = click;
        untold = [...untold.slice(1 - KEPT), click];
      });
    },

    /** @returns {Timing | null} of the newest click that is painted */
    last: () => last && partsOf(last),

    /** What the kernel has not been told yet, once. */
    untold() {
      const clicks = untold.map((click) => measured(client, click));
      untold = [];
      return clicks.filter(({ browser, trip, paint }) => Math.max(browser, trip, paint) <= LONGEST);
    },
  };
}

/** As the kernel takes it, in microseconds. @param {string} client @param {Click} click */
function measured(client, { n, event, sent, received, painted }) {
  const [browser, trip, paint] = [sent - event, received - sent, painted - received].map((ms) => Math.round(1e3 * ms));
  return { client, n, browser, trip, paint };
}

/** @param {Click} click @returns {Timing} */
function partsOf({ event, sent, received, painted, kernel }) {
  const [inside, decoder] = [(kernel?.kernel ?? 0) / 1e3, (kernel?.decoder ?? 0) / 1e3];
  return {
    browser: sent - event,
    comm: Math.max(received - sent - inside, 0),
    kernel: Math.max(inside - decoder, 0),
    decoder,
    paint: painted - received,
    total: painted - event,
  };
}

/** @param {() => void} then */
function afterThisFrame(then) {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    then();
  };
  port2.postMessage(null);
}
