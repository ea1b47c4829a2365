import assert from "node:assert/strict";
import { test } from "node:test";

import { neighborsOf } from "../src/stage/onion-skin.js";
import { createStore } from "../src/state/store.js";

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

const LANE = {
  number: 3,
  label: null,
  color: "#112233",
  visible: true,
  locked: false,
  keyframes: [],
  absent: [],
  runs: [],
};

/** @param {object} more */
const neighbors = (more) =>
  neighborsOf({
    ...blank,
    stack: { axis: "T", count: 9, annotated: [] },
    plane: 4,
    lanes: [LANE],
    active: /** @type {any} */ ({ number: 3 }),
    ...more,
  });

test("there are outlines of the object being worked on only, and only in a stack", () => {
  assert.deepEqual([neighbors({})?.plane, neighbors({})?.number], [4, 3]);
  assert.equal(neighbors({ active: null }), null);
  assert.equal(neighbors({ active: { number: 8 } }), null);
  assert.equal(neighbors({ stack: null }), null);
});

test("they are requested again on another plane, and when the object beside has been tracked", () => {
  const found = { ...LANE, runs: [[5, 6, "tracked"]] };
  const stale = { ...LANE, runs: [[5, 6, "stale"]] };
  const far = { ...LANE, runs: [[7, 8, "tracked"]] };
  const keys = [{}, { plane: 5 }, { lanes: [found] }, { lanes: [stale] }].map(
    (more) => neighbors(more)?.key,
  );
  assert.equal(new Set(keys).size, 4);
  assert.equal(neighbors({ lanes: [far] })?.key, keys[0], "what is farther away does not matter");
});
