/**
 * What one widget shows, and what it still has to tell the kernel. No DOM, no Jupyter.
 *
 * The kernel's `_state` is the truth. On top of it lie the prompts that were sent but not
 * acknowledged (`local`), and, while an action such as undo is on its way, the requests made
 * since (`queue`): they are drawn at once and sent when the action's answer is here, because
 * only then is it known which prompts they follow.
 *
 * @typedef {import("./wire.js").Prompt} Prompt
 * @typedef {import("./wire.js").BoxPrompt} BoxPrompt
 * @typedef {import("./wire.js").State} State
 * @typedef {import("./wire.js").Status} Status
 * @typedef {import("./wire.js").Picture} Picture
 * @typedef {import("./wire.js").Logits} Logits
 * @typedef {import("./wire.js").ActiveObject} ActiveObject
 * @typedef {import("./wire.js").SegmentedObject} SegmentedObject
 * @typedef {import("./wire.js").ObjectsMessage} ObjectsMessage
 *
 * @typedef {"commit" | "select" | "delete" | "label" | "undo" | "redo" | "clear" | "class"} ActionType
 * @typedef {{ object?: number, label?: string | null }} ActionDetail
 * @typedef {{ client: string, n: number }} RequestId
 * @typedef {{ rid: RequestId, epoch: number, prompts: readonly Prompt[] }} PromptsRequest
 * @typedef {PromptsRequest & ActionDetail & { type: ActionType }} ActionRequest
 *
 * @typedef {object} Link the way to the kernel; both throw when it is gone
 * @property {(request: PromptsRequest) => void} sendPrompts newest wins
 * @property {(request: ActionRequest) => void} sendAction one by one
 *
 * @typedef {object} Snapshot all that a view needs
 * @property {Picture | null} picture
 * @property {Status} status
 * @property {readonly string[]} labels
 * @property {string | null} nextLabel class of the next object
 * @property {string} notice
 * @property {readonly Prompt[]} prompts of the object being worked on, those not yet sent included
 * @property {ActiveObject | null} active
 * @property {number | null} target id of the object that an edit is about: none while another is on its way
 * @property {Logits | null} mask of the active object, the last one while a newer one is pending
 * @property {readonly SegmentedObject[]} finished
 * @property {readonly SegmentedObject[]} rows finished objects and the active one, in list order
 * @property {boolean} canUndo
 * @property {boolean} canRedo
 * @property {boolean} unsent the kernel has not acknowledged everything
 * @property {boolean} pending the mask shown is not yet the one asked for
 * @property {boolean} gone the kernel cannot be reached
 */
import { EMPTY_STATE, parseStatus } from "./wire.js";

/** @type {readonly Prompt[]} */
const NO_PROMPTS = Object.freeze([]);

/** After these the object being worked on is another one. */
const LEAVES_OBJECT = new Set(["commit", "select", "delete", "clear"]);

/**
 * @param {readonly Prompt[]} prompts
 * @param {Prompt} prompt
 * @returns {readonly Prompt[]} an object has one box at most: a new one takes the old one's place, as the newest prompt
 */
const withPrompt = (prompts, prompt) => [
  ...(prompt.type === "box" ? prompts.filter(({ type }) => type !== "box") : prompts),
  prompt,
];

/**
 * @param {readonly SegmentedObject[]} objects
 * @param {SegmentedObject} object
 */
function insertAtIndex(objects, object) {
  const others = objects.filter(({ id }) => id !== object.id);
  others.splice(Math.max(object.index, 0), 0, object);
  return others;
}

