/**
 * Edits that are shown before the kernel has acknowledged them.
 *
 * Prompts are sent as a whole list: the newest list contains every edit before it. While an action such
 * as undo is in flight, edits and further actions wait in a queue, because the prompts that they apply to
 * are known only from the kernel's answer. When another plane is shown first, no answer will come: they
 * then apply to the expected result of the action, or are sent as additions to it.
 *
 * @import { PromptsRequest } from "../protocol/messages.d.ts"
 * @import { ActionDetail, ActionType, EditAction } from "../protocol/sent.d.ts"
 * @typedef {import("./prompts.js").Prompt} Prompt
 * @typedef {import("./annotation.js").ActiveObject} ActiveObject
 * @typedef {import("./actions.js").ObjectChange} ObjectChange
 *
 * @typedef {(prompts: readonly Prompt[]) => readonly Prompt[]} Edit
 * @typedef {{ edit: Edit, adds: boolean }} QueuedEdit adds: it only adds, whatever the prompts are
 * @typedef {{ type: ActionType, detail: ActionDetail }} QueuedAction
 * @typedef {{ epoch: number, active: ActiveObject | null }} Base what the kernel has
 */
import { changeOf, finishesObject, isResultKnown, toWire } from "./actions.js";

/** @type {readonly Prompt[]} */
export const NO_PROMPTS = Object.freeze([]);

/** @param {QueuedEdit | QueuedAction} item @returns {item is QueuedAction} */
const isAction = (item) => "type" in item;

/** @param {QueuedEdit | QueuedAction} item @returns {item is QueuedEdit} */
const isEdit = (item) => "edit" in item;

/** @param {readonly QueuedEdit[]} edits @param {readonly Prompt[]} prompts */
const applyEdits = (edits, prompts) => edits.reduce((list, { edit }) => edit(list), prompts);

/**
 * @param {object} options
 * @param {import("./outbox.js").Outbox} options.outbox
 * @param {import("./actions.js").Link} options.link
 * @param {(ours: readonly Prompt[], theirs: readonly Prompt[]) => void} options.confirmed the kernel has taken our prompts over as its own
 */
