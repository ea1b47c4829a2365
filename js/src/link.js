/**
 * One anywidget model and the store of what it shows: every trait and message that crosses
 * the comm passes here.
 *
 * @typedef {import("@anywidget/types").AnyModel} Model
 * @typedef {import("./store.js").Store} Store
 * @typedef {import("./options.js").OptionName} OptionName
 */
import { newClient } from "./client.js";
import { createStore } from "./store.js";
import { createNudges } from "./nudges.js";
import { watchConnection } from "./connection.js";
import { OPTION_NAMES, OPTION_TRAITS, parseOption } from "./options.js";
import {
  parseClasses,
  parseFile,
  parseObjects,
  parsePart,
  parsePicture,
  parsePreview,
  parseProbe,
  parseStack,
  parseState,
  parseStatus,
  parseTiles,
  parseTiming,
  parseUploaded,
  typeOf,
} from "./wire.js";
import { nothingKnown } from "./wire-masks.js";

/** A slider sends many values; a reactive host would run its cells for each. */
const OPTION_DELAY = 200;

/** A kernel that goes down is still closing its comms when the first sign of it arrives. */
const PROBE_DELAY = 300;

/**
 * @param {Model} model
 * @param {AbortSignal} signal
 * @returns {Store}
 */
export function connect(model, signal) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let writing;
  /** @type {Partial<import("./options.js").Options>} */
  let waitingOptions = {};
  /** The widget manager may wait for ever for the answer to an update that was lost. */
  let throttled = false;
  const known = nothingKnown();

  const nudges = createNudges({ nudge, needless: () => model.get("_undelayed") === true, signal });

  /** Takes the times of clicks before along. */
  function nudge() {
    const timings = store.timings.untold();
    tell({ type: "nudge", ...(timings.length && { timings }) });
  }

  function report() {
    const timings = store.timings.untold();
    if (timings.length) tell({ type: "nudge", timings });
  }

  function readState() {
    const arrived = performance.now();
    const raw = model.get("_state");
    const timing = parseTiming(raw);
    store.receiveState(parseState(raw, known));
    store.timings.received(timing, arrived);
    if (timing?.decoder) nudges.learn(timing.kernel / 1e3);
    if (!store.snapshot().pending) nudges.stop();
  }

  /** @param {Record<string, unknown>} traits @param {boolean} [asMessage] not to be kept back by the widget manager */
  function write(traits, asMessage = throttled) {
    if (asMessage) model.send({ type: "traits", traits });
    // Options are set all the same, so that their echo changes nothing.
    for (const [name, value] of Object.entries(traits)) if (!asMessage || name !== "_prompts") model.set(name, value);
    model.save_changes();
  }

  const store = createStore({
    client: newClient(),
    link: {
      sendPrompts(request, inTurn = false) {
        // The manager swallows what it cannot save; a message throws.
        if (store.snapshot().gone) model.send({ type: "nudge" });
        write({ _prompts: request }, throttled || inTurn);
        nudges.start(true);
      },
      sendAction(request) {
        model.send(request);
        // marimo runs the cells that follow the widget when a trait comes, and for no message.
        model.set("_acted", request.rid);
        model.save_changes();
        nudges.start(false);
      },
      sendQuestion: (question, buffers) => (buffers ? model.send(question, undefined, buffers) : model.send(question)),
      sendHello: (objects) => model.send({ type: "hello", objects }),
      sendOptions(change) {
        waitingOptions = { ...waitingOptions, ...change };
        clearTimeout(writing);
        writing = setTimeout(writeOptions, OPTION_DELAY);
      },
    },
  });

  function writeOptions() {
    const change = waitingOptions;
    waitingOptions = {};
    write(Object.fromEntries(OPTION_NAMES.filter((name) => name in change).map((name) => [OPTION_TRAITS[name], change[name]])));
  }

  /** @param {OptionName} name */
  function readOption(name) {
    // Not an echo, which would change nothing: Python has set it since the user did.
    delete waitingOptions[name];
    store.receiveOptions({ [name]: parseOption(name, model.get(OPTION_TRAITS[name])) });
  }

  /** @type {Record<string, (content: unknown, buffers: readonly unknown[]) => void>} */
  const messages = {
    objects: (content, buffers) => store.receiveObjects(parseObjects(content, buffers, known)),
    preview: (content, buffers) => store.receivePreview(parsePreview(content, buffers, known)),
    probe: (content) => store.receiveAnswer("probe", parseProbe(content)),
    file: (content) => store.receiveAnswer("file", parseFile(content)),
    part: (content, buffers) => store.receiveAnswer("part", parsePart(content, buffers)),
    uploaded: (content) => store.receiveAnswer("uploaded", parseUploaded(content)),
    tiles: (content, buffers) => store.receiveAnswer("tiles", parseTiles(content, buffers)),
    timings: report,
  };

  /** @param {{ type: "hello" | "nudge", timings?: readonly object[] }} message @returns {boolean} whether the kernel is there */
  function tell(message) {
    if (signal.aborted) return false;
    try {
      model.send(message);
    } catch {
      store.setGone(true);
      return false;
    }
    return true;
  }

  function probe() {
    if (tell({ type: "nudge" }) && store.snapshot().gone) tell({ type: "hello" });
  }

  /** @type {[string, (...args: any[]) => void][]} */
  const handlers = [
    ["change:_image", () => store.receivePicture(parsePicture(model.get("_image")))],
    ["change:_stack", () => store.receiveStack(parseStack(model.get("_stack")))],
    ["change:_status", () => store.receiveStatus(parseStatus(model.get("_status")))],
    ["change:_labels", () => store.receiveClasses(parseClasses(model.get("_labels")))],
    ["change:_state", readState],
    ...OPTION_NAMES.map((name) => /** @type {[string, () => void]} */ ([`change:${OPTION_TRAITS[name]}`, () => readOption(name)])),
  ];
  for (const [, read] of handlers) read();
  handlers.push(
    ["msg:custom", (content, buffers) => {
      const type = typeOf(content);
      if (Object.hasOwn(messages, type)) messages[type](content, buffers ?? []);
    }],
    ["comm_live_update", () => setTimeout(probe, PROBE_DELAY)],
    ["comm:close", () => store.setGone(true)],
  );
  for (const [event, handler] of handlers) model.on(event, handler);
  signal.addEventListener("abort", () => {
    clearTimeout(writing);
    for (const [event, handler] of handlers) model.off(event, handler);
  });
  watchConnection({
    store,
    kernel: kernelOf(model),
    resync() {
      if (store.snapshot().unsent) throttled = true;
      store.resync();
    },
    signal,
  });
  tell({ type: "hello" });
  return store;
}

/** JupyterLab's, Notebook's and Voila's connection to the kernel; other hosts show none. @param {any} model */
const kernelOf = (model) => model.widget_manager?.kernel ?? null;
