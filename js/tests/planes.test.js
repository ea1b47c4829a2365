import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { enabledCommands } from "../src/input/commands.js";
import { meaningOf } from "../src/input/keymap.js";
import { createStore } from "../src/state/store.js";
import { EMPTY_STATE } from "../src/state/annotation.js";
import { parseStack } from "../src/kernel/wire.js";
import { picture, point, segmentedObject } from "./examples.js";

/** @param {number} id */
const object = (id) => segmentedObject(id, 0, null);
/** @param {number} id @param {any[]} prompts */
const active = (id, prompts) => ({
  ...object(id),
  prompts,
  pending: false,
  empty: false,
  candidates: null,
  choice: 0,
});

/** @type {any[]} */
let sent;
/** @type {import("../src/state/store.js").Store} */
let store;
let revision = 0;

/** @param {Partial<import("../src/state/annotation.js").State> & { done?: number }} change */
function publish({ done = 0, ...change }) {
  store.receiveState({ ...EMPTY_STATE, revision: ++revision, ack: { me: done }, ...change });
}

beforeEach(() => {
  sent = [];
  revision = 0;
  const send = (/** @type {unknown} */ request) => void sent.push(request);
  store = createStore({
    client: "me",
    link: {
      sendPrompts: send,
      sendAction: send,
      sendRequest: send,
      sendOptions: send,
      sendHello: send,
    },
  });
  store.receivePicture(picture(0));
  store.receiveTraits({ stack: { axis: "Z", count: 5, annotated: [] } });
  publish({ epoch: 7 });
});

const seen = () => {
  const { plane, requestedPlane, picture: shown, rows } = store.snapshot();
  return [plane, requestedPlane, shown?.plane, rows.map(({ id }) => id)];
};

test("picture, objects and state always belong to the same plane", () => {
  store.receiveObjects({ n: 1, plane: 0, reset: true, put: [object(3)], drop: [] });
  store.showPlane(1);
  assert.deepEqual(sent, [
    { type: "plane", rid: { client: "me", n: 1 }, epoch: 7, prompts: null, plane: 1 },
  ]);
  assert.deepEqual(seen(), [0, 1, 0, [3]], "the slider is ahead of the picture");
  publish({ done: 1, epoch: 7, pendingPlane: 1 });
  store.receiveObjects({ n: 1, plane: 1, reset: true, put: [object(8)], drop: [] });
  store.receivePicture(picture(1));
  assert.deepEqual(seen(), [0, 1, 0, [3]]);
  publish({ done: 1, epoch: 1007, plane: 1 });
  assert.deepEqual(seen(), [1, 1, 1, [8]]);
});

test("a click before the requested plane is loaded belongs to the plane that is shown", () => {
  store.addPrompt(point(1));
  store.showPlane(1);
  store.addPrompt(point(2));
  assert.deepEqual(
    sent.map(({ rid, epoch, prompts, plane }) => [rid.n, epoch, prompts.length, plane]),
    [
      [1, 7, 1, undefined],
      [2, 7, 1, 1],
      [3, 7, 2, undefined],
    ],
  );
  publish({ done: 2, epoch: 1007, plane: 1 });
  assert.deepEqual(store.snapshot().prompts, [], "it is not drawn on another plane");
  store.addPrompt(point(5));
  assert.equal(sent.at(-1).epoch, 1007);
  assert.equal(sent.at(-1).prompts.length, 1);
});

test("a slider requests one plane at a time, and at last the newest", () => {
  for (const plane of [1, 2, 3, 4]) store.showPlane(plane);
  assert.deepEqual(
    sent.map(({ plane }) => plane),
    [1],
  );
  publish({ done: 1, pendingPlane: 1 });
  assert.equal(sent.length, 1);
  publish({ done: 1, epoch: 1007, plane: 1 });
  assert.deepEqual(
    sent.map(({ plane }) => plane),
    [1, 4],
  );
  publish({ done: 2, epoch: 4007, plane: 4 });
  assert.equal(sent.length, 2);
  assert.deepEqual(seen().slice(0, 2), [4, 4]);
});

test("a request for a plane waits for an action, and clicks before it are sent first", () => {
  publish({ epoch: 7, active: active(1, [point(1)]) });
  store.act("commit");
  store.addPrompt(point(2));
  store.showPlane(2);
  assert.deepEqual(
    sent.map(({ type }) => type),
    ["commit"],
  );
  publish({ done: 1, epoch: 8 });
  assert.deepEqual(
    sent.slice(1).map(({ type, epoch, prompts }) => [type, epoch, prompts?.length]),
    [
      [undefined, 8, 1],
      ["plane", 8, 1],
    ],
  );
});

test("a plane that cannot be shown is no longer requested", () => {
  store.showPlane(3);
  publish({ done: 1, pendingPlane: 3 });
  publish({ done: 1, notice: "Z 4 cannot be shown" });
  assert.deepEqual(seen().slice(0, 2), [0, 0]);
});

test("Python can show another plane, too", () => {
  store.receivePicture(picture(3));
  publish({ epoch: 3007, plane: 3 });
  assert.deepEqual(seen(), [3, 3, 3, []]);
  assert.deepEqual(sent, []);
});

test("planes out of range and planes of a plain image are not requested", () => {
  for (const plane of [-1, 5]) store.showPlane(plane);
  assert.deepEqual(sent, []);
  const commands = () => enabledCommands(store.snapshot());
  assert.ok(commands().nextPlane && !commands().previousPlane);
  store.receiveTraits({ stack: null });
  store.showPlane(1);
  assert.deepEqual(sent, []);
  assert.ok(!commands().nextPlane);
});

test("a stack is parsed, whatever arrives", () => {
  assert.deepEqual(parseStack({ axis: "Z", count: 3, annotated: [0, 2, 3, -1, "1", 0.5] }), {
    axis: "Z",
    count: 3,
    annotated: [0, 2],
  });
  for (const raw of [{}, null, { count: 1 }, { count: "7" }, { count: 2.5 }])
    assert.equal(parseStack(raw), null);
});

test("keys show other planes", () => {
  const key = (/** @type {string} */ name) =>
    meaningOf(
      /** @type {KeyboardEvent} */ ({
        key: name,
        ctrlKey: false,
        metaKey: false,
        altKey: false,
        shiftKey: false,
        repeat: true,
      }),
    );
  for (const name of ["PageDown", ">"]) assert.deepEqual(key(name), { command: "nextPlane" });
  for (const name of ["PageUp", "<"]) assert.deepEqual(key(name), { command: "previousPlane" });
});
