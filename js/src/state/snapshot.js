/**
 * All that a view shows, at one moment: what the kernel has, with unacknowledged edits on top.
 *
 * @typedef {import("./prompts.js").Prompt} Prompt
 * @typedef {import("./annotation.js").Status} Status
 * @typedef {import("./annotation.js").Picture} Picture
 * @typedef {import("./annotation.js").Saved} Saved
 * @typedef {import("./annotation.js").MaskSettings} MaskSettings
 * @typedef {import("./annotation.js").Stack} Stack
 * @typedef {import("./annotation.js").ObjectClass} ObjectClass
 * @typedef {import("./annotation.js").Category} Category
 * @typedef {import("./annotation.js").Candidate} Candidate
 * @typedef {import("./annotation.js").ActiveObject} ActiveObject
 * @typedef {import("./annotation.js").SegmentedObject} SegmentedObject
 * @typedef {import("./timeline.js").Lane} Lane
 * @typedef {import("./timeline.js").Tracking} Tracking
 * @typedef {import("../pixels/mask.js").Mask} Mask
 * @typedef {import("./options.js").Options} Options
 *
 * @typedef {"up" | "lost" | "silent"} Connection silent: connected, but the kernel does not answer
 *
 * @typedef {object} Snapshot all that a view needs
 * @property {Picture | null} picture
 * @property {readonly Picture[]} keptPictures those that may be shown next
 * @property {Status} status
 * @property {readonly ObjectClass[]} classes
 * @property {readonly string[]} labels names of the classes
 * @property {readonly Category[]} categories the classes with their numbers in files
 * @property {readonly import("./annotation.js").PromptClass[]} promptClasses the classes as files of prompts list them
 * @property {string | null} nextLabel class of the next object
 * @property {string} nextColor of the next object
 * @property {import("./annotation.js").ColorBy} colorBy
 * @property {string} notice
 * @property {MaskSettings} settings
 * @property {Readonly<Options>} options
 * @property {readonly Prompt[]} prompts of the object being edited, with those that are not sent yet
 * @property {ActiveObject | null} active
 * @property {number | null} target id of the object that an edit applies to; null while that object is being finished or has no id yet
 * @property {Mask | null} mask of the active object, with new strokes; the previous one while a newer one is pending
 * @property {Mask | null} nextMask of an object that the kernel has not acknowledged yet: its strokes, or a speculative prediction
 * @property {readonly Candidate[] | null} candidates
 * @property {number} choice index of the candidate shown, -1 when there is nothing to choose
 * @property {readonly SegmentedObject[]} finished
 * @property {readonly SegmentedObject[]} rows finished objects and the active one, in list order
 * @property {number} epoch
 * @property {Stack | null} stack
 * @property {boolean} isSet whether the image is one of a set
 * @property {readonly Lane[]} lanes the objects of the stack over all planes, by ascending number
 * @property {Tracking | null} tracking the job that tracks them; null for a plain image
 * @property {import("./proposals.js").Proposals} proposals
 * @property {import("./proposals.js").Proposing | null} proposing the search for proposals, or the last one
 * @property {number} plane the one shown, to which edits apply
 * @property {number} requestedPlane the one that will be shown
 * @property {boolean} canUndo
 * @property {boolean} canRedo
 * @property {boolean} isUnacknowledged the kernel has not acknowledged everything
 * @property {boolean} pending the mask of the newest prompts has not arrived
 * @property {boolean} isModelIdle a request to the model would be worked on at once
 * @property {boolean} isSpeculative the mask shown is a speculative prediction for exactly these prompts
 * @property {Saved} saved
 * @property {boolean} isDisconnected whether the kernel cannot be reached
 * @property {Connection} connection
 */
import { insertAll } from "./annotation.js";
import { tabOf } from "./page-id.js";
import { choiceOf, sameForModel } from "./prompts.js";

/**
 * @param {object} parts
 * @param {string} parts.client
 * @param {import("./inbox.js").Inbox} parts.inbox
 * @param {import("./timeline.js").Timeline} parts.timeline
 * @param {import("./proposals.js").ProposalStore} parts.proposals
 * @param {import("./outbox.js").Outbox} parts.outbox
 * @param {import("./edits.js").Edits} parts.edits
 * @param {import("./plane-navigation.js").PlaneNavigation} parts.planeNavigation
 * @param {import("./mask-memory.js").MaskMemory} parts.masks
 * @param {Readonly<Options>} parts.options
 * @param {boolean} parts.isDisconnected
 * @param {Connection} parts.connection
 * @returns {Snapshot}
 */
