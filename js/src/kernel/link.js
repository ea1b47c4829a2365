/**
 * Connects an anywidget model with a store: every trait and message that crosses the comm passes here.
 *
 * @import { KernelMessage, PageMessage } from "../protocol/messages.d.ts"
 * @import { ModelTraits } from "../protocol/sent.d.ts"
 * @typedef {import("@anywidget/types").AnyModel<ModelTraits>} Model
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../state/options.js").OptionName} OptionName
 */
import { newPageId } from "../state/page-id.js";
import { createStore } from "../state/store.js";
import { createAckProbes } from "./ack-probe.js";
import { watchConnection } from "./connection.js";
import { createTraitWriter } from "./trait-writer.js";
import { OPTION_NAMES, OPTION_TRAITS, parseOption } from "../state/options.js";
import {
  parseCategories,
  parseClasses,
  parseFile,
  parseIsSet,
  parseObjects,
  parsePart,
  parsePicture,
  parsePictureAhead,
  parsePreview,
  parsePromptClasses,
  parseProbe,
  parseSaved,
  parseStack,
  parseState,
  parseStatus,
  parseTiles,
  parseTiming,
  parseUploaded,
  typeOf,
} from "./wire.js";
import { backUpPrompts } from "./prompt-backup.js";
import { isRemembered } from "../state/preferences.js";
import { parseFrame, parseTimeline, parseTracking } from "./wire-timeline.js";
import { parseProposals, parseProposing } from "./wire-proposals.js";
import { newKeyedData } from "./wire-masks.js";

/** Milliseconds: a kernel that shuts down is still closing its comms when the first event about it arrives. */
const LIVENESS_DELAY = 300;

/**
 * @param {Model} model
 * @param {AbortSignal} signal
 * @returns {Store}
 */
