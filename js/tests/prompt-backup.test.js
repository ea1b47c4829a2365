import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";

import { backUpPrompts } from "../src/kernel/prompt-backup.js";
import { newKeyedData } from "../src/kernel/wire-masks.js";
import { parseObjects, parsePromptClasses, parseState } from "../src/kernel/wire.js";
import { fileOfAllPlanes, planeFile } from "../src/state/prompt-files.js";
import { createBackupStorage } from "../src/state/backup-storage.js";
import { createStore } from "../src/state/store.js";

const point = { type: "point", x: 12.25, y: 8, label: 1 };
const stroke = {
  type: "stroke",
  points: [
    [3, 4.5],
    [10, 6],
  ],
  radius: 2.5,
  label: 0,
};
const mask = { type: "mask", size: [4, 6], counts: "5220;" };
const described = {
  index: 0,
  color: "#112233",
  label: null,
  score: 0.5,
  number: null,
  crowd: false,
  visible: true,
  locked: false,
  tracked: false,
  mask: null,
};

/** @type {any[]} */
let asked;
/** @type {ReturnType<typeof newKeyedData>} */
let known;
/** @type {import("../src/state/store.js").Store} */
let store;
let revision = 0;
let messages = 0;

beforeEach(() => {
  [asked, known, revision, messages] = [[], newKeyedData(), 0, 0];
  const ignore = () => {};
  store = createStore({
    client: "me",
    keyedData: known,
    link: {
      sendPrompts: ignore,
      sendAction: ignore,
      sendRequest: (question, buffers) =>
        asked.push({ ...question, data: new TextDecoder().decode(buffers?.[0]) }),
      sendOptions: ignore,
      sendHello: ignore,
    },
  });
  put([], { reset: true });
});

/** @param {object} change */
const publish = (change = {}) =>
  store.receiveState(
    parseState(
      { revision: ++revision, ack: {}, objects: messages, can_undo: true, ...change },
      known,
    ),
  );

/** @param {object[]} objects @param {object} [more] */
const put = (objects, more = {}) =>
  store.receiveObjects(
    parseObjects(
      {
        n: ++messages,
        plane: 0,
        put: objects.map((each) => ({ ...described, ...each })),
        drop: [],
        ...more,
      },
      [],
      known,
    ),
  );

/** @returns {Storage} of a tab, with room for so many characters */
function storageOf(room = Infinity) {
  /** @type {Record<string, any>} */
  const items = {};
  const methods = {
    getItem: (/** @type {string} */ name) => items[name] ?? null,
    removeItem: (/** @type {string} */ name) => delete items[name],
    setItem(/** @type {string} */ name, /** @type {string} */ text) {
      const others = Object.keys(items).filter((each) => each !== name);
      if (others.reduce((sum, each) => sum + items[each].length, 0) + text.length > room)
        throw new Error("QuotaExceededError");
      items[name] = text;
    },
  };
  for (const [name, value] of Object.entries(methods))
    Object.defineProperty(items, name, { value, enumerable: false });
  return /** @type {any} */ (items);
}

const entry = (/** @type {string} */ owner, /** @type {number} */ time, more = {}) => ({
  key: "k",
  owner,
  time,
  count: 1,
  file: `of ${owner}`,
  ...more,
});

