import assert from "node:assert/strict";
import { test } from "node:test";

import { parseFrame, parseTimeline, parseTracking } from "../src/kernel/wire-timeline.js";
import { stretchesOf, xToPlane } from "../src/state/lane-runs.js";
import { EMPTY_STATE } from "../src/state/annotation.js";
import { createStore } from "../src/state/store.js";
import {
  countStates,
  createTimeline,
  relevantLanes,
  planeWith,
  stateOn,
  withMark,
} from "../src/state/timeline.js";
import { ticksOf } from "../src/ui/lane-painter.js";
import { linkWith } from "./examples.js";

/**
 * @typedef {import("../src/state/timeline.js").Lane} Lane
 * @typedef {import("../src/state/timeline.js").Run} Run
 */

/** @param {number} number @param {Partial<Lane>} [more] @returns {Lane} */
const lane = (number, more = {}) => ({
  number,
  label: null,
  color: "#112233",
  visible: true,
  locked: false,
  keyframes: [[0, 1]],
  absent: [],
  runs: [],
  ...more,
});

/** @param {number} n @param {Lane[]} put @param {{ reset?: boolean, drop?: number[] }} [more] */
const message = (n, put, { reset = false, drop = [] } = {}) => ({ n, reset, put, drop });

const TRACKING = /** @type {import("../src/state/timeline.js").Tracking} */ (
  parseTracking({ timeline: 3 })
);

test("lanes are put, replaced and dropped, and sorted by their numbers", () => {
  const timeline = createTimeline();
  timeline.receive(message(1, [lane(7), lane(2)], { reset: true }));
  const first = timeline.lanes();
  assert.deepEqual(
    first.map(({ number }) => number),
    [2, 7],
  );
  timeline.receive(message(2, [lane(3), lane(7, { label: "cell" })], { drop: [2] }));
  assert.deepEqual(
    timeline.lanes().map(({ number, label }) => [number, label]),
    [
      [3, null],
      [7, "cell"],
    ],
  );
  assert.equal(first.length, 2, "what was handed out does not change");
  timeline.receive(message(3, [lane(1)], { reset: true }));
  assert.deepEqual(
    timeline.lanes().map(({ number }) => number),
    [1],
  );
});

test("a lost message of lanes is noticed until all lanes are sent again", () => {
  const timeline = createTimeline();
  assert.equal(timeline.resumePoint(), -1);
  assert.equal(timeline.isComplete(null), true, "a plain image has none");
  assert.equal(timeline.isComplete(TRACKING), false);
  timeline.receive(message(1, [lane(1)], { reset: true }));
  timeline.receive(message(3, [lane(3)]));
  assert.equal(timeline.isComplete(TRACKING), false);
  assert.equal(timeline.resumePoint(), -1);
  timeline.receive(message(4, [lane(4)]));
  assert.equal(timeline.isComplete(TRACKING), false, "a later one does not bring it back");
  timeline.receive(message(5, [lane(1), lane(2)], { reset: true }));
  assert.equal(timeline.isComplete(TRACKING), true);
  assert.equal(timeline.resumePoint(), 5);
});

test("a message that is still on its way is missing, and one that arrives twice changes nothing", () => {
  const timeline = createTimeline();
  timeline.receive(message(2, [lane(1)], { reset: true }));
  assert.equal(timeline.isComplete(TRACKING), false);
  timeline.receive(message(3, [lane(2)]));
  assert.equal(timeline.isComplete(TRACKING), true);
  timeline.receive(message(3, [], { drop: [1, 2] }));
  assert.equal(timeline.lanes().length, 2);
});

test("the store requests lanes that are missing, after all else", () => {
  /** @type {number[][]} */
  const hellos = [];
  const store = createStore({
    client: "me",
    link: linkWith({ sendHello: (...seen) => void hellos.push(seen) }),
  });
  store.receiveState({ ...EMPTY_STATE, revision: 1 });
  store.receiveTraits({ tracking: TRACKING });
  assert.deepEqual(store.awaited(), { kind: "lanes", n: 0 });
  store.receiveState({ ...EMPTY_STATE, revision: 2, pendingPlane: 1 });
  assert.equal(store.awaited()?.kind, "mask");
  store.receiveState({ ...EMPTY_STATE, revision: 3 });
  store.receiveTimeline(message(3, [lane(1)], { reset: true }));
  assert.equal(store.awaited(), null);
  assert.deepEqual(store.snapshot().lanes, [lane(1)]);
  store.resync();
  assert.deepEqual(hellos, [[-1, 3, -1]]);
});

