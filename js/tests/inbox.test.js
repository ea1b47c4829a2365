import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { EMPTY_STATE } from "../src/state/annotation.js";
import { createInbox } from "../src/state/inbox.js";
import { picture } from "./examples.js";

/** @type {ReturnType<typeof createInbox>} */
let inbox;
let revision = 0;

beforeEach(() => {
  inbox = createInbox();
  revision = 0;
});

/** @param {Partial<import("../src/state/annotation.js").State>} change */
const receiveState = (change) =>
  inbox.receiveState({ ...EMPTY_STATE, revision: (revision += 1), ...change });
/** @param {number} id @returns {any} */
const object = (id) => ({ id, index: id });
/** @param {number} n @param {Partial<import("../src/state/annotation.js").ObjectsMessage>} [more] */
const receiveObjects = (n, more) =>
  inbox.receiveObjects({ n, plane: 0, reset: false, put: [], drop: [], ...more });
const shown = () => [inbox.picture()?.plane, inbox.finished().map(({ id }) => id)];

test("picture and objects of another plane are shown with its state", () => {
  inbox.receivePicture(picture(0));
  receiveObjects(0, { put: [object(1)], reset: true });
  inbox.receivePicture(picture(2));
  receiveObjects(1, { plane: 2, put: [object(7)] });
  assert.deepEqual(shown(), [0, [1]]);
  receiveState({ plane: 2 });
  assert.deepEqual(shown(), [2, [7]]);
});

test("of several planes that were requested only the one whose state arrives is shown", () => {
  inbox.receivePicture(picture(0));
  inbox.receivePicture(picture(1));
  inbox.receivePicture(picture(2));
  receiveState({ plane: 2 });
  assert.deepEqual(shown(), [2, []]);
  receiveState({ plane: 1 });
  assert.deepEqual(
    shown(),
    [2, []],
    "its picture was replaced; the previous one stays until it comes again",
  );
});

test("a picture that was sent ahead is shown with the state of its plane, and not decoded again", () => {
  inbox.receiveTraits({ isSet: true });
  inbox.receivePicture(picture(0));
  const ahead = picture(2);
  inbox.receivePictureAhead(ahead);
  receiveObjects(0, { plane: 2, put: [object(7)], reset: true });
  assert.deepEqual(shown(), [0, []]);
  receiveState({ plane: 2 });
  assert.deepEqual(shown(), [2, [7]]);
  inbox.receivePicture(picture(2));
  assert.equal(inbox.picture(), ahead);
  const other = { ...picture(2), data: new Uint8Array([9, 9, 9, 9]) };
  inbox.receivePicture(other);
  assert.equal(inbox.picture(), other, "it has changed");
  receiveState({ plane: 0 });
  assert.deepEqual(shown(), [0, []], "the one before is kept, too");
});

test("few pictures are kept, and none of a stack", () => {
  inbox.receivePicture(picture(0));
  receiveState({ plane: 1 });
  assert.deepEqual(inbox.keptPictures(), []);
  for (const plane of [2, 3, 4, 5, 3]) inbox.receivePictureAhead(picture(plane));
  assert.deepEqual(
    inbox.keptPictures().map(({ plane }) => plane),
    [4, 5, 3],
  );
});

test("a missing message of objects is detected, and all objects make it good", () => {
  receiveState({ newestObjectsMessage: 0 });
  assert.ok(!inbox.hasAllObjects());
  receiveObjects(0, { reset: true });
  assert.ok(inbox.hasAllObjects());
  receiveObjects(2);
  receiveState({ newestObjectsMessage: 2 });
  assert.deepEqual([inbox.hasAllObjects(), inbox.resumePoint()], [false, -1]);
  receiveObjects(3, { reset: true });
  receiveState({ newestObjectsMessage: 3 });
  assert.deepEqual([inbox.hasAllObjects(), inbox.resumePoint()], [true, 3]);
});

test("a skipped revision, and a mask that is not known, count as missing messages", () => {
  receiveObjects(0, { reset: true });
  receiveState({ newestObjectsMessage: 0 });
  revision += 1;
  receiveState({ newestObjectsMessage: 0 });
  assert.ok(!inbox.hasAllObjects());
  receiveObjects(1, { reset: true });
  receiveState({ newestObjectsMessage: 1, isMaskMissing: true });
  assert.ok(!inbox.hasAllObjects());
});
