import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { newViewState } from "../src/commands.js";
import { createMarks, sameMarks } from "../src/drawing.js";
import { createStore } from "../src/store.js";

const image = { width: 100, height: 80 };
const frame = {
  placement: { image, left: 0, top: 0, width: 200, height: 160 },
  surface: { width: 200, height: 160 },
  style: { opacity: 0.5, maskStyle: /** @type {const} */ ("both"), unit: 1 },
  cut: false,
  moving: false,
};
const link = new Proxy({}, { get: () => () => {} });
/** @type {import("../src/store.js").Snapshot} */
const blank = { ...createStore({ client: "me", link: /** @type {any} */ (link) }).snapshot(), picture: /** @type {any} */ (image) };
const point = { type: /** @type {const} */ ("point"), x: 10, y: 20, label: /** @type {const} */ (1) };

/** @type {ReturnType<typeof createMarks>} */
let marks;

beforeEach(() => {
  Object.assign(globalThis, { matchMedia: () => ({ matches: false }) });
  marks = createMarks({ repaint: () => {}, signal: new AbortController().signal });
});

/** @param {Partial<import("../src/store.js").Snapshot>} snapshot @param {Partial<import("../src/commands.js").ViewState>} [ui] */
const listed = (snapshot, ui) => marks.list({ ...blank, ...snapshot }, { ...newViewState(), ...ui }, frame, 0).marks;

test("a press looks like the point that it becomes: its release draws nothing anew", () => {
  const pressed = listed({}, { draft: { kind: "point", point } });
  assert.ok(sameMarks(pressed, listed({ prompts: [point], pending: true })));
  assert.ok(!sameMarks(pressed, listed({})));
});

test("marks are the same only if all about them is", () => {
  const placed = listed({ prompts: [point] });
  assert.ok(sameMarks(placed, listed({ prompts: [{ ...point }] }, { cursor: { x: 1, y: 1 } })), "a pointer that draws nothing");
  assert.ok(!sameMarks(placed, listed({ prompts: [{ ...point, label: 0 }] })));
  assert.ok(!sameMarks(placed, listed({ prompts: [point] }, { grabbed: 0 })));
  assert.ok(!sameMarks(placed, listed({ prompts: [point] }, { hideMasks: true })));
  assert.ok(!sameMarks(placed, listed({ prompts: [point] }, { cursor: { x: 1, y: 1 }, crosshair: true })));
  const box = { type: /** @type {const} */ ("box"), x0: 1, y0: 2, x1: 30, y1: 40 };
  const draft = { kind: "box", from: { x: 1, y: 2 }, to: { x: 30, y: 40 } };
  assert.ok(!sameMarks(listed({ prompts: [box] }), listed({}, { draft })), "a box being drawn is dashed");
});
