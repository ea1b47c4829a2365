/**
 * What the kernel has sent. Nothing is shown of two planes at a time: the picture and the objects of
 * another plane are kept apart until the state of that plane is here.
 *
 * @typedef {import("./annotation.js").State} State
 * @typedef {import("./annotation.js").Picture} Picture
 * @typedef {import("./annotation.js").SegmentedObject} SegmentedObject
 * @typedef {import("./annotation.js").ObjectsMessage} ObjectsMessage
 * @typedef {{ picture: Picture | null, finished: readonly SegmentedObject[] }} Plane
 *
 * @typedef {object} Traits that are shown as they come
 * @property {import("./annotation.js").Status} status
 * @property {import("./annotation.js").Saved} saved
 * @property {import("./annotation.js").Stack | null} stack
 * @property {boolean} isSet whether the image is one of a set
 * @property {import("./timeline.js").Tracking | null} tracking
 * @property {import("./proposals.js").Proposing | null} proposing
 * @property {readonly import("./annotation.js").ObjectClass[]} classes
 * @property {readonly import("./annotation.js").Category[]} categories
 * @property {readonly import("./annotation.js").PromptClass[]} promptClasses
 */
import { EMPTY_STATE, insertAll, NOTHING_SAVED, UNKNOWN_STATUS } from "./annotation.js";

/** @returns {Plane} */
const emptyPlane = () => ({ picture: null, finished: [] });

export function createInbox() {
  let state = EMPTY_STATE;
  /** @type {Traits} */
  const traits = {
    status: UNKNOWN_STATUS,
    saved: NOTHING_SAVED,
    stack: null,
    isSet: false,
    tracking: null,
    proposing: null,
    classes: [],
    categories: [],
    promptClasses: [],
  };
  let shown = emptyPlane();
  /** What has arrived of a plane whose state has not. @type {{ number: number, plane: Plane }} */
  let early = { number: -1, plane: emptyPlane() };
  /** Number of the newest message of objects. */
  let newestMessage = -1;
  let isMessageMissing = false;

  /** @param {number} number @returns {Plane} */
  function planeOf(number) {
    if (number === state.plane) return shown;
    if (early.number !== number) early = { number, plane: emptyPlane() };
    return early.plane;
  }

  /** Show another plane: its picture is often here already. @param {number} number */
  function showPlane(number) {
    const arrived = early.number === number;
    shown = {
      picture: arrived ? early.plane.picture : shown.picture,
      finished: arrived ? early.plane.finished : [],
    };
    early = { number: -1, plane: emptyPlane() };
  }

  return {
    state: () => state,
    traits: () => traits,
    picture: () => shown.picture,
    finished: () => shown.finished,
    /** Whether no message of objects is missing or still on its way. */
    hasAllObjects: () => !isMessageMissing && newestMessage === state.newestObjectsMessage,
    /** Number of the newest message of objects, which is sent to the kernel; -1 requests all objects again. */
    resumePoint: () => (isMessageMissing ? -1 : newestMessage),

    /** @param {Partial<Traits>} change */
    receiveTraits: (change) => void Object.assign(traits, change),

    /** @param {State} next of this plane or of another one */
    receiveState(next) {
      // A stroke of a lost state would be known by its key only.
      const skipped = state.revision >= 0 && next.revision > state.revision + 1;
      if (skipped || next.isMaskMissing) isMessageMissing = true;
      const isOtherPlane = next.plane !== state.plane;
      state = next;
      if (isOtherPlane) showPlane(next.plane);
    },

    /** @param {ObjectsMessage} message */
    receiveObjects({ n, plane: number, reset, put, drop }) {
      isMessageMissing = !reset && (isMessageMissing || n !== newestMessage + 1);
      newestMessage = n;
      const dropped = new Set(drop);
      const plane = planeOf(number);
      plane.finished = insertAll(
        reset ? [] : plane.finished.filter(({ id }) => !dropped.has(id)),
        put,
      );
    },

    /** @param {Picture | null} next */
    receivePicture: (next) => void (planeOf(next?.plane ?? state.plane).picture = next),
  };
}

/** @typedef {ReturnType<typeof createInbox>} Inbox */
