/**
 * The numbered requests of this page, and which of them the kernel has acknowledged.
 *
 * The kernel carries out each number once and drops a request whose number is lower than one it has
 * seen: a request may be repeated without harm, in the order of numbers.
 *
 * @import { RequestId } from "../protocol/messages.d.ts"
 *
 * @typedef {object} SentRequest
 * @property {number} n
 * @property {number} group the newest request of a group contains all that the earlier ones of the group contain
 * @property {boolean} replaceable it is a trait, whose value a later request may replace on its way
 * @property {() => void} repeat
 */

/**
 * @param {object} options
 * @param {string} options.client
 * @param {(send: () => void) => boolean} options.attempt returns whether it could be sent
 * @param {(n: number) => void} options.sent called with the number of each request that was sent
 */
export function createOutbox({ client, attempt, sent }) {
  let newest = 0;
  /** How many notices there were when the user last did something: later ones have not been read. */
  let noticesRead = 0;
  /** @type {SentRequest[]} */
  let unacknowledged = [];
  let group = 0;

  return {
    /** Number of the newest request. */
    newest: () => newest,

    /**
     * @param {(rid: RequestId) => void} send
     * @param {{ replaceable?: boolean }} [options]
     * @returns {boolean} whether it was sent
     */
    send(send, { replaceable = false } = {}) {
      const n = newest + 1;
      const rid = { client, n, ...(noticesRead && { seen: noticesRead }) };
      // A request that could not be sent will never be acknowledged: it gets no number.
      if (!attempt(() => send(rid))) return false;
      newest = n;
      sent(n);
      unacknowledged = [
        ...unacknowledged.filter((before) => before.group !== group),
        { n, group, replaceable, repeat: () => send(rid) },
      ];
      return true;
    },

    /** @param {number} done number of the newest request that the kernel has acknowledged */
    acknowledge(done) {
      // Another page uses the same id: the next request must not count as sent before.
      newest = Math.max(newest, done);
      unacknowledged = unacknowledged.filter(({ n }) => n > done);
    },

    /** The next requests do not contain the earlier ones. */
    startGroup: () => void (group += 1),

    /** Send everything again that the kernel may not have received. */
    repeat() {
      for (const { repeat } of unacknowledged) repeat();
    },

    /** Send again, in order, traits that the next request might replace on their way. @param {number} done newest one acknowledged */
    repeatReplaceable(done) {
      for (const { n, replaceable, repeat } of unacknowledged)
        if (replaceable && n > done) repeat();
    },

    /** @param {number} count notices that the user has seen */
    readNotices: (count) => void (noticesRead = count),
  };
}

/** @typedef {ReturnType<typeof createOutbox>} Outbox */
