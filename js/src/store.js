/**
 * What one widget shows, and what it still has to tell the kernel. No DOM, no Jupyter.
 *
 * The kernel's `_state` is the truth. On top of it lie the prompts that were sent but not
 * acknowledged (`local`), and, while an action such as undo is on its way, the requests made
 * since (`queue`): they are drawn at once and sent when the action's answer is here, because
 * only then is it known which prompts they follow. When another plane comes first, there will be
 * no answer: they follow what the action is expected to leave, or are sent as additions to it.
 *
 * @typedef {import("./prompts.js").Prompt} Prompt
 * @typedef {import("./wire.js").State} State
 * @typedef {import("./wire.js").Status} Status
 * @typedef {import("./wire.js").Picture} Picture
 * @typedef {import("./wire.js").Settings} Settings
 * @typedef {import("./wire.js").Stack} Stack
 * @typedef {import("./wire.js").ObjectClass} ObjectClass
 * @typedef {import("./wire.js").Candidate} Candidate
 * @typedef {import("./wire.js").ActiveObject} ActiveObject
 * @typedef {import("./wire.js").SegmentedObject} SegmentedObject
 * @typedef {import("./wire.js").ObjectsMessage} ObjectsMessage
 * @typedef {import("./mask.js").Mask} Mask
 * @typedef {import("./options.js").Options} Options
 * @typedef {import("./options.js").OptionName} OptionName
 *
 * @typedef {import("./requests.js").ActionType} ActionType
 * @typedef {import("./requests.js").ActionDetail} ActionDetail
 * @typedef {import("./requests.js").RequestId} RequestId
 * @typedef {import("./requests.js").PromptsRequest} PromptsRequest
 * @typedef {import("./requests.js").QuestionType} QuestionType
 * @typedef {import("./requests.js").Link} Link
 * @typedef {import("./requests.js").Patch} Patch
 *
 * @typedef {(prompts: readonly Prompt[]) => readonly Prompt[]} Edit
 * @typedef {"up" | "lost" | "silent"} Connection silent: it seems to be there, and yet nothing is answered
 *
 * @typedef {object} Snapshot all that a view needs
 * @property {Picture | null} picture
 * @property {Status} status
 * @property {readonly ObjectClass[]} classes
 * @property {readonly string[]} labels names of the classes
 * @property {string | null} nextLabel class of the next object
 * @property {string} nextColor of the next object
 * @property {string} notice
 * @property {Settings} settings
 * @property {Readonly<Options>} options
 * @property {readonly Prompt[]} prompts of the object being worked on, those not yet sent included
 * @property {ActiveObject | null} active
 * @property {number | null} target id of the object that an edit is about: none while another is on its way
 * @property {Mask | null} mask of the active object, the last one while a newer one is pending, new strokes included
 * @property {Mask | null} nextMask of an object which the kernel does not know yet: strokes, or what was foreseen
 * @property {readonly Candidate[] | null} candidates
 * @property {number} choice index of the candidate shown, -1 when there is nothing to choose
 * @property {readonly SegmentedObject[]} finished
 * @property {readonly SegmentedObject[]} rows finished objects and the active one, in list order
 * @property {number} epoch
 * @property {Stack | null} stack
 * @property {number} plane the one shown: what is done is done to it
 * @property {number} wantedPlane the one that will be shown
 * @property {boolean} canUndo
 * @property {boolean} canRedo
 * @property {boolean} unsent the kernel has not acknowledged everything
 * @property {boolean} pending the kernel has not answered yet with the mask asked for
 * @property {boolean} free the model would work at once at what is asked of it
 * @property {boolean} foreseen the mask shown is the one asked for, known before it was
 * @property {boolean} gone the kernel cannot be reached
 * @property {Connection} connection
 */
import { tabOf } from "./client.js";
import { createMaskMemory } from "./memory.js";
import { DEFAULT_OPTIONS } from "./options.js";
import { choiceOf, sameForModel, withoutPrompt, withPrompt, withPromptAt } from "./prompts.js";
import { isForeseen, leavesObject, patchOf, toWire } from "./requests.js";
import { createTimings } from "./timings.js";
import { EMPTY_STATE, insertAll, parseStatus } from "./wire.js";

/** @type {readonly Prompt[]} */
const NO_PROMPTS = Object.freeze([]);

