/**
 * The times of one click: event, request, answer, paint. All are by the page's clock; the kernel sends
 * its own share as durations.
 *
 * @typedef {{ client: string, n: number, kernel: number, decoder: number }} KernelTiming durations in microseconds
 * @typedef {{ browser: number, comm: number, kernel: number, decoder: number, paint: number, total: number }} Timing milliseconds
 * @typedef {{ n: number, event: number, sent: number, kernel: KernelTiming | null, received: number, painted: number }} Click
 */

/** Milliseconds: an earlier event did not cause the request. */
const MAX_EVENT_AGE = 1000;

/** The most clicks that are kept for the kernel: it accepts no more in one message. */
const MAX_UNREPORTED = 100;

/** Microseconds: the kernel accepts no more, and after longer times the page was suspended. */
const MAX_DURATION = 600_000_000;

/**
 * @param {{ client: string, now?: () => number, afterFrame?: (then: () => void) => void }} options
 */
export function createTimings({
  client,
  now = () => performance.now(),
  afterFrame = afterThisFrame,
}) {
  let event = -Infinity;
  /** @type {Click | null} */
  let current = null;
  /** @type {Click | null} */
  let last = null;
  /** @type {Click[]} */
  let unreported = [];

  return {
    /** A pointer or key event, which may cause a request. @param {number} timeStamp */
    recordEvent: (timeStamp) => void (event = timeStamp),

    /** @param {number} n of the request that is sent now */
    recordSent(n) {
      const at = now();
      current = {
        n,
        event: at - event < MAX_EVENT_AGE ? Math.min(event, at) : at,
        sent: at,
        kernel: null,
        received: 0,
        painted: 0,
      };
      event = -Infinity;
    },

    /** @param {KernelTiming | null} kernel @param {number} at when its message arrived */
    recordReceived(kernel, at) {
      if (!current || current.kernel || kernel?.client !== client || kernel.n !== current.n) return;
      current.kernel = kernel;
      current.received = at;
    },

    /**
     * What was received is drawn; to be called at the end of a frame's work.
     *
     * @param {boolean} [isSpeculative] the mask was predicted before the click
     */
    recordPainted(isSpeculative = false) {
      const click = current;
      if (click && isSpeculative && !click.kernel)
        Object.assign(click, {
          kernel: { client, n: click.n, kernel: 0, decoder: 0 },
          received: click.sent,
        });
      if (!click?.kernel) return;
      current = null;
      // Layout and the canvas's own work come after the callback.
      afterFrame(() => {
        click.painted = now();
        last = click;
        unreported = [...unreported.slice(1 - MAX_UNREPORTED), click];
      });
    },

    /** @returns {Timing | null} of the newest click that is painted */
    last: () => last && partsOf(last),

    /** The clicks that were not sent to the kernel yet; each is returned once. */
    takeUnreported() {
      const clicks = unreported.map((click) => measured(client, click));
      unreported = [];
      return clicks.filter(
        ({ browser, trip, paint }) => Math.max(browser, trip, paint) <= MAX_DURATION,
      );
    },
  };
}

/** As it is sent, in microseconds. @param {string} client @param {Click} click */
function measured(client, { n, event, sent, received, painted }) {
  const [browser, trip, paint] = [sent - event, received - sent, painted - received].map((ms) =>
    Math.round(1e3 * ms),
  );
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
