import assert from "node:assert/strict";
import { test } from "node:test";
import { zlibSync } from "fflate";

import {
  EMPTY_STATE,
  FALLBACK_COLOR,
  parseLabels,
  parseObjectsMessage,
  parsePicture,
  parseState,
  parseStatus,
  toBytes,
} from "../src/wire.js";

const payload = Uint8Array.of(1, 2, 250);
/** The payload somewhere inside a larger buffer, as hosts cut it out of a message. */
const embedded = Uint8Array.of(9, 9, 9, 1, 2, 250, 9).buffer;

/** @type {[string, unknown][]} */
const kinds = [
  ["DataView", new DataView(embedded, 3, 3)],
  ["Uint8Array", new Uint8Array(embedded, 3, 3)],
  ["ArrayBuffer", payload.buffer],
  ["array of numbers", [1, 2, 250]],
];
for (const [kind, value] of kinds) {
  test(`bytes from ${kind}`, () => assert.deepEqual(toBytes(value), payload));
}

test("no bytes from anything else", () => {
  for (const value of [null, undefined, "AAEC", 5, {}]) assert.equal(toBytes(value), null);
});

/** @param {number[]} values */
const deflate = (values) => zlibSync(new Uint8Array(Int8Array.from(values).buffer));
const mask = { width: 2, height: 2, data: deflate([-3, -3, 7, -3]) };
const active = {
  id: 4,
  index: 1,
  color: "#12aB9f",
  label: "cat",
  prompts: [
    { type: "point", x: 1.5, y: 2, label: 0 },
    { type: "box", x0: 0, y0: 1, x1: 2, y1: 3 },
  ],
  score: 0.5,
  pending: true,
  empty: false,
  mask,
};

test("a state arrives whole", () => {
  const state = parseState({ revision: 3, epoch: 2, ack: { me: 7 }, active, can_undo: true, can_redo: false, label: "cat", notice: "n" });
  assert.equal(state.revision, 3);
  assert.deepEqual(state.ack, { me: 7 });
  assert.deepEqual(state.active?.prompts, active.prompts);
  assert.equal(state.active?.mask?.data.includes(7), true);
  assert.equal(state.active?.color, "#12aB9f");
  assert.ok(state.canUndo && !state.canRedo && state.active?.pending);
});

test("malformed states become empty ones", () => {
  for (const raw of [null, undefined, 3, "x", [], { active: [] }, { active: { id: "1" } }, { revision: 1.5 }]) {
    assert.deepEqual(parseState(raw), EMPTY_STATE);
  }
  assert.deepEqual(parseState({ ack: { a: "1", b: NaN, c: 2 } }).ack, { c: 2 });
});

test("malformed prompts are left out, the others stay", () => {
  const prompts = [null, { type: "point", x: NaN, y: 1 }, { type: "lasso" }, { type: "box", x0: 1 }, { type: "point", x: 1, y: 1, label: 1 }];
  assert.deepEqual(parseState({ active: { ...active, prompts } }).active?.prompts, [{ type: "point", x: 1, y: 1, label: 1 }]);
});

test("damaged masks are none", () => {
  const broken = [
    null,
    {},
    { ...mask, width: 3 },
    { ...mask, width: 0 },
    { ...mask, width: 1e9, height: 1e9 },
    { ...mask, data: null },
    { ...mask, data: Uint8Array.of(1, 2, 3) },
  ];
  for (const each of broken) assert.equal(parseState({ active: { ...active, mask: each } }).active?.mask, null);
});

test("only #rrggbb is a colour", () => {
  for (const color of ["red", "#fff", "#12345g", "url(//x)", "#123456;x", 3, null]) {
    assert.equal(parseState({ active: { ...active, color } }).active?.color, FALLBACK_COLOR);
  }
});

test("status has defaults, and progress stays between 0 and 1", () => {
  assert.deepEqual(parseStatus(null), { phase: "loading", message: "", progress: null, model: "", device: "" });
  assert.equal(parseStatus({ progress: 7 }).progress, 1);
  assert.equal(parseStatus({ progress: NaN }).progress, null);
});

test("a picture needs a size and bytes", () => {
  const picture = { width: 5, height: 4, mime: "image/png", data: payload, name: "a" };
  assert.deepEqual(parsePicture(picture), picture);
  for (const change of [{ width: 0 }, { height: 1.5 }, { data: null }, { data: new Uint8Array() }]) {
    assert.equal(parsePicture({ ...picture, ...change }), null);
  }
  assert.equal(parsePicture(null), null);
});

test("labels are strings", () => {
  assert.deepEqual(parseLabels(["a", 3, "b"]), ["a", "b"]);
  assert.deepEqual(parseLabels("ab"), []);
});

test("objects find their masks among the buffers", () => {
  const put = [
    { ...active, mask: { width: 2, height: 2, buffer: 1 } },
    { ...active, id: 5, mask: null },
    { ...active, id: 6, mask: { width: 2, height: 2, buffer: 9 } },
    { color: "#000000" },
  ];
  const message = parseObjectsMessage({ type: "objects", reset: true, put, drop: [1, "2"] }, [new DataView(embedded), mask.data]);
  assert.deepEqual(message?.put.map(({ id, mask: m }) => [id, m !== null]), [[4, true], [5, false], [6, false]]);
  assert.deepEqual(message?.drop, [1]);
  assert.equal(parseObjectsMessage({ type: "other" }, []), null);
  assert.equal(parseObjectsMessage(null, []), null);
});