export function connect(model, signal) {
  const keyedData = newKeyedData();
  const writer = createTraitWriter(model, signal);
  const ackProbes = createAckProbes({
    send: sendAckProbe,
    isNeedless: () => model.get("_nodelay") === true,
    signal,
  });

  const store = createStore({
    client: newPageId(),
    keyedData,
    link: {
      sendPrompts(request, isRepeated = false) {
        // The widget manager hides that a trait cannot be sent; a message throws.
        if (store.snapshot().isDisconnected) model.send({ type: "ack_probe" });
        writer.write({ _prompts: request }, { asMessage: isRepeated });
        ackProbes.start(true);
      },
      sendAction(request) {
        model.send(request);
        // marimo runs the cells that follow the widget when a trait changes, and not for a message.
        model.set("_acted", request.rid);
        model.save_changes();
        ackProbes.start(false);
      },
      sendRequest: (request, buffers) =>
        buffers ? model.send(request, undefined, buffers) : model.send(request),
      sendHello: (objects, timeline, proposals) =>
        model.send({ type: "hello", objects, timeline, proposals }),
      sendOptions: (change) =>
        writer.writeSoon(
          Object.fromEntries(
            Object.entries(change).map(([name, value]) => [
              OPTION_TRAITS[/** @type {OptionName} */ (name)],
              value,
            ]),
          ),
        ),
    },
  });

  /** Also reports the times of earlier clicks. */
  function sendAckProbe() {
    const timings = store.timings.takeUnreported();
    send({ type: "ack_probe", ...(timings.length && { timings }) });
  }

  function sendTimings() {
    const timings = store.timings.takeUnreported();
    if (timings.length) send({ type: "ack_probe", timings });
  }

  function readState() {
    const arrived = performance.now();
    const raw = model.get("_state");
    const timing = parseTiming(raw);
    store.receiveState(parseState(raw, keyedData));
    store.timings.recordReceived(timing, arrived);
    if (timing?.decoder) ackProbes.expectDuration(timing.kernel / 1e3);
    if (!store.snapshot().pending) ackProbes.stop();
  }

  /** @param {OptionName} name */
  function readOption(name) {
    // Not the echo of our own value: Python has set the option after the user did.
    writer.discard(OPTION_TRAITS[name]);
    store.receiveOptions({ [name]: parseOption(name, model.get(OPTION_TRAITS[name])) });
  }

  /** @type {Partial<Record<KernelMessage["type"], (content: unknown, buffers: readonly unknown[]) => void>>} */
  const messages = {
    picture: (content, buffers) => store.receivePictureAhead(parsePictureAhead(content, buffers)),
    objects: (content, buffers) => store.receiveObjects(parseObjects(content, buffers, keyedData)),
    preview: (content, buffers) =>
      store.receiveAnswer("preview", parsePreview(content, buffers, keyedData)),
    probe: (content) => store.receiveAnswer("probe", parseProbe(content)),
    file: (content) => store.receiveAnswer("file", parseFile(content)),
    part: (content, buffers) => store.receiveAnswer("part", parsePart(content, buffers)),
    uploaded: (content) => store.receiveAnswer("uploaded", parseUploaded(content)),
    frame: (content, buffers) => store.receiveAnswer("frame", parseFrame(content, buffers)),
    timeline: (content) => store.receiveTimeline(parseTimeline(content)),
    proposals: (content, buffers) => store.receiveProposals(parseProposals(content, buffers)),
    tiles: (content, buffers) => store.receiveAnswer("tiles", parseTiles(content, buffers)),
    timings: sendTimings,
  };

  /** @param {PageMessage} message @returns {boolean} whether the kernel is there */
  function send(message) {
    if (signal.aborted) return false;
    try {
      model.send(message);
    } catch {
      store.setDisconnected(true);
      return false;
    }
    return true;
  }

  function checkLiveness() {
    if (send({ type: "ack_probe" }) && store.snapshot().isDisconnected) send({ type: "hello" });
  }

  /** @type {[string, (...args: any[]) => void][]} */
  const handlers = [
    ["change:_image", () => store.receivePicture(parsePicture(model.get("_image")))],
    [
      "change:_stack",
      () =>
        store.receiveTraits({
          stack: parseStack(model.get("_stack")),
          isSet: parseIsSet(model.get("_stack")),
        }),
    ],
    [
      "change:_tracking",
      () => store.receiveTraits({ tracking: parseTracking(model.get("_tracking")) }),
    ],
    [
      "change:_proposing",
      () => store.receiveTraits({ proposing: parseProposing(model.get("_proposing")) }),
    ],
    ["change:_status", () => store.receiveTraits({ status: parseStatus(model.get("_status")) })],
    ["change:_saved", () => store.receiveTraits({ saved: parseSaved(model.get("_saved")) })],
    ["change:_labels", () => store.receiveTraits({ classes: parseClasses(model.get("_labels")) })],
    [
      "change:_categories",
      () => store.receiveTraits({ categories: parseCategories(model.get("_categories")) }),
    ],
    [
      "change:_prompt_classes",
      () =>
        store.receiveTraits({ promptClasses: parsePromptClasses(model.get("_prompt_classes")) }),
    ],
    ["change:_state", readState],
    ...OPTION_NAMES.map(
      (name) =>
        /** @type {[string, () => void]} */ ([
          `change:${OPTION_TRAITS[name]}`,
          () => readOption(name),
        ]),
    ),
  ];
  for (const [, read] of handlers) read();
  // A new widget starts with the settings that its user made in another one.
  const isUnused = !Object.keys(parseState(model.get("_state")).ack).length;
  if (isUnused && isRemembered("newObjectPerClick")) store.setOption("newObjectPerClick", true);
  handlers.push(
    [
      "msg:custom",
      (content, buffers) => {
        const type = typeOf(content);
        if (Object.hasOwn(messages, type))
          messages[/** @type {KernelMessage["type"]} */ (type)]?.(content, buffers ?? []);
      },
    ],
    ["comm_live_update", () => setTimeout(checkLiveness, LIVENESS_DELAY)],
    ["comm:close", () => store.setDisconnected(true)],
  );
  for (const [event, handler] of handlers) model.on(event, handler);
  signal.addEventListener("abort", () => {
    for (const [event, handler] of handlers) model.off(event, handler);
  });
  watchConnection({
    store,
    kernel: kernelOf(model),
    resync() {
      if (store.snapshot().isUnacknowledged) writer.bypassManager();
      store.resync();
    },
    signal,
  });
  backUpPrompts({ store, signal });
  send({ type: "hello" });
  return store;
}

/** JupyterLab's, Notebook's and Voila's connection to the kernel; other hosts show none. @param {any} model */
const kernelOf = (model) => model.widget_manager?.kernel ?? null;