test("the page writes a file of prompts as the kernel does: test_saved_prompts.py reads the same", () => {
  put(
    [
      {
        id: 0,
        prompts: [point, { type: "stroke", key: "s1", radius: 2.5, label: 0 }],
        label: "cat",
        number: 7,
      },
      {
        id: 1,
        index: 1,
        prompts: [{ type: "mask", key: "m1" }],
        own_color: "#00ff7f",
        crowd: true,
      },
    ],
    { large_prompts: { s1: JSON.stringify(stroke), m1: JSON.stringify(mask) } },
  );
  store.receiveTraits({
    promptClasses: parsePromptClasses([
      { name: "cat", id: 17 },
      { name: "dog", id: 4 },
    ]),
  });
  const active = {
    ...described,
    id: 2,
    index: 2,
    prompts: [{ type: "box", x0: 1, y0: 1, x1: 5, y1: 3.5 }],
    label: "dog",
  };
  publish({ active, settings: { overlap: "cut out", fill_holes: 9, drop_specks: 0 } });
  store.addPrompt({ type: "point", x: 2, y: 2, label: 0 });
  const expected = JSON.parse(
    readFileSync(new URL("data/page.prompts.json", import.meta.url), "utf8"),
  );
  assert.deepEqual(JSON.parse(planeFile(store)), expected);
  assert.deepEqual(fileOfAllPlanes(store), { file: planeFile(store), count: 3 });
});

test("the file contains objects that the kernel has not acknowledged, and strokes of this page", () => {
  publish();
  store.addPrompt(/** @type {any} */ ({ ...stroke, key: null, label: 1 }));
  const [{ prompts }] = JSON.parse(planeFile(store)).objects;
  assert.deepEqual(prompts, [{ ...stroke, label: 1 }]);
  const answered = {
    ...described,
    id: 0,
    prompts: [{ type: "stroke", key: "s9", radius: 2.5, label: 1 }, point],
  };
  publish({ ack: { me: 1 }, active: answered });
  assert.deepEqual(JSON.parse(planeFile(store)).objects[0].prompts, [
    { ...stroke, label: 1 },
    point,
  ]);
});

test("all planes that were shown are in the file of a stack", () => {
  store.receiveTraits({ stack: { axis: "Z", count: 5, annotated: [0, 3] } });
  put([{ id: 0, prompts: [point] }]);
  publish();
  put(
    [
      { id: 0, prompts: [{ ...point, x: 1 }] },
      { id: 1, index: 1, prompts: [point] },
    ],
    { plane: 3, reset: true },
  );
  publish({ plane: 3 });
  const file = JSON.parse(fileOfAllPlanes(store).file);
  assert.deepEqual([file.format, file.along], ["sam2-widget-stack-prompts", "Z"]);
  assert.deepEqual(
    file.planes.map((/** @type {any} */ { plane, objects }) => [plane, objects.length]),
    [
      [0, 1],
      [3, 2],
    ],
  );
  assert.equal(fileOfAllPlanes(store).count, 3);
});

test("prompts are backed up after the first change by the user, and only completely", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const backups = createBackupStorage(() => storageOf(), new Map());
  backUpPrompts({ store, signal: new AbortController().signal, storage: backups, now: () => 5000 });
  store.receiveTraits({
    saved: { key: "k", owner: "a", onDisk: false, folder: "", file: "", error: "", offer: null },
  });
  put([{ id: 0, prompts: [point] }]);
  publish({ can_undo: false });
  t.mock.timers.tick(1000);
  assert.equal(backups.find("k", "a"), null);
  put([{ id: 1, index: 1, prompts: [point] }]);
  publish();
  t.mock.timers.tick(1000);
  const kept = backups.find("k", "a");
  assert.deepEqual([kept?.count, kept?.time], [2, 5000]);
  assert.equal(kept?.file, fileOfAllPlanes(store).file);
  // While all objects are being sent again, only a part of them is here.
  put([], { reset: true });
  t.mock.timers.tick(1000);
  assert.equal(backups.find("k", "a")?.count, 2);
});