/** @param {{ client: string, link: Link }} options */
export function createStore({ client, link }) {
  /** @type {State} */
  let state = EMPTY_STATE;
  /** @type {Picture | null} */
  let picture = null;
  let status = parseStatus(null);
  /** @type {readonly ObjectClass[]} */
  let classes = [];
  /** @type {readonly SegmentedObject[]} */
  let finished = [];
  let options = DEFAULT_OPTIONS;
  /** @type {readonly Prompt[] | null} */
  let local = null;
  /** Epoch of the prompts that `local` continues; the kernel refuses it when they are gone by then. */
  let localEpoch = 0;
  /** @type {({ edit: Edit, adds: boolean } | { type: ActionType, detail: ActionDetail })[]} */
  let queue = [];
  /** Whether only the kernel knows the prompts that are there: they can be added to, and no more. */
  let unknown = false;
  /** @type {{ n: number, type: ActionType, leaves: boolean } | null} */
  let action = null;
  /** @type {{ n: number, id: number, patch: Patch }[]} */
  let patches = [];
  const memory = createMaskMemory();
  const timings = createTimings({ client });
  let sent = 0;
  /** How many notices there had been when the user did something: what came later is not read yet. */
  let read = 0;
  let questions = 0;
  /** What is asked about a click that may come. @type {{ n: number, prompts: readonly Prompt[] } | null} */
  let expected = null;
  let gone = false;
  /** @type {Stack | null} */
  let stack = null;
  /** What has arrived of a plane whose state has not: nothing is shown of two planes at a time. */
  let coming = { plane: -1, picture: /** @type {Picture | null} */ (null), finished: /** @type {readonly SegmentedObject[]} */ ([]) };
  /** @type {number | null} */
  let wantedPlane = null;
  /** @type {{ n: number, plane: number, again: boolean, heard: boolean } | null} */
  let turn = null;
  /** @type {Connection} */
  let connection = "up";
  /** Number of the last message of objects, and whether one of those before it is missing. */
  let seen = -1;
  let incomplete = false;
  /**
   * Requests that the kernel may not have heard. The newest of a chain holds all that was said before
   * in it; one starts with every plane, and after an action whose answer was not waited for.
   *
   * @type {{ n: number, chain: number, overtaken: boolean, repeat: () => void }[]}
   */
  let unheard = [];
  let chain = 0;
  /** @type {Snapshot | null} */
  let snapshot = null;
  /** @type {Set<() => void>} */
  const listeners = new Set();
  /** @type {Map<string, Set<(answer: any) => void>>} */
  const answerListeners = new Map();

  function changed() {
    snapshot = null;
    for (const listener of [...listeners]) listener();
  }

  function noteGone() {
    if (gone) return;
    gone = true;
    changed();
  }

  const acknowledged = () => state.ack[client] ?? 0;
  const currentPrompts = () => local ?? state.active?.prompts ?? NO_PROMPTS;
  const currentEpoch = () => (local ? localEpoch : state.epoch);

  /**
   * @param {(rid: RequestId) => void} send
   * @param {boolean} [overtaken] it may be, by requests that leave later
   * @returns {boolean} whether it left
   */
  function request(send, overtaken = false) {
    sent += 1;
    const rid = { client, n: sent, ...(read && { seen: read }) };
    try {
      send(rid);
      timings.sent(sent);
      gone = false;
      unheard = [...unheard.filter((before) => before.chain !== chain), { n: sent, chain, overtaken, repeat: () => send(rid) }];
    } catch {
      gone = true;
      // It was never asked, so it will never be acknowledged.
      sent -= 1;
    }
    return !gone;
  }

  /** @param {readonly Prompt[]} prompts @param {Partial<PromptsRequest>} [more] */
  function sendLocal(prompts, more) {
    const epoch = (localEpoch = currentEpoch());
    local = prompts;
    let inTurn = false;
    request((rid) => {
      link.sendPrompts({ rid, epoch, prompts: prompts.map(toWire), ...more }, inTurn);
      inTurn = true;
    }, true);
  }

  /** @param {ActionType} type @param {ActionDetail} detail @param {readonly Prompt[]} prompts @param {Partial<PromptsRequest>} [more] */
  function sendAction(type, detail, prompts, more) {
    const leaves = leavesObject(type, detail, state.active?.id ?? null);
    const message = { type, epoch: currentEpoch(), prompts: prompts.map(toWire), ...more, ...detail };
    if (prompts !== currentPrompts()) [localEpoch, local] = [currentEpoch(), prompts];
    // An action that could not leave will never be answered: nothing may wait for it.
    if (!request((rid) => link.sendAction({ ...message, rid }))) return;
    action = { n: sent, type, leaves };
    const patch = patchOf(type, detail);
    if (patch) patches = [...patches, { n: sent, ...patch }];
  }

  /** @param {readonly { edit: Edit }[]} edits @param {readonly Prompt[]} prompts */
  const applied = (edits, prompts) => edits.reduce((list, { edit }) => edit(list), prompts);
  const waitingEdits = () => queue.flatMap((item) => ("edit" in item ? [item] : []));

  /** Send what waited for an action's answer, up to the next action. */
  function drainQueue() {
    const next = queue.findIndex((item) => "type" in item);
    const edits = queue.splice(0, next < 0 ? queue.length : next).flatMap((item) => ("edit" in item ? [item] : []));
    const prompts = applied(edits, unknown ? NO_PROMPTS : currentPrompts());
    const more = unknown ? asAdditions(edits) : {};
    const following = queue.shift();
    if (following && "type" in following) sendAction(following.type, following.detail, prompts, more);
    else if (edits.length) sendLocal(prompts, more);
  }

  /**
   * What of the prompts there was moved or removed cannot be told: by the epoch before, the kernel
   * refuses it and says so.
   *
   * @param {readonly { adds: boolean }[]} edits
   * @returns {Partial<PromptsRequest>}
   */
  const asAdditions = (edits) => (edits.every(({ adds }) => adds) ? { adds: true } : { epoch: currentEpoch() - 1 });

  function settle() {
    const done = acknowledged();
    unheard = unheard.filter(({ n }) => n > done);
    patches = patches.filter(({ n }) => n > done);
    if (action && done >= action.n) action = null;
    if (done >= sent) {
      if (local && state.active) memory.learn(local, state.active.prompts);
      local = null;
    }
    if (!action && queue.length) drainQueue();
    settleTurn(done);
  }

  /** @param {number} done newest request acknowledged */
  function settleTurn(done) {
    let again = false;
    if (turn) turn.heard ||= state.turning === turn.plane || state.plane === turn.plane;
    if (turn && done >= turn.n && state.turning !== turn.plane) {
      // It was lost, and what was said later was not. Once: the plane may be one that cannot be read.
      again = !turn.heard && !turn.again;
      if (wantedPlane === turn.plane && !again) wantedPlane = null;
      turn = null;
    }
    sendTurn(again);
  }

  /** One at a time, and the newest waits: a slider runs through many planes. @param {boolean} [again] */
  function sendTurn(again = false) {
    // What an action does to the prompts is not known yet; they belong to the plane before.
    if (turn || wantedPlane === null || action || queue.length) return;
    const plane = wantedPlane;
    if (plane === state.plane && state.turning === null) wantedPlane = null;
    else {
      const message = { type: /** @type {const} */ ("plane"), epoch: currentEpoch(), prompts: local && local.map(toWire), plane };
      if (request((rid) => link.sendAction({ ...message, rid }))) turn = { n: sent, plane, again, heard: false };
      else wantedPlane = null;
    }
  }

  /** Go on as if the action on its way were carried out: of this plane, no answer will come. */
  function passAction() {
    if (!action) return;
    const cleared = action.leaves || !isForeseen(action.type);
    unknown = !isForeseen(action.type) || (unknown && !action.leaves);
    localEpoch = currentEpoch() + 1;
    if (cleared) local = null;
    state = { ...state, epoch: localEpoch, active: cleared ? null : state.active };
    action = null;
    chain += 1;
  }

  /**
   * Another plane is shown: what was said of the one before is its own, and leaves before all else.
   *
   * @param {number} done newest request acknowledged
   */
  function leavePlane(done) {
    while (queue.length) {
      passAction();
      drainQueue();
    }
    sendInTurn(done);
    chain += 1;
    [local, action, queue, patches, unknown] = [null, null, [], [], false];
    memory.remember(null);
  }

  /** @param {number} done newest request acknowledged */
  function sendInTurn(done) {
    try {
      // A trait may be kept back until a later request is heard, or the next plane's takes its place.
      for (const { n, overtaken, repeat } of unheard) if (overtaken && n > done) repeat();
    } catch {
      // They stay unheard, and are said again when the connection is back.
      gone = true;
    }
  }

  /** @param {number} plane */
  function adopt(plane) {
    if (coming.plane === plane) ({ picture, finished } = coming);
    else finished = [];
    coming = { plane: -1, picture: null, finished: [] };
  }

  /** @param {number} plane */
  function arriving(plane) {
    if (coming.plane !== plane) coming = { plane, picture: null, finished: [] };
    return coming;
  }

  /** What the kernel owes, the most pressing thing; the text is another one as soon as it is delivered. */
  function owed() {
    const done = acknowledged();
    if (gone) return null;
    if (done < sent) return `answer to ${done + 1}`;
    if (incomplete || seen !== state.objects) return "objects";
    return state.active?.pending || state.turning !== null ? "mask" : null;
  }

  const shownPrompts = () => applied(waitingEdits(), action?.leaves ? NO_PROMPTS : currentPrompts());

  /** @returns {Map<number, Patch>} */
  function patchesById() {
    const waiting = queue.flatMap((item) => ("type" in item && patchOf(item.type, item.detail)) || []);
    const byId = new Map();
    for (const { id, patch } of [...patches, ...waiting]) byId.set(id, { ...byId.get(id), ...patch });
    return byId;
  }

  /** @returns {Snapshot} */
  function takeSnapshot() {
    const changes = patchesById();
    /** @template {SegmentedObject} T @param {T} object @returns {T} */
    const patched = (object) => (changes.has(object.id) ? { ...object, ...changes.get(object.id) } : object);
    const active = state.active && patched(state.active);
    const others = finished.filter(({ id }) => id !== active?.id).map(patched);
    const unsent = acknowledged() < sent || queue.length > 0;
    const prompts = shownPrompts();
    const pending = unsent || active?.pending === true;
    const leaving = !active || action?.leaves === true;
    const candidates = !leaving && sameForModel(prompts, active.prompts) ? active.candidates : null;
    const choice = candidates && active ? (choiceOf(prompts) ?? active.choice) : -1;
    const chosen = choice === active?.choice ? null : (candidates?.[choice]?.mask ?? null);
    return {
      picture,
      status,
      classes,
      labels: classes.map(({ name }) => name),
      nextLabel: state.label,
      nextColor: state.nextColor,
      notice: state.notices[tabOf(client)] || state.notices[""] || state.notice,
      settings: state.settings,
      options,
      prompts,
      active,
      target: leaving ? null : active.id,
      mask: active && (chosen ?? memory.shown(leaving ? currentPrompts() : prompts)),
      nextMask: leaving ? memory.begun(prompts) : null,
      candidates,
      choice,
      finished: others,
      rows: active ? insertAll(others, [active]) : others,
      epoch: currentEpoch(),
      stack,
      plane: state.plane,
      wantedPlane: wantedPlane ?? state.turning ?? state.plane,
      canUndo: state.canUndo || local !== null,
      canRedo: state.canRedo && local === null,
      unsent,
      pending,
      free: !pending && !gone && status.phase === "ready",
      foreseen: memory.isForeseen(prompts),
      gone,
      connection,
    };
  }

  /** @param {Edit} edit a change of the object's prompts @param {boolean} [adds] whatever they are */
  function editPrompts(edit, adds = false) {
    read = state.noticed;
    if (action) queue.push({ edit, adds });
    else {
      const before = currentPrompts();
      const after = edit(before);
      if (after !== before) sendLocal(after);
    }
    changed();
  }

  return {
    client,
    timings,
    snapshot: () => (snapshot ??= takeSnapshot()),

    /** @param {() => void} listener @param {AbortSignal} signal */
    subscribe(listener, signal) {
      if (signal.aborted) return;
      listeners.add(listener);
      signal.addEventListener("abort", () => listeners.delete(listener), { once: true });
    },

    /** @param {Prompt} prompt */
    addPrompt: (prompt) => editPrompts((prompts) => withPrompt(prompts, prompt), prompt.type !== "choice"),

    /** @param {number} index among the prompts shown */
    removePrompt: (index) => editPrompts((prompts) => (index in prompts ? withoutPrompt(prompts, index) : prompts)),

    /** @param {number} index among the prompts shown @param {Prompt} prompt */
    replacePrompt: (index, prompt) => editPrompts((prompts) => withPromptAt(prompts, index, prompt)),

    /** Take back an object that the kernel has not answered for yet. */
    discardPrompts() {
      read = state.noticed;
      queue = queue.filter((item) => !("edit" in item));
      if (local && !action) sendLocal(NO_PROMPTS);
      changed();
    },

    /** @param {ActionType} type @param {ActionDetail} [detail] */
    act(type, detail = {}) {
      read = state.noticed;
      if (action) queue.push({ type, detail });
      else sendAction(type, detail, currentPrompts());
      changed();
    },

    /** @param {number} plane to be shown as soon as the kernel has it */
    turnTo(plane) {
      if (!stack || plane < 0 || plane >= stack.count) return;
      read = state.noticed;
      wantedPlane = plane;
      sendTurn();
      changed();
    },

    /**
     * @template {OptionName} Name
     * @param {Name} name
     * @param {Options[Name]} value shown at once, even without a kernel
     */
    setOption(name, value) {
      if (Object.is(options[name], value)) return;
      options = { ...options, [name]: value };
      try {
        link.sendOptions({ [name]: value });
      } catch {
        gone = true;
      }
      changed();
    },

    /**
     * Ask something that is not part of the annotation.
     *
     * @param {QuestionType} type
     * @param {Record<string, unknown>} content
     * @param {ArrayBuffer[]} [buffers]
     * @returns {number | null} number of the question; null when the kernel is gone
     */
    ask(type, content, buffers) {
      questions += 1;
      try {
        link.sendQuestion({ n: questions, ...content, type, client }, buffers);
        return questions;
      } catch {
        noteGone();
        return null;
      }
    },

    /**
     * Ask what a click would give. If it comes, its mask may be here already.
     *
     * @param {"hover" | "press"} type
     * @param {import("./prompts.js").PointPrompt} point
     * @returns {number | null} as of `ask`
     */
    askAhead(type, point) {
      const { x, y, label } = point;
      const n = this.ask(type, { epoch: currentEpoch(), x, y, label });
      expected = n === null ? null : { n, prompts: withPrompt(shownPrompts(), point) };
      return n;
    },

    /** @param {"preview" | "tiles" | "probe" | "file" | "part" | "uploaded"} type @param {(answer: any) => void} listener @param {AbortSignal} signal */
    listen(type, listener, signal) {
      if (signal.aborted) return;
      const all = answerListeners.get(type) ?? new Set();
      answerListeners.set(type, all.add(listener));
      signal.addEventListener("abort", () => all.delete(listener), { once: true });
    },

    /** @param {string} type @param {unknown} answer */
    receiveAnswer(type, answer) {
      for (const listener of [...(answerListeners.get(type) ?? [])]) listener(answer);
    },

    /** @param {import("./wire.js").Preview} preview */
    receivePreview(preview) {
      if (expected && preview.client === client && preview.n === expected.n) memory.foresee(expected.prompts, preview.mask);
      this.receiveAnswer("preview", preview);
    },

    /** @param {State} next */
    receiveState(next) {
      if (next.revision < state.revision) return;
      const turned = next.plane !== state.plane;
      if (turned) leavePlane(next.ack[client] ?? 0);
      // A stroke that was in a lost one would be known by its key only.
      const skipped = state.revision >= 0 && next.revision > state.revision + 1;
      if (skipped || next.lacks) incomplete = true;
      state = next;
      if (turned) adopt(next.plane);
      gone = false;
      settle();
      memory.remember(state.active);
      changed();
    },

    /** @param {ObjectsMessage} message */
    receiveObjects({ n, plane, reset, put, drop }) {
      incomplete = !reset && (incomplete || n !== seen + 1);
      seen = n;
      const dropped = new Set(drop);
      /** @param {readonly SegmentedObject[]} known */
      const after = (known) => insertAll(reset ? [] : known.filter(({ id }) => !dropped.has(id)), put);
      if (plane === state.plane) finished = after(finished);
      else arriving(plane).finished = after(arriving(plane).finished);
      gone = false;
      changed();
    },

    /** @param {Picture | null} next */
    receivePicture(next) {
      if (next && next.plane !== state.plane) arriving(next.plane).picture = next;
      else picture = next;
      changed();
    },

    /** @param {Stack | null} next */
    receiveStack(next) {
      stack = next;
      changed();
    },

    /** @param {Status} next */
    receiveStatus(next) {
      status = next;
      changed();
    },

    /** @param {readonly ObjectClass[]} next */
    receiveClasses(next) {
      classes = next;
      changed();
    },

    /** @param {Partial<Options>} change */
    receiveOptions(change) {
      options = { ...options, ...change };
      changed();
    },

    owed,

    /** Say again what the kernel may not have heard, and ask for what may not have come from it. */
    resync() {
      try {
        // The kernel carries out each of them once.
        for (const { repeat } of unheard) repeat();
        link.sendHello(incomplete ? -1 : seen);
      } catch {
        noteGone();
      }
    },

    /** @param {Connection} next */
    setConnection(next) {
      if (connection === next) return;
      connection = next;
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
