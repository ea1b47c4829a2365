/**
 * Proposals: masks that the model suggests for the plane shown, and the search for them, as the kernel
 * has them. Those that this page has just accepted or rejected are left out before the kernel answers.
 *
 * @typedef {import("../pixels/geometry.js").Corners} Corners
 * @typedef {object} Thresholds that a proposal must pass
 * @property {number} minScore
 * @property {number} minStability
 * @property {number} minArea in image pixels
 * @property {number | null} maxArea null for no limit
 * @property {number} maxOverlap of two with a larger IoU the one with the lower score is left out
 * @property {number} minLikeness to one of the examples; 0: they are not compared
 *
 * @typedef {object} Proposal never changed
 * @property {number} number from 1, in the order in which they were found
 * @property {Corners} crop image pixels that the model saw
 * @property {Corners} box of the mask, in image pixels
 * @property {number} score 0..1
 * @property {number} stability 0..1
 * @property {number} area in image pixels
 * @property {import("../pixels/mask.js").Mask & { base: import("../pixels/mask.js").Logits }} mask
 *
 * @typedef {{ n: number, job: number, reset: boolean, put: Proposal[], accepted: number[], rejected: number[], likeness: number[] | null }} ProposalsMessage likeness: null if nothing has changed
 *
 * @typedef {object} Examples objects that proposals are compared with
 * @property {number} count 0: there is none
 * @property {string | null} label that all of them have
 * @property {number} minLikeness to start with
 * @property {number} maxOverlap likewise
 *
 * @typedef {object} Proposing the search, or the last one
 * @property {number} job its number
 * @property {number} message number of the last message of proposals that was sent
 * @property {boolean} running
 * @property {number} done points
 * @property {number} total points
 * @property {string} note why there can be no proposals, "" if there can
 * @property {string} error why it ended early, "" if it did not
 * @property {Thresholds} thresholds that suit the model
 * @property {Examples} examples
 *
 * @typedef {object} Proposals
 * @property {number} job number of the search, 0: there is none
 * @property {readonly Proposal[]} all in the order in which they were found
 * @property {ReadonlySet<number>} settled numbers of those that were accepted or rejected
 * @property {readonly number[]} rejected
 * @property {readonly number[]} likeness to the examples, 0..1, by the number of a proposal less 1; empty without examples
 */

/** @type {Proposals} */
const NOTHING = Object.freeze({ job: 0, all: [], settled: new Set(), rejected: [], likeness: [] });

export function createProposals() {
  let current = NOTHING;
  /** Numbers that this page has accepted or rejected, which the kernel has not confirmed. @type {Set<number>} */
  let claimed = new Set();
  /** @type {readonly number[]} */
  let accepted = [];
  /** Number of the newest message. */
  let newest = -1;
  let isMessageMissing = false;

  /** @param {Partial<Proposals>} change */
  function set(change) {
    const next = { ...current, ...change };
    current = { ...next, settled: new Set([...accepted, ...next.rejected, ...claimed]) };
  }

  return {
    current: () => current,

    /** @param {Proposing | null} proposing @returns {boolean} whether no message is missing or still on its way */
    isComplete: (proposing) =>
      proposing === null || (!isMessageMissing && newest >= proposing.message),

    /** Number of the newest message, which is sent to the kernel; -1 requests all proposals again. */
    resumePoint: () => (isMessageMissing ? -1 : newest),

    /** @param {ProposalsMessage} message */
    receive({ n, job, reset, put, accepted: taken, rejected, likeness }) {
      if (n <= newest && !reset) return;
      isMessageMissing = !reset && (isMessageMissing || n !== newest + 1);
      newest = n;
      accepted = taken;
      const all = reset ? put : put.length ? [...current.all, ...put] : current.all;
      if (job !== current.job) claimed = new Set();
      set({ job, all, rejected, likeness: likeness ?? (reset ? [] : current.likeness) });
    },

    /** Leave proposals out at once. @param {readonly number[]} numbers */
    claim(numbers) {
      claimed = new Set([...claimed, ...numbers]);
      set({});
    },

    /** The kernel has answered all requests: what it has not confirmed did not happen. */
    settle() {
      if (!claimed.size) return;
      claimed = new Set();
      set({});
    },
  };
}

/** @typedef {ReturnType<typeof createProposals>} ProposalStore */
