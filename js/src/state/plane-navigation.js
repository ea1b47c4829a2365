/**
 * Requests for another plane. One is in flight at a time, and of later ones only the newest is kept: a
 * slider runs through many planes.
 *
 * @typedef {import("./annotation.js").State} State
 */

/**
 * @param {object} options
 * @param {import("./outbox.js").Outbox} options.outbox
 * @param {import("./actions.js").Link} options.link
 * @param {import("./edits.js").Edits} options.edits
 */
export function createPlaneNavigation({ outbox, link, edits }) {
  /** @type {number | null} */
  let requested = null;
  /** @type {{ n: number, plane: number, isRetry: boolean, isReceived: boolean } | null} */
  let inFlight = null;

  /** @param {State} state @param {boolean} [isRetry] */
  function send(state, isRetry = false) {
    // The prompts that go with the request are not known before an action in flight is acknowledged.
    if (inFlight || requested === null || edits.isWaiting()) return;
    const plane = requested;
    if (plane === state.plane && state.pendingPlane === null) {
      requested = null;
      return;
    }
    const message = {
      type: /** @type {const} */ ("plane"),
      epoch: edits.epoch(),
      prompts: edits.unsentPrompts(),
      plane,
    };
    if (outbox.send((rid) => link.sendAction({ ...message, rid })))
      inFlight = { n: outbox.newest(), plane, isRetry, isReceived: false };
    else requested = null;
  }

  return {
    /** @param {State} state */
    requestedPlane: (state) => requested ?? state.pendingPlane ?? state.plane,

    /** @param {number} plane @param {State} state */
    showPlane(plane, state) {
      requested = plane;
      send(state);
    },

    /** @param {State} state @param {number} done newest request acknowledged */
    settle(state, done) {
      let retry = false;
      if (inFlight)
        inFlight.isReceived ||=
          state.pendingPlane === inFlight.plane || state.plane === inFlight.plane;
      if (inFlight && done >= inFlight.n && state.pendingPlane !== inFlight.plane) {
        // The request was lost, and later ones were not. Only once: the plane may be one that cannot be read.
        retry = !inFlight.isReceived && !inFlight.isRetry;
        if (requested === inFlight.plane && !retry) requested = null;
        inFlight = null;
      }
      send(state, retry);
    },
  };
}

/** @typedef {ReturnType<typeof createPlaneNavigation>} PlaneNavigation */