test("lanes and the job are parsed, and what is damaged is left out", () => {
  const { n, reset, put, drop } = parseTimeline({
    type: "timeline",
    n: 4,
    reset: true,
    put: [
      {
        number: 2,
        label: "cell",
        color: "#A0b1C2",
        visible: false,
        locked: true,
        keyframes: [[0, 1], [5, 4], "x", [-1, 2], [20, 22]],
        absent: [[25, 26], 3],
        runs: [
          [1, 10, "tracked"],
          [8, 12, "stale"],
          [10, 11, "made up"],
          [10, 12, "doubtful"],
          [12, 20, "absent"],
        ],
      },
      { label: "without a number" },
      null,
    ],
    drop: [3, "4", 5],
  });
  assert.deepEqual([n, reset, drop], [4, true, [3, 5]]);
  assert.deepEqual(put, [
    {
      number: 2,
      label: "cell",
      color: "#A0b1C2",
      visible: false,
      locked: true,
      keyframes: [
        [0, 1],
        [20, 22],
      ],
      absent: [[25, 26]],
      runs: [
        [1, 10, "tracked"],
        [10, 12, "doubtful"],
        [12, 20, "absent"],
      ],
    },
  ]);
  assert.deepEqual(parseTimeline("nonsense"), { n: -1, reset: false, put: [], drop: [] });
});

test("the state of tracking is parsed; a plain image has none", () => {
  for (const raw of [{}, null, undefined, "x"]) assert.equal(parseTracking(raw), null);
  assert.deepEqual(
    parseTracking({
      timeline: 7,
      marks: [2, 9],
      unavailable: "",
      running: true,
      numbers: [1, "2", 3],
      done: 4,
      total: 12,
      plane: 6,
      fps: 2.5,
      seconds_left: 3.2,
      error: "",
    }),
    {
      timeline: 7,
      marks: [2, 9],
      unavailable: "",
      running: true,
      numbers: [1, 3],
      done: 4,
      total: 12,
      plane: 6,
      fps: 2.5,
      secondsLeft: 3.2,
      error: "",
    },
  );
  assert.equal(parseTracking({ timeline: 1, marks: [4, 4] })?.marks, null);
});

test("a frame without a picture or with damaged masks is no error", () => {
  const mask = { kind: "logits", width: 2, height: 1, buffer: 1 };
  const content = { client: "me", n: 2, plane: 5, width: 4, height: 3, mime: "image/png" };
  const frame = parseFrame(
    { ...content, buffer: 0, objects: [{ number: 1, color: "#010203", mask }, null] },
    [Uint8Array.of(1, 2), Uint8Array.of(9)],
  );
  assert.deepEqual(frame.picture, {
    width: 4,
    height: 3,
    mime: "image/png",
    data: Uint8Array.of(1, 2),
  });
  assert.deepEqual(frame.objects, []);
  const failed = parseFrame({ ...content, error: "cannot be read" }, []);
  assert.deepEqual([failed.picture, failed.error, failed.plane], [null, "cannot be read", 5]);
});

const LANE = lane(1, {
  keyframes: [
    [0, 1],
    [20, 22],
  ],
  runs: [
    [1, 10, "tracked"],
    [10, 12, "doubtful"],
    [15, 20, "absent"],
    [22, 30, "doubtful"],
  ],
});

test("the state of an object on a plane", () => {
  const states = [0, 1, 9, 10, 11, 12, 15, 20, 21, 22, 29, 30].map((plane) => stateOn(LANE, plane));
  assert.deepEqual(states, [
    ...["keyframe", "tracked", "tracked", "doubtful", "doubtful", null],
    ...["absent", "keyframe", "keyframe", "doubtful", "doubtful", null],
  ]);
  assert.deepEqual(countStates(LANE), {
    keyframe: 3,
    tracked: 9,
    doubtful: 10,
    absent: 5,
    stale: 0,
  });
});

