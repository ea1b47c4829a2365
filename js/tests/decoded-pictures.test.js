/** Which pictures are decoded, and that none of them stays in memory. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createDecodedPictures } from "../src/stage/decoded-pictures.js";
import { picture } from "./examples.js";

/** @type {{ resolve: (bitmap: any) => void, reject: (error: Error) => void, options: any }[]} */
let jobs = [];
/** @type {string[]} */
let closed = [];
/** @param {string} name @returns {any} */
const bitmap = (name) => ({ name, close: () => closed.push(name) });

beforeEach(() => {
  jobs = [];
  closed = [];
  globalThis.createImageBitmap = /** @type {any} */ (
    (/** @type {Blob} */ _, /** @type {any} */ options) =>
      new Promise((resolve, reject) => jobs.push({ resolve, reject, options }))
  );
});

test("pictures are decoded once, and closed when they are not wanted any more", async () => {
  const controller = new AbortController();
  const decoded = createDecodedPictures(controller.signal);
  const [first, second, third] = [picture(1), picture(2), picture(3)];
  decoded.keep([first, second, null]);
  decoded.keep([second, first]);
  assert.deepEqual(
    jobs.map(({ options }) => options),
    Array(2).fill({ colorSpaceConversion: "none" }),
  );
  jobs[0].resolve(bitmap("first"));
  await decoded.get(first).done;
  assert.equal(/** @type {any} */ (decoded.get(first).bitmap).name, "first");
  const { done } = decoded.get(second);
  decoded.keep([first, third]);
  jobs[1].resolve(bitmap("second"));
  await done;
  assert.deepEqual(closed, ["second"], "it was dropped while it was decoded");
  jobs[2].resolve(bitmap("third"));
  await decoded.get(third).done;
  decoded.keep([third]);
  assert.deepEqual(closed, ["second", "first"]);
  controller.abort();
  assert.deepEqual(closed, ["second", "first", "third"]);
  decoded.keep([first]);
  assert.equal(jobs.length, 3, "nothing is decoded for a view that is closed");
});

test("a picture that cannot be decoded has no bitmap", async () => {
  const decoded = createDecodedPictures(new AbortController().signal);
  const broken = picture(1);
  decoded.keep([broken]);
  jobs[0].reject(new Error("no image"));
  await decoded.get(broken).done;
  assert.equal(decoded.get(broken).bitmap, null);
  assert.equal(jobs.length, 1);
});
