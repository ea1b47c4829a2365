import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { newViewState } from "../src/state/view-state.js";
import { createMarks, sameMarks } from "../src/stage/prompt-marks.js";
import { createStore } from "../src/state/store.js";

const image = { width: 100, height: 80 };
const frame = {
  placement: { image, left: 0, top: 0, width: 200, height: 160 },
  surface: { width: 200, height: 160 },
  style: { opacity: 0.5, maskStyle: /** @type {const} */ ("both"), unit: 1 },
  cut: false,
  moving: false,
};
const link = new Proxy({}, { get: () => () => {} });
/** @type {import("../src/state/snapshot.js").Snapshot} */
const blank = {
  ...createStore({ client: "me", link: /** @type {any} */ (link) }).snapshot(),
  picture: /** @type {any} */ (image),
};
const point = {
  type: /** @type {const} */ ("point"),
  x: 10,
  y: 20,
  label: /** @type {const} */ (1),
};

/** @type {ReturnType<typeof createMarks>} */
let marks;

beforeEach(() => {
  Object.assign(globalThis, { matchMedia: () => ({ matches: false }) });
  marks = createMarks({ repaint: () => {}, signal: new AbortController().signal });
});

/** @param {Partial<import("../src/state/snapshot.js").Snapshot>} snapshot @param {Partial<import("../src/state/view-state.js").ViewState>} [ui] */
const listed = (snapshot, ui) =>
  marks.list({ ...blank, ...snapshot }, { ...newViewState(), ...ui }, frame, 0).marks;

test("a press is drawn like the point that it becomes, so that its release draws nothing again", () => {
  const pressed = listed({}, { draft: { kind: "point", point } });
  assert.ok(sameMarks(pressed, listed({ prompts: [point], pending: true })));
  assert.ok(!sameMarks(pressed, listed({})));
});

test("marks are equal only if all their arguments are", () => {
  const placed = listed({ prompts: [point] });
  assert.ok(
    sameMarks(placed, listed({ prompts: [{ ...point }] }, { cursor: { x: 1, y: 1 } })),
    "a pointer that draws nothing",
  );
  assert.ok(!sameMarks(placed, listed({ prompts: [{ ...point, label: 0 }] })));
  assert.ok(!sameMarks(placed, listed({ prompts: [point] }, { grabbed: 0 })));
  assert.ok(!sameMarks(placed, listed({ prompts: [point] }, { hideMasks: true })));
  assert.ok(
    !sameMarks(placed, listed({ prompts: [point] }, { cursor: { x: 1, y: 1 }, crosshair: true })),
  );
  const box = { type: /** @type {const} */ ("box"), x0: 1, y0: 2, x1: 30, y1: 40 };
  const draft = { kind: /** @type {const} */ ("box"), from: { x: 1, y: 2 }, to: { x: 30, y: 40 } };
  assert.ok(
    !sameMarks(listed({ prompts: [box] }), listed({}, { draft })),
    "a box being drawn is dashed",
  );
});

test("while Shift is held, the straight line that a click would paint is shown", () => {
  const brush = { options: { ...blank.options, tool: /** @type {const} */ ("brush") } };
  const ring = listed(brush, { cursor: { x: 30, y: 20 } });
  const line = listed(brush, { cursor: { x: 30, y: 20 }, lineStart: { x: 10, y: 5 } });
  assert.deepEqual(line.length, ring.length + 1);
  const added = line.filter(({ args }) => !ring.some((each) => each.args === args));
  assert.deepEqual(
    added.map(({ look, args }) => [look.name, args]),
    [["drawGuide", '[{"x":20,"y":10},{"x":60,"y":40},1]']],
  );
  assert.deepEqual(
    listed({}, { cursor: { x: 30, y: 20 }, lineStart: { x: 10, y: 5 } }).length,
    1,
    "other tools draw none",
  );
});
