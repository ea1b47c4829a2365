import assert from "node:assert/strict";
import { test } from "node:test";

import { isRemembered, remember } from "../src/state/preferences.js";
import * as texts from "../src/ui/texts.js";
import { NOTHING_SAVED } from "../src/state/annotation.js";
import { parseSaved } from "../src/kernel/wire.js";

test("the trait about saving is parsed completely, and is empty when it is damaged", () => {
  const raw = {
    key: "ab",
    owner: "cd",
    on_disk: true,
    folder: "/home",
    file: "a.json",
    error: "",
    offer: { objects: 2, seconds: 5 },
  };
  assert.deepEqual(parseSaved(raw), {
    key: "ab",
    owner: "cd",
    onDisk: true,
    folder: "/home",
    file: "a.json",
    error: "",
    offer: { count: 2, seconds: 5 },
  });
  for (const damaged of [
    undefined,
    null,
    3,
    {},
    { key: 1, offer: { objects: "2" } },
    { offer: { objects: -1 } },
  ]) {
    assert.deepEqual(parseSaved(damaged), NOTHING_SAVED);
  }
});

test("an offer to restore names the number of objects and their time", () => {
  const [morning, evening] = [new Date(2026, 4, 3, 9, 5), new Date(2026, 4, 3, 23, 0)];
  assert.equal(texts.saved.offer(12, morning, evening), "12 objects of this image from 09:05");
  assert.equal(
    texts.saved.offer(1, morning, new Date(2026, 4, 4)),
    "1 object of this image from May 3, 09:05",
  );
});

test("the page shows where prompts are saved, or why not", () => {
  assert.match(
    texts.saved.where(NOTHING_SAVED),
    /until you close this browser tab, and by the kernel until it stops\..*autosave=True/,
  );
  const onDisk = { ...NOTHING_SAVED, onDisk: true, file: "a.json" };
  assert.match(texts.saved.where({ ...onDisk, folder: "/home" }), /a\.json in \/home/);
  assert.match(texts.saved.where(onDisk), /a\.json\. In Python, w\.autosave is its path/);
  assert.match(
    texts.saved.where({ ...NOTHING_SAVED, folder: "/home", error: "no room" }),
    /could not be saved: no room/,
  );
});

test("a switch is remembered if the browser allows it", () => {
  /** @type {Map<string, string>} */
  const kept = new Map();
  const storage = () =>
    /** @type {any} */ ({
      getItem: (/** @type {string} */ key) => kept.get(key) ?? null,
      setItem: (/** @type {string} */ key, /** @type {string} */ value) => kept.set(key, value),
    });
  const forbidden = () => {
    throw new Error("denied");
  };
  assert.equal(isRemembered("newObjectPerClick", storage), false);
  remember("newObjectPerClick", true, storage);
  assert.equal(isRemembered("newObjectPerClick", storage), true);
  remember("newObjectPerClick", false, storage);
  assert.equal(isRemembered("newObjectPerClick", storage), false);
  remember("newObjectPerClick", true, forbidden);
  assert.equal(isRemembered("newObjectPerClick", forbidden), false);
});