/** @param {{ client: string, link: Link }} options */
export function createStore({ client, link }) {
  /** @type {State} */
  let state = EMPTY_STATE;
  /** @type {Picture | null} */
  let picture = null;
  let status = parseStatus(null);
  /** @type {readonly string[]} */
  let labels = [];
  /** @type {readonly SegmentedObject[]} */
  let finished = [];
  /** @type {readonly Prompt[] | null} */
  let local = null;
  /** Epoch of the prompts that `local` continues; the kernel refuses it when they are gone by then. */
  let localEpoch = 0;
  /** @type {({ prompt: Prompt } | { type: ActionType, detail: ActionDetail })[]} */
  let queue = [];
  /** @type {{ n: number, type: ActionType, leaves: boolean } | null} */
  let action = null;
  /** @type {Map<number, { n: number, label: string | null }>} */
  const renamed = new Map();
  /** @type {{ id: number, mask: Logits } | null} */
  let lastMask = null;
  let sent = 0;
  let gone = false;
  /** @type {Snapshot | null} */
  let snapshot = null;
  /** @type {Set<() => void>} */
  const listeners = new Set();

  function changed() {
    snapshot = null;
    for (const listener of [...listeners]) listener();
  }

  const acknowledged = () => state.ack[client] ?? 0;
  const currentPrompts = () => local ?? state.active?.prompts ?? NO_PROMPTS;

  /** @param {(rid: RequestId) => void} send @returns {boolean} whether it left */
  function request(send) {
    sent += 1;
    try {
      send({ client, n: sent });
      gone = false;
    } catch {
      gone = true;
      // It was never asked, so it will never be acknowledged.
      sent -= 1;
    }
    return !gone;
  }

  const currentEpoch = () => (local ? localEpoch : state.epoch);

  /** @param {readonly Prompt[]} prompts */
  function sendLocal(prompts) {
    localEpoch = currentEpoch();
    local = prompts;
    request((rid) => link.sendPrompts({ rid, epoch: localEpoch, prompts }));
  }

  /** @param {ActionType} type @param {ActionDetail} detail @param {readonly Prompt[]} prompts */
  function sendAction(type, detail, prompts) {
    const leaves = LEAVES_OBJECT.has(type) && (type !== "delete" || detail.object === state.active?.id);
    const message = { type, epoch: currentEpoch(), prompts, ...detail };
    if (prompts !== currentPrompts()) [localEpoch, local] = [currentEpoch(), prompts];
    // An action that could not leave will never be answered: nothing may wait for it.
    if (!request((rid) => link.sendAction({ ...message, rid }))) return;
    action = { n: sent, type, leaves };
    if (type === "label" && detail.object !== undefined) {
      renamed.set(detail.object, { n: sent, label: detail.label ?? null });
    }
  }

  /** Send what waited for an action's answer, up to the next action. */
  function drainQueue() {
    const next = queue.findIndex((item) => "type" in item);
    const clicks = queue.splice(0, next < 0 ? queue.length : next);
    const prompts = clicks.reduce((list, item) => ("prompt" in item ? withPrompt(list, item.prompt) : list), currentPrompts());
    const following = queue.shift();
    if (following && "type" in following) sendAction(following.type, following.detail, prompts);
    else if (clicks.length) sendLocal(prompts);
  }

  function settle() {
    const done = acknowledged();
    for (const [id, { n }] of renamed) if (done >= n) renamed.delete(id);
    if (action && done >= action.n) action = null;
    if (done >= sent) local = null;
    if (!action && queue.length) drainQueue();
  }

  function rememberMask() {
    const { active } = state;
    if (active?.mask) lastMask = { id: active.id, mask: active.mask };
    else if (!active?.pending || lastMask?.id !== active.id) lastMask = null;
  }

  function shownPrompts() {
    const waiting = queue.flatMap((item) => ("prompt" in item ? [item.prompt] : []));
    const base = action?.leaves ? NO_PROMPTS : currentPrompts();
    return waiting.reduce(withPrompt, base);
  }

  /** @template {SegmentedObject} T @param {T} object @returns {T} */
  function withNewLabel(object) {
    const change = renamed.get(object.id);
    return change ? { ...object, label: change.label } : object;
  }

  /** @returns {Snapshot} */
  function takeSnapshot() {
    const active = state.active && withNewLabel(state.active);
    const others = finished.filter(({ id }) => id !== active?.id);
    const unsent = acknowledged() < sent || queue.length > 0;
    return {
      picture,
      status,
      labels,
      nextLabel: state.label,
      notice: state.notice,
      prompts: shownPrompts(),
      active,
      target: action?.leaves ? null : (active?.id ?? null),
      mask: lastMask?.mask ?? null,
      finished: others,
      rows: (active ? insertAtIndex(others, active) : others).map(withNewLabel),
      canUndo: state.canUndo || local !== null,
      canRedo: state.canRedo && local === null,
      unsent,
      pending: unsent || active?.pending === true,
      gone,
    };
  }

  return {
    client,
    snapshot: () => (snapshot ??= takeSnapshot()),

    /** @param {() => void} listener @param {AbortSignal} signal */
    subscribe(listener, signal) {
      if (signal.aborted) return;
      listeners.add(listener);
      signal.addEventListener("abort", () => listeners.delete(listener), { once: true });
    },

    /** @param {Prompt} prompt */
    addPrompt(prompt) {
      if (action) queue.push({ prompt });
      else sendLocal(withPrompt(currentPrompts(), prompt));
      changed();
    },

    /** Take back an object that the kernel has not answered for yet. */
    discardPrompts() {
      queue = queue.filter((item) => !("prompt" in item));
      if (local && !action) sendLocal([]);
      changed();
    },

    /** @param {ActionType} type @param {ActionDetail} [detail] */
    act(type, detail = {}) {
      if (action) queue.push({ type, detail });
      else sendAction(type, detail, currentPrompts());
      changed();
    },

    /** @param {State} next */
    receiveState(next) {
      if (next.revision < state.revision) return;
      state = next;
      gone = false;
      rememberMask();
      settle();
      changed();
    },

    /** @param {ObjectsMessage} message */
    receiveObjects({ reset, put, drop }) {
      const kept = reset ? [] : finished.filter(({ id }) => !drop.includes(id));
      finished = put.reduce(insertAtIndex, kept);
      gone = false;
      changed();
    },

    /** @param {Picture | null} next */
    receivePicture(next) {
      picture = next;
      changed();
    },

    /** @param {Status} next */
    receiveStatus(next) {
      status = next;
      changed();
    },

    /** @param {readonly string[]} next */
    receiveLabels(next) {
      labels = next;
      changed();
    },

    /** @param {boolean} lost the kernel cannot be reached any more, or again */
    setGone(lost) {
      if (gone === lost) return;
      gone = lost;
      changed();
    },
  };
}

/** @typedef {ReturnType<typeof createStore>} Store */
