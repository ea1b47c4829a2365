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

/** Pictures that are kept beside the one shown: `KEPT` of the kernel. */
export const KEPT_PICTURES = 3;

/** @param {Picture} one @param {Picture} other */
function isSamePicture(one, other) {
  const { data, plane, width, height } = one;
  const isLike = plane === other.plane && width === other.width && height === other.height;
  if (!isLike || data.length !== other.data.length) return false;
  for (let at = 0; at < data.length; at += 1) if (data[at] !== other.data[at]) return false;
  return true;
}

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
  /** Pictures of a set that were sent ahead, or shown before: the newest last. @type {readonly Picture[]} */
  let kept = [];
  /** Number of the newest message of objects. */
  let newestMessage = -1;
  let isMessageMissing = false;

  /** @param {number} number @returns {Plane} */
  function planeOf(number) {
    if (number === state.plane) return shown;
    if (early.number !== number) early = { number, plane: emptyPlane() };
    return early.plane;
  }

  /** @param {Picture} picture */
  function keep(picture) {
    kept = [...kept.filter(({ plane }) => plane !== picture.plane), picture].slice(-KEPT_PICTURES);
  }

  /** Show another plane: its picture is often here already. @param {number} number */
  function showPlane(number) {
    const { picture: before } = shown;
    const { picture, finished } = early.number === number ? early.plane : emptyPlane();
    const ahead = kept.find(({ plane }) => plane === number);
    shown = { picture: picture ?? ahead ?? before, finished };
    if (traits.isSet && before) keep(before);
    early = { number: -1, plane: emptyPlane() };
  }

  return {
    state: () => state,
    traits: () => traits,
    picture: () => shown.picture,
    keptPictures: () => kept,
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
    receivePicture(next) {
      const plane = planeOf(next?.plane ?? state.plane);
      // The same one is decoded already.
      const known = next && [plane.picture, ...kept].find((one) => one && isSamePicture(one, next));
      plane.picture = known ?? next;
    },

    /** @param {Picture | null} next of an image of a set that will probably be shown next */
    receivePictureAhead: (next) => void (next && keep(next)),
  };
}

/** @typedef {ReturnType<typeof createInbox>} Inbox */
