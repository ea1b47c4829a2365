/**
 * The state of one widget, and the edits that the kernel has not acknowledged. No DOM, no Jupyter.
 *
 * The kernel's state (`inbox`) is authoritative. The page shows it with edits applied that were sent and
 * not acknowledged (`edits`, numbered and repeated by `outbox`), and with the plane that will be shown
 * (`planeNavigation`). `requests` concern the image and files, not the annotation.
 *
 * @import { ActionType, DetailArguments } from "../protocol/sent.d.ts"
 * @typedef {import("./prompts.js").Prompt} Prompt
 * @typedef {import("./annotation.js").State} State
 * @typedef {import("./options.js").Options} Options
 * @typedef {import("./options.js").OptionName} OptionName
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./snapshot.js").Connection} Connection
 */
import { createEdits, NO_PROMPTS } from "./edits.js";
import { createInbox } from "./inbox.js";
import { createMaskMemory } from "./mask-memory.js";
import { DEFAULT_OPTIONS } from "./options.js";
import { createOutbox } from "./outbox.js";
import { createPlaneNavigation } from "./plane-navigation.js";
import { findPrompt, canStartObject, withoutPrompt, withPrompt, withPromptAt } from "./prompts.js";
import { planePrompts, promptTexts } from "./prompt-format.js";
import { createPreviews } from "./previews.js";
import { createProposals } from "./proposals.js";
import { createRequests } from "./requests.js";
import { takeSnapshot } from "./snapshot.js";
import { createTimeline } from "./timeline.js";
import { createTimings } from "./timings.js";

