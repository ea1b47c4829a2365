import assert from "node:assert/strict";
import { test } from "node:test";

import { messageOf } from "../src/ui/status-line.js";
import { createStore } from "../src/state/store.js";
import * as texts from "../src/ui/texts.js";

const ignore = () => {};
const blank = createStore({
  client: "me",
  link: {
    sendPrompts: ignore,
    sendAction: ignore,
    sendRequest: ignore,
    sendOptions: ignore,
    sendHello: ignore,
  },
}).snapshot();

/** @param {string} phase @param {Partial<import("../src/state/snapshot.js").Snapshot>} [more] @param {{ broken?: boolean, slow?: boolean }} [view] */
const message = (phase, more = {}, { broken = false, slow = false } = {}) =>
  messageOf(
    { ...blank, status: { ...blank.status, phase, message: "shown" }, ...more },
    { broken, slow },
  );

/** @type {import("../src/state/prompts.js").Prompt[]} */
const prompts = [{ type: "point", x: 0, y: 0, label: 1 }];

/** @param {string} text @param {number | null} [progress] */
const saying = (text, progress = null) =>
  message("ready", {
    status: {
      ...blank.status,
      phase: progress === null ? "ready" : "downloading",
      message: text,
      progress,
    },
  }).text;

test("an empty widget shows what to do, unless the kernel has a message", () => {
  assert.equal(saying(texts.phases.ready), texts.hints.first);
  assert.equal(
    saying("Using the bundled model, which is less accurate."),
    "Using the bundled model, which is less accurate.",
  );
});

test("the percentage of a download is not part of the announced message", () => {
  assert.equal(saying("Downloading a/b: 34%", 0.34), "Downloading a/b");
});

test("a click before the model is ready is shown as waiting", () => {
  assert.equal(message("loading").text, "shown");
  assert.ok(message("loading", { prompts }).text.includes(texts.status.waitingForModel));
});

test("errors have priority, and a disconnected kernel before all", () => {
  assert.deepEqual(message("error", { notice: "n" }), { text: "shown", tone: "error" });
  assert.deepEqual(message("error", { isDisconnected: true }), {
    text: texts.status.disconnected,
    tone: "error",
  });
  assert.equal(message("ready", {}, { broken: true }).tone, "error");
});

test("a notice is shown instead of the routine", () => {
  assert.deepEqual(message("ready", { notice: "The mask is empty." }), {
    text: "The mask is empty.",
    tone: "notice",
  });
});

test("only a long wait is mentioned", () => {
  const waiting = { prompts, pending: true, isUnacknowledged: true };
  assert.equal(message("ready", waiting).text, "shown");
  assert.equal(message("ready", waiting, { slow: true }).text, texts.status.waitingForKernel);
  assert.equal(message("predicting", { prompts, pending: true }).text, texts.hints.editing);
  assert.equal(message("predicting", { prompts, pending: true }, { slow: true }).text, "shown");
});

test("the status line shows what to do next with the selected tool", () => {
  const ready = { status: { ...blank.status, phase: "ready", message: texts.phases.ready } };
  const rows = [/** @type {any} */ ({ id: 1 })];
  assert.equal(message("ready", { ...ready, prompts, rows }).text, texts.hints.editing);
  assert.equal(message("ready", { ...ready, rows }).text, texts.hints.next);
  assert.equal(
    message("ready", { ...ready, options: { ...blank.options, tool: "brush" } }).text,
    texts.toolHints.brush,
  );
});

test("an error is shown with its hint", () => {
  const { text, tone } = message("error", {
    status: { ...blank.status, phase: "error", message: "It failed", hint: "Run the cell again." },
  });
  assert.deepEqual([text, tone], ["It failed. Run the cell again.", "error"]);
});

test("users of the keyboard get hints about keys", () => {
  const ready = {
    ...blank,
    status: { ...blank.status, phase: "ready", message: texts.phases.ready },
  };
  const shown = (/** @type {Partial<import("../src/state/snapshot.js").Snapshot>} */ more) =>
    messageOf({ ...ready, ...more }, { broken: false, slow: false, byKeys: true }).text;
  assert.equal(shown({}), texts.keyHints.first);
  assert.equal(shown({ prompts }), texts.keyHints.editing);
  assert.equal(shown({ options: { ...blank.options, tool: "brush" } }), texts.keyHints.drawing);
});

test("the status line explains that another box replaces the first", () => {
  const status = { ...blank.status, phase: "ready", message: texts.phases.ready };
  const options = { ...blank.options, tool: /** @type {const} */ ("box") };
  assert.equal(message("ready", { status, options }).text, texts.toolHints.box);
  const box = /** @type {const} */ ({ type: "box", x0: 0, y0: 0, x1: 1, y1: 1 });
  assert.equal(message("ready", { status, options, prompts: [box] }).text, texts.boxed);
});

test("a lost connection and a silent kernel are reported, and that clicks are kept", () => {
  const lost = message("ready", { connection: "lost", pending: true, isUnacknowledged: true });
  assert.deepEqual(lost, { text: texts.status.reconnecting, tone: "notice" });
  const shown = (/** @type {boolean} */ slow) =>
    messageOf(
      {
        ...blank,
        status: { ...blank.status, phase: "ready" },
        connection: "silent",
        isUnacknowledged: true,
        pending: true,
      },
      { broken: false, slow },
    );
  assert.deepEqual(shown(true), { text: texts.status.silent, tone: "notice" });
  assert.equal(
    message("ready", { connection: "lost", isDisconnected: true }).text,
    texts.status.disconnected,
    "a disconnected kernel has priority",
  );
});