export function takeSnapshot({
  client,
  inbox,
  timeline,
  proposals,
  outbox,
  edits,
  planeNavigation,
  masks,
  options,
  isDisconnected,
  connection,
}) {
  const state = inbox.state();
  const { status, stack, isSet, tracking, proposing, saved, classes, categories, promptClasses } =
    inbox.traits();
  const { active, finished } = objectsWithChanges(inbox, edits);
  const { prompts, finishing } = edits.expected();
  const isUnacknowledged = (state.ack[client] ?? 0) < outbox.newest() || edits.isQueued();
  const pending = isUnacknowledged || active?.pending === true;
  return {
    picture: inbox.picture(),
    keptPictures: inbox.keptPictures(),
    status,
    classes,
    labels: classes.map(({ name }) => name),
    categories,
    promptClasses,
    nextLabel: state.label,
    nextColor: state.nextColor,
    colorBy: state.colorBy,
    notice: state.notices[tabOf(client)] || state.notices[""] || state.notice,
    settings: state.settings,
    options,
    prompts,
    ...activeParts(active, prompts, finishing, masks),
    finished,
    rows: active ? insertAll(finished, [active]) : finished,
    epoch: edits.epoch(),
    stack,
    isSet,
    lanes: timeline.lanes(),
    tracking: isDisconnected ? stopped(tracking) : tracking,
    proposals: proposals.current(),
    proposing: isDisconnected ? stopped(proposing) : proposing,
    plane: state.plane,
    requestedPlane: planeNavigation.requestedPlane(state),
    canUndo: state.canUndo || edits.hasUnsent(),
    canRedo: state.canRedo && !edits.hasUnsent(),
    isUnacknowledged,
    pending,
    isModelIdle: !pending && !isDisconnected && status.phase === "ready",
    isSpeculative: masks.isSpeculative(prompts),
    saved,
    isDisconnected,
    connection,
  };
}

/**
 * A job whose kernel has ended: it does not run any more, although nothing has reported that.
 *
 * @template {{ running: boolean }} Job
 * @param {Job | null} job
 */
const stopped = (job) => (job?.running ? { ...job, running: false } : job);

/** @param {import("./inbox.js").Inbox} inbox @param {import("./edits.js").Edits} edits */
function objectsWithChanges(inbox, edits) {
  const changes = edits.changesById();
  /** @template {SegmentedObject} T @param {T} object @returns {T} */
  const changed = (object) =>
    changes.has(object.id) ? { ...object, ...changes.get(object.id) } : object;
  const { active } = inbox.state();
  const finished = without(inbox.finished(), active?.id ?? null);
  return {
    active: active && changed(active),
    finished: changes.size ? finished.map(changed) : finished,
  };
}

/** By the list that they were filtered from. @type {WeakMap<readonly SegmentedObject[], { excluded: number | null, objects: readonly SegmentedObject[] }>} */
const filteredLists = new WeakMap();

/**
 * All objects but one. The same array again for the same objects, so that the stage need not compare them.
 *
 * @param {readonly SegmentedObject[]} all
 * @param {number | null} excluded an id
 */
function without(all, excluded) {
  const cached = filteredLists.get(all);
  if (cached?.excluded === excluded) return cached.objects;
  const objects = all.filter(({ id }) => id !== excluded);
  filteredLists.set(all, { excluded, objects });
  return objects;
}

/**
 * @param {ActiveObject | null} active
 * @param {readonly Prompt[]} prompts those that are expected
 * @param {readonly Prompt[] | null} finishing prompts of the active object, if it will be finished
 * @param {import("./mask-memory.js").MaskMemory} masks
 */
function activeParts(active, prompts, finishing, masks) {
  const isLeaving = !active || finishing !== null;
  const candidates = !isLeaving && sameForModel(prompts, active.prompts) ? active.candidates : null;
  const choice = candidates && active ? (choiceOf(prompts) ?? active.choice) : -1;
  const chosen = choice === active?.choice ? null : (candidates?.[choice]?.mask ?? null);
  return {
    active,
    target: isLeaving ? null : active.id,
    mask: active && (chosen ?? masks.maskOfActive(finishing ?? prompts)),
    nextMask: isLeaving ? masks.maskOfNext(prompts) : null,
    candidates,
    choice,
  };
}