/** @param {{ client: string, link: import("./actions.js").Link, keyedData?: import("./prompt-format.js").KeyedPrompts }} options */
export function createStore({
  client,
  link,
  keyedData = { strokes: new Map(), largePrompts: new Map() },
}) {
  /** Whether the kernel cannot be reached. */
  let isDisconnected = false;
  /** @type {Connection} */
  let connection = "up";
  let options = DEFAULT_OPTIONS;
  /** @type {Snapshot | null} */
  let snapshot = null;
  /** @type {Set<() => void>} */
  const listeners = new Set();

  const timings = createTimings({ client });
  const masks = createMaskMemory();
  const inbox = createInbox();
  const timeline = createTimeline();
  const proposals = createProposals();
  const outbox = createOutbox({ client, attempt: attemptRequest, sent: timings.recordSent });
  const edits = createEdits({ outbox, link, confirmed: masks.confirmStrokes });
  const planeNavigation = createPlaneNavigation({ outbox, link, edits });
  const requests = createRequests({ client, link, attempt: attemptNow });
  const textOf = promptTexts(keyedData, masks.strokeOf);
  /** Prompts of the planes that were shown before. @type {Map<number, import("./prompt-format.js").PlanePrompts>} */
  const earlierPlanes = new Map();

  function changed() {
    snapshot = null;
    for (const listener of [...listeners]) listener();
  }

  const currentSnapshot = () =>
    (snapshot ??= takeSnapshot({
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
    }));

  /** Does not notify listeners. @param {() => void} send @returns {boolean} whether it was sent */
  function attemptRequest(send) {
    isDisconnected = !canSend(send);
    return !isDisconnected;
  }

  /** Notifies listeners if the kernel cannot be reached. @param {() => void} send @returns {boolean} whether it was sent */
  function attemptNow(send) {
    const sent = canSend(send);
    if (!sent) setDisconnected(true);
    return sent;
  }

  /** @param {boolean} lost the kernel cannot be reached any more, or again */
  function setDisconnected(lost) {
    if (isDisconnected === lost) return;
    isDisconnected = lost;
    changed();
  }

  /** @param {State} state */
  const acknowledged = (state) => state.ack[client] ?? 0;

  /** An action of the user dismisses the notices shown so far. */
  const readNotices = () => outbox.readNotices(inbox.state().noticeCount);

  /** @param {Prompt} prompt */
  const isNewObject = (prompt) => options.newObjectPerClick && canStartObject(prompt);

  /**
   * @template {ActionType} Type
   * @param {Type} type
   * @param {DetailArguments<Type>} detail
   */
  function act(type, ...[detail]) {
    readNotices();
    edits.act(type, detail ?? {});
    changed();
  }

  /** @param {import("./edits.js").Edit} edit @param {boolean} [adds] it only adds, whatever the prompts are */
  function editPrompts(edit, adds = false) {
    readNotices();
    edits.edit(edit, adds);
    changed();
  }

  /** @param {number} index among the prompts shown @param {(prompts: readonly Prompt[], at: number) => readonly Prompt[]} edit */
  function editPrompt(index, edit) {
    const wanted = edits.expected().prompts[index];
    editPrompts((list) => {
      const at = findPrompt(list, wanted, index);
      return at < 0 ? list : edit(list, at);
    });
  }

  /** @param {State} next whose plane is another one */
  function leavePlane(next) {
    earlierPlanes.set(inbox.state().plane, planePrompts(currentSnapshot(), textOf));
    edits.flush();
    // While they are kept back, the prompts of the next plane could replace them. They are repeated later
    // if the kernel cannot be reached now.
    if (!canSend(() => outbox.repeatReplaceable(acknowledged(next)))) isDisconnected = true;
    outbox.startGroup();
    edits.reset();
    masks.rememberMask(null);
  }

  /** @param {State} state */
  function settle(state) {
    const done = acknowledged(state);
    outbox.acknowledge(done);
    edits.acknowledge(state, done);
    planeNavigation.settle(state, done);
    if (done >= outbox.newest() && !edits.isWaiting()) proposals.settle();
  }

  return {
    client,
    timings,
    snapshot: currentSnapshot,

    /** @param {() => void} listener @param {AbortSignal} signal */
    subscribe(listener, signal) {
      if (signal.aborted) return;
      listeners.add(listener);
      signal.addEventListener("abort", () => listeners.delete(listener), { once: true });
    },

    /** @param {Prompt} prompt */
    addPrompt(prompt) {
      if (isNewObject(prompt) && edits.expected().prompts.length) act("commit");
      editPrompts((prompts) => withPrompt(prompts, prompt), prompt.type !== "choice");
    },

    /** @param {number} index among the prompts shown */
    removePrompt: (index) => editPrompt(index, withoutPrompt),

    /** @param {number} index among the prompts shown @param {Prompt} prompt */
    replacePrompt: (index, prompt) =>
      editPrompt(index, (prompts, at) => withPromptAt(prompts, at, prompt)),

    /** Remove an object that has no id yet, because the kernel has not acknowledged it. */
    discardPrompts() {
      edits.dropQueuedEdits();
      if (edits.expected().prompts.length) editPrompts(() => NO_PROMPTS);
      readNotices();
      changed();
    },

    act,

    /** @param {"accept" | "reject"} type @param {readonly number[]} numbers of proposals */
    decideProposals(type, numbers) {
      proposals.claim(numbers);
      act(type, { job: proposals.current().job, numbers: [...numbers] });
    },

    /** The prompts of all planes that this page has shown. */
    promptsByPlane: () =>
      new Map([...earlierPlanes, [inbox.state().plane, planePrompts(currentSnapshot(), textOf)]]),

    /**
     * Planes that this page has shown before it was reloaded, as far as they still have objects.
     *
     * @param {ReadonlyMap<number, import("./prompt-format.js").PlanePrompts>} planes
     */
    addEarlierPlanes(planes) {
      const annotated = inbox.traits().stack?.annotated ?? [];
      for (const [plane, prompts] of planes)
        if (annotated.includes(plane) && !earlierPlanes.has(plane))
          earlierPlanes.set(plane, prompts);
    },

    /** Whether no message of objects is missing or still on its way. */
    hasAllObjects: () => inbox.hasAllObjects(),

    /** @param {number} plane to be shown as soon as the kernel has it */
    showPlane(plane) {
      const { stack } = inbox.traits();
      if (!stack || plane < 0 || plane >= stack.count) return;
      readNotices();
      planeNavigation.showPlane(plane, inbox.state());
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
      if (!canSend(() => link.sendOptions({ [name]: value }))) isDisconnected = true;
      changed();
    },

    request: requests.request,
    listen: requests.listen,
    receiveAnswer: requests.receive,

    requestPreview: createPreviews({ requests, edits, masks, isNewObject }),

    /** @param {State} next */
    receiveState(next) {
      const before = inbox.state();
      if (next.revision < before.revision) return;
      if (next.plane !== before.plane) leavePlane(next);
      inbox.receiveState(next);
      isDisconnected = false;
      settle(next);
      masks.rememberMask(next.active);
      changed();
    },

    /** @param {import("./annotation.js").ObjectsMessage} message */
    receiveObjects(message) {
      inbox.receiveObjects(message);
      isDisconnected = false;
      changed();
    },

    /** @param {import("./timeline.js").TimelineMessage} message */
    receiveTimeline(message) {
      timeline.receive(message);
      changed();
    },

    /** @param {import("./proposals.js").ProposalsMessage} message */
    receiveProposals(message) {
      proposals.receive(message);
      changed();
    },

    /** @param {import("./annotation.js").Picture | null} next */
    receivePicture(next) {
      inbox.receivePicture(next);
      changed();
    },

    /** @param {import("./annotation.js").Picture | null} next of an image that will probably be shown next */
    receivePictureAhead(next) {
      inbox.receivePictureAhead(next);
      changed();
    },

    /** @param {Partial<import("./inbox.js").Traits>} change */
    receiveTraits(change) {
      inbox.receiveTraits(change);
      changed();
    },

    /** @param {Partial<Options>} change */
    receiveOptions(change) {
      options = { ...options, ...change };
      changed();
    },

    /**
     * The most urgent message that is expected from the kernel: its kind, and for acknowledgements the
     * number of the request, so that progress can be detected.
     *
     * @returns {{ kind: "acknowledgement" | "objects" | "mask" | "lanes" | "proposals", n: number } | null} null: nothing
     */
    awaited() {
      const state = inbox.state();
      const done = acknowledged(state);
      if (isDisconnected) return null;
      if (done < outbox.newest()) return { kind: "acknowledgement", n: done + 1 };
      if (!inbox.hasAllObjects()) return { kind: "objects", n: 0 };
      if (state.active?.pending || state.pendingPlane !== null) return { kind: "mask", n: 0 };
      const { tracking, proposing } = inbox.traits();
      if (!timeline.isComplete(tracking)) return { kind: "lanes", n: 0 };
      return proposals.isComplete(proposing) ? null : { kind: "proposals", n: 0 };
    },

    /** Repeat messages that the kernel may not have received, and request those that may be lost. */
    resync() {
      attemptNow(() => {
        outbox.repeat();
        link.sendHello(inbox.resumePoint(), timeline.resumePoint(), proposals.resumePoint());
      });
    },

    /** @param {Connection} next */
    setConnection(next) {
      if (connection === next) return;
      connection = next;
      changed();
    },

    setDisconnected,
  };
}

/** @param {() => void} send throws when the kernel cannot be reached */
function canSend(send) {
  try {
    send();
    return true;
  } catch {
    return false;
  }
}

/** @typedef {ReturnType<typeof createStore>} Store */