export function createEdits({ outbox, link, confirmed }) {
  /** @type {Base} */
  let base = { epoch: 0, active: null };
  /** Prompts that were sent and not acknowledged. @type {readonly Prompt[] | null} */
  let local = null;
  /** Epoch that the prompts in `local` continue; the kernel refuses them if it has another one by then. */
  let localEpoch = 0;
  /** @type {(QueuedEdit | QueuedAction)[]} */
  let queue = [];
  /** Only the kernel knows the prompts that are there: they can be added to, and no more. */
  let areUnknown = false;
  /** The action in flight. @type {{ n: number, type: ActionType, finishes: boolean } | null} */
  let action = null;
  /** @type {(ObjectChange & { n: number })[]} */
  let changes = [];

  const currentPrompts = () => local ?? base.active?.prompts ?? NO_PROMPTS;
  const currentEpoch = () => (local ? localEpoch : base.epoch);

  /** @param {readonly Prompt[]} prompts @param {Partial<PromptsRequest>} [more] */
  function sendPrompts(prompts, more) {
    const epoch = (localEpoch = currentEpoch());
    local = prompts;
    let isRepeated = false;
    outbox.send(
      (rid) => {
        link.sendPrompts({ rid, epoch, prompts: prompts.map(toWire), ...more }, isRepeated);
        isRepeated = true;
      },
      { replaceable: true },
    );
  }

  /** @param {QueuedAction} action @param {readonly Prompt[]} prompts @param {Partial<PromptsRequest>} [more] */
  function sendAction({ type, detail }, prompts, more) {
    const finishes = finishesObject(type, detail, base.active?.id ?? null);
    // The step before may have finished the object since: prompts that the kernel has would then be
    // taken for a change of a finished object, and the step refused.
    const isKnown = type === "advance" && local === null && prompts === currentPrompts();
    const message = {
      type,
      epoch: currentEpoch(),
      ...(!isKnown && { prompts: prompts.map(toWire) }),
      ...more,
      ...detail,
    };
    if (prompts !== currentPrompts()) [localEpoch, local] = [currentEpoch(), prompts];
    // An action that could not be sent will never be acknowledged: nothing may wait for it.
    const send = (/** @type {EditAction["rid"]} */ rid) =>
      link.sendAction(/** @type {EditAction} */ ({ ...message, rid }));
    if (!outbox.send(send)) return;
    const n = outbox.newest();
    action = { n, type, finishes };
    const change = changeOf(type, detail);
    if (change) changes = [...changes, { n, ...change }];
  }

  /** Send what waited for the answer to an action, up to the next action. */
  function sendQueued() {
    const end = queue.findIndex(isAction);
    const edits = queue.splice(0, end < 0 ? queue.length : end).filter(isEdit);
    const prompts = applyEdits(edits, areUnknown ? NO_PROMPTS : currentPrompts());
    const more = areUnknown ? asAdditions(edits) : {};
    const next = queue.shift();
    if (next && isAction(next)) sendAction(next, prompts, more);
    else if (edits.length) sendPrompts(prompts, more);
  }

  /**
   * Edits of prompts that this page does not have. Moving or removing such a prompt cannot be expressed:
   * it is sent for the epoch before, so that the kernel refuses it with a message for the user.
   *
   * @param {readonly QueuedEdit[]} edits
   * @returns {Partial<PromptsRequest>}
   */
  const asAdditions = (edits) =>
    edits.every(({ adds }) => adds) ? { adds: true } : { epoch: currentEpoch() - 1 };

  /** Continue as if the action in flight were carried out. */
  function assumeActionDone() {
    if (!action) return;
    const isKnown = isResultKnown(action.type);
    const isCleared = action.finishes || !isKnown;
    areUnknown = !isKnown || (areUnknown && !action.finishes);
    localEpoch = currentEpoch() + 1;
    if (isCleared) local = null;
    base = { epoch: localEpoch, active: isCleared ? null : base.active };
    action = null;
    outbox.startGroup();
  }

  return {
    epoch: currentEpoch,
    /** Prompts that the kernel has not acknowledged, as they are sent; null: it has them all. */
    unsentPrompts: () => (local === null ? null : local.map(toWire)),
    hasUnsent: () => local !== null,
    /** Whether edits wait for the answer to an action. */
    isQueued: () => queue.length > 0,
    /** Whether the prompts cannot be known before the kernel answers. */
    isWaiting: () => action !== null || queue.length > 0,

    /**
     * The prompts once everything that waits is done: by then the object being worked on may be
     * finished, and the edits begin another one.
     *
     * @returns {{ prompts: readonly Prompt[], finishing: readonly Prompt[] | null }} finishing: prompts of
     *   the object being worked on, if it will be finished
     */
    expected() {
      let active = action?.finishes ? null : (base.active?.id ?? null);
      let prompts = action?.finishes ? NO_PROMPTS : currentPrompts();
      let finishing = action?.finishes ? currentPrompts() : null;
      for (const item of queue) {
        if (!isAction(item)) prompts = item.edit(prompts);
        else if (finishesObject(item.type, item.detail, active)) {
          finishing ??= prompts;
          [active, prompts] = [null, NO_PROMPTS];
        }
      }
      return { prompts, finishing };
    },

    /** What unacknowledged actions change in objects, by id. @returns {Map<number, ObjectChange["change"]>} */
    changesById() {
      const queued = queue.flatMap(
        (item) => (isAction(item) && changeOf(item.type, item.detail)) || [],
      );
      const byId = new Map();
      for (const { id, change } of [...changes, ...queued])
        byId.set(id, { ...byId.get(id), ...change });
      return byId;
    },

    /** @param {ActionType} type @param {ActionDetail} detail */
    act(type, detail) {
      if (action) queue.push({ type, detail });
      else sendAction({ type, detail }, currentPrompts());
    },

    /** @param {Edit} edit @param {boolean} adds it only adds, whatever the prompts are */
    edit(edit, adds) {
      if (action) return void queue.push({ edit, adds });
      const before = currentPrompts();
      const after = edit(before);
      if (after !== before) sendPrompts(after);
    },

    /** Forget queued edits of the object that will be worked on: those before an action are another object's. */
    dropQueuedEdits: () =>
      void (queue = queue.slice(
        0,
        queue.reduce((end, item, k) => (isAction(item) ? k + 1 : end), 0),
      )),

    /** @param {Base} next @param {number} done newest request acknowledged */
    acknowledge(next, done) {
      base = next;
      changes = changes.filter(({ n }) => n > done);
      if (action && done >= action.n) action = null;
      if (done >= outbox.newest()) {
        if (local && base.active) confirmed(local, base.active.prompts);
        local = null;
      }
      if (!action && queue.length) sendQueued();
    },

    /** Another plane is about to be shown: everything that waits belongs to this one, and is sent now. */
    flush() {
      while (queue.length) {
        assumeActionDone();
        sendQueued();
      }
    },

    reset: () => void ([local, action, queue, changes, areUnknown] = [null, null, [], [], false]),
  };
}

/** @typedef {ReturnType<typeof createEdits>} Edits */
