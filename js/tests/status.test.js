import assert from "node:assert/strict";
import { test } from "node:test";

import { messageOf } from "../src/status.js";
import { createStore } from "../src/store.js";
import * as texts from "../src/texts.js";

const ignore = () => {};
const blank = createStore({ client: "me", link: { sendPrompts: ignore, sendAction: ignore, sendQuestion: ignore, sendOptions: ignore, sendHello: ignore } }).snapshot();

/** @param {string} phase @param {Partial<import("../src/store.js").Snapshot>} [more] @param {{ broken?: boolean, slow?: boolean }} [view] */
const message = (phase, more = {}, { broken = false, slow = false } = {}) =>
  messageOf({ ...blank, status: { ...blank.status, phase, message: "said" }, ...more }, { broken, slow });

/** @type {import("../src/wire.js").Prompt[]} */
const prompts = [{ type: "point", x: 0, y: 0, label: 1 }];

/** @param {string} text @param {number | null} [progress] */
const saying = (text, progress = null) =>
  message("ready", { status: { ...blank.status, phase: progress === null ? "ready" : "downloading", message: text, progress } }).text;

test("an empty widget says what to do, unless the kernel has more to say than that it is ready", () => {
  assert.equal(saying(texts.phases.ready), texts.hints.first);
  assert.equal(saying("Using the bundled model, which is less accurate."), "Using the bundled model, which is less accurate.");
});

test("the percentage of a download is not part of the sentence that is read aloud", () => {
  assert.equal(saying("Downloading a/b: 34%", 0.34), "Downloading a/b");
});

test("a click before the model is ready is said to wait", () => {
  assert.equal(message("loading").text, "said");
  assert.ok(message("loading", { prompts }).text.includes(texts.status.waitingForModel));
});

test("errors come first, and a lost kernel before all", () => {
  assert.deepEqual(message("error", { notice: "n" }), { text: "said", tone: "error" });
  assert.deepEqual(message("error", { gone: true }), { text: texts.status.gone, tone: "error" });
  assert.equal(message("ready", {}, { broken: true }).tone, "error");
});

test("a notice is shown instead of the routine", () => {
  assert.deepEqual(message("ready", { notice: "The mask is empty." }), { text: "The mask is empty.", tone: "notice" });
});

test("only a long wait gets a word", () => {
  const waiting = { prompts, pending: true, unsent: true };
  assert.equal(message("ready", waiting).text, "said");
  assert.equal(message("ready", waiting, { slow: true }).text, texts.status.waitingForKernel);
  assert.equal(message("predicting", { prompts, pending: true }).text, texts.hints.editing);
  assert.equal(message("predicting", { prompts, pending: true }, { slow: true }).text, "said");
});

test("the line says what to do next, as the tool in hand has it", () => {
  const ready = { status: { ...blank.status, phase: "ready", message: texts.phases.ready } };
  const rows = [/** @type {any} */ ({ id: 1 })];
  assert.equal(message("ready", { ...ready, prompts, rows }).text, texts.hints.editing);
  assert.equal(message("ready", { ...ready, rows }).text, texts.hints.next);
  assert.equal(message("ready", { ...ready, options: { ...blank.options, tool: "brush" } }).text, texts.toolHints.brush);
});

test("the way out is said with what went wrong", () => {
  const { text, tone } = message("error", { status: { ...blank.status, phase: "error", message: "It failed", hint: "Run the cell again." } });
  assert.deepEqual([text, tone], ["It failed. Run the cell again.", "error"]);
});

test("who works with the keyboard is told of keys", () => {
  const ready = { ...blank, status: { ...blank.status, phase: "ready", message: texts.phases.ready } };
  const said = (/** @type {Partial<import("../src/store.js").Snapshot>} */ more) =>
    messageOf({ ...ready, ...more }, { broken: false, slow: false, byKeys: true }).text;
  assert.equal(said({}), texts.keyHints.first);
  assert.equal(said({ prompts }), texts.keyHints.editing);
  assert.equal(said({ options: { ...blank.options, tool: "brush" } }), texts.keyHints.drawing);
});

test("another box would replace the first: the line says so", () => {
  const status = { ...blank.status, phase: "ready", message: texts.phases.ready };
  const options = { ...blank.options, tool: /** @type {const} */ ("box") };
  assert.equal(message("ready", { status, options }).text, texts.toolHints.box);
  const box = /** @type {const} */ ({ type: "box", x0: 0, y0: 0, x1: 1, y1: 1 });
  assert.equal(message("ready", { status, options, prompts: [box] }).text, texts.boxed);
});

test("a connection that is down, and a kernel that keeps silent, are told, with what becomes of the clicks", () => {
  const lost = message("ready", { connection: "lost", pending: true, unsent: true });
  assert.deepEqual(lost, { text: texts.status.reconnecting, tone: "notice" });
  const said = (/** @type {boolean} */ slow) =>
    messageOf({ ...blank, status: { ...blank.status, phase: "ready" }, connection: "silent", unsent: true, pending: true }, { broken: false, slow });
  assert.deepEqual(said(true), { text: texts.status.silent, tone: "notice" });
  assert.equal(message("ready", { connection: "lost", gone: true }).text, texts.status.gone, "which is worse");
});