test("the next and previous planes of a kind are those that a search of all planes finds", () => {
  const other = lane(2, { keyframes: [[7, 8]], runs: [[25, 26, "doubtful"]] });
  for (const lanes of [[LANE], [other], [LANE, other], []])
    for (const what of /** @type {const} */ (["keyframe", "doubtful"]))
      for (let plane = 0; plane < 32; plane++) {
        const is = (/** @type {number} */ at) => lanes.some((each) => stateOn(each, at) === what);
        const all = Array.from({ length: 32 }, (_, at) => at).filter(is);
        const next = all.find((at) => at > plane) ?? null;
        const previous = all.filter((at) => at < plane).at(-1) ?? null;
        assert.equal(planeWith(lanes, what, plane, 1), next, `${what} after ${plane}`);
        assert.equal(planeWith(lanes, what, plane, -1), previous, `${what} before ${plane}`);
      }
});

test("keys go through the object being worked on, or through all", () => {
  const lanes = [lane(1), lane(2)];
  assert.deepEqual(relevantLanes(lanes, 2), [lanes[1]]);
  assert.equal(relevantLanes(lanes, null), lanes);
  assert.equal(relevantLanes(lanes, 9), lanes);
});

test("planes that the user has marked as absent are so, and are no keyframes to go to", () => {
  const marked = lane(1, { absent: [[12, 13]], runs: [[13, 20, "absent"]] });
  assert.deepEqual(
    [11, 12, 13].map((plane) => stateOn(marked, plane)),
    [null, "absent", "absent"],
  );
  assert.equal(countStates(marked).absent, 8);
  assert.equal(planeWith([marked], "keyframe", 3, 1), null);
});

test("marks are set, moved, removed, and make room for each other", () => {
  assert.deepEqual(withMark(null, "in", 4, 10), [4, 10]);
  assert.deepEqual(withMark(null, "out", 4, 10), [0, 5]);
  assert.deepEqual(withMark([4, 10], "out", 6, 10), [4, 7]);
  assert.deepEqual(withMark([4, 7], "in", 6, 10), [6, 7]);
  assert.deepEqual(withMark([4, 7], "in", 8, 10), [8, 10]);
  assert.deepEqual(withMark([4, 7], "out", 2, 10), [0, 3]);
  assert.deepEqual(withMark([4, 7], "in", 4, 10), [0, 7]);
  assert.equal(withMark([4, 10], "in", 4, 10), null);
  assert.equal(withMark([0, 7], "out", 6, 10), null);
  assert.equal(withMark(null, "in", 0, 10), null);
});

test("stretches lie at whole pixels, side by side", () => {
  assert.deepEqual(stretchesOf(LANE.runs, 30, 60), [
    { from: 2, to: 20, state: "tracked" },
    { from: 20, to: 24, state: "doubtful" },
    { from: 30, to: 40, state: "absent" },
    { from: 44, to: 60, state: "doubtful" },
  ]);
});

test("ten thousand runs are no more stretches than pixels, and no doubtful one gets lost", () => {
  const runs = Array.from(
    { length: 10_000 },
    (_, at) => /** @type {Run} */ ([at, at + 1, at % 500 === 77 ? "doubtful" : "tracked"]),
  );
  const stretches = stretchesOf(runs, 10_000, 800);
  assert.equal(stretches.filter(({ state }) => state === "doubtful").length, 20);
  assert.equal(stretches.length, 41);
  assert.equal(stretches[0].from, 0);
  assert.equal(stretches.at(-1)?.to, 800);
  for (const [at, { from }] of stretches.entries())
    if (at) assert.equal(from, stretches[at - 1].to);
});

test("a position on the strip is a plane, also beyond its ends", () => {
  assert.deepEqual(
    [-5, 0, 9.9, 10, 99, 100, 300].map((x) => xToPlane(x, 10, 100)),
    [0, 0, 0, 1, 9, 9, 9],
  );
});

test("keyframes side by side are one tick, and so are those that share a pixel", () => {
  assert.deepEqual(
    ticksOf(
      [
        [0, 1],
        [4, 7],
      ],
      10,
      100,
    ),
    [
      { from: 5, to: 5 },
      { from: 45, to: 65 },
    ],
  );
  const many = Array.from(
    { length: 5000 },
    (_, at) => /** @type {[number, number]} */ ([2 * at, 2 * at + 1]),
  );
  assert.equal(ticksOf(many, 10_000, 500).length, 1);
});