test("the backup of another widget is sent once, in parts, unless a newer one is known", () => {
  const backups = createBackupStorage(() => storageOf(), new Map());
  const file = "x".repeat(2 ** 20 + 3);
  backups.put(entry("old", 9000, { file }));
  backups.put(entry("older", 8000));
  backups.put(entry("empty", 9999, { count: 0 }));
  backups.put(entry("other", 9999, { key: "another image" }));
  const saved = {
    key: "k",
    owner: "a",
    onDisk: false,
    folder: "",
    file: "",
    error: "",
    offer: { count: 1, seconds: 8.5 },
  };
  backUpPrompts({ store, signal: new AbortController().signal, storage: backups, now: () => 0 });
  store.receiveTraits({ saved: saved });
  assert.deepEqual(
    asked.map(({ type, at, size, kept, data }) => [type, at, size, kept, data.length]),
    [["upload", 0, 2 ** 20 + 3, 9000, 2 ** 20]],
  );
  store.receiveAnswer("uploaded", { client: "me", n: asked[0].n, at: 2 ** 20, done: false });
  assert.deepEqual([asked[1].at, asked[1].data, asked[1].n], [2 ** 20, "xxx", asked[0].n]);
  store.receiveAnswer("uploaded", { client: "me", n: asked[0].n, at: file.length, done: true });
  store.receiveTraits({ saved: { ...saved, offer: null } });
  assert.equal(asked.length, 2);
  asked.length = 0;
  backUpPrompts({
    store,
    signal: new AbortController().signal,
    storage: createBackupStorage(() => storageOf(), new Map([["k-old", entry("old", 9000)]])),
    now: () => 0,
  });
  assert.equal(asked.length, 1);
  store.receiveTraits({ saved: { ...saved, owner: "b", offer: { count: 1, seconds: 9 } } });
  assert.equal(asked.length, 1);
});

test("a backup survives a reload, and replaces the oldest if there is no room", () => {
  const tab = storageOf(60);
  const before = createBackupStorage(() => tab, new Map());
  before.put(entry("a", 1, { file: "f".repeat(20) }));
  before.put(entry("b", 2, { file: "g".repeat(20) }));
  before.put(entry("c", 3, { file: "h".repeat(20) }));
  const after = createBackupStorage(() => tab, new Map());
  assert.equal(after.find("k", "a"), null);
  assert.deepEqual(after.newest("k", ""), entry("c", 3, { file: "h".repeat(20) }));
  assert.equal(after.newest("k", "c")?.owner, "b");
  assert.equal(before.find("k", "a")?.owner, "a");
});

test("the newest five backups of an image are kept; without a storage, in the memory of the page", () => {
  const tab = storageOf();
  const backups = createBackupStorage(() => tab, new Map());
  for (let n = 0; n < 8; n++) backups.put(entry(`w${n}`, n));
  assert.deepEqual(Object.keys(tab).length, 5);
  assert.equal(backups.find("k", "w2"), null);
  assert.equal(backups.find("k", "w3")?.time, 3);
  const forbidden = () => {
    throw new Error("denied");
  };
  const memory = new Map();
  createBackupStorage(forbidden, memory).put(entry("a", 1));
  assert.equal(createBackupStorage(forbidden, memory).newest("k", "")?.owner, "a");
});

test("after a reload, planes that were not shown again stay in the backup as long as they have objects", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const storage = createBackupStorage(() => storageOf(), new Map());
  const plane = (/** @type {number} */ number, x = 1.5) => ({
    plane: number,
    objects: [{ prompts: [{ ...point, x }] }],
    ...(number === 4 && { settings: { fill_holes: 3 } }),
  });
  const before = {
    format: "sam2-widget-stack-prompts",
    version: 1,
    along: "Z",
    planes: [plane(0), plane(2), plane(4)],
  };
  storage.put(entry("a", 1, { count: 3, file: JSON.stringify(before) }));
  backUpPrompts({ store, signal: new AbortController().signal, storage, now: () => 5000 });
  store.receiveTraits({
    stack: { axis: "Z", count: 5, annotated: [0, 4] },
    saved: { key: "k", owner: "a", onDisk: false, folder: "", file: "", error: "", offer: null },
  });
  put([{ id: 0, prompts: [{ ...point, x: 7 }] }]);
  publish();
  t.mock.timers.tick(1000);
  const kept = storage.find("k", "a");
  assert.deepEqual([kept?.count, kept?.time], [2, 5000]);
  assert.deepEqual(JSON.parse(kept?.file ?? "").planes, [plane(0, 7), plane(4)]);
});
