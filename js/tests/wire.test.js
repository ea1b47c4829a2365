import assert from "node:assert/strict";
import { test } from "node:test";
import { zlibSync } from "fflate";

import { EMPTY_STATE, FALLBACK_COLOR } from "../src/state/annotation.js";
import {
  parseCategories,
  parseClasses,
  parseObjects,
  parsePicture,
  parsePictureAhead,
  parseState,
  parsePreview,
  parseProbe,
  parseStatus,
  parseTiles,
} from "../src/kernel/wire.js";
import { toBytes } from "../src/kernel/values.js";
import { newKeyedData } from "../src/kernel/wire-masks.js";

const payload = Uint8Array.of(1, 2, 250);
/** The payload inside a larger buffer, as hosts slice it out of a message. */
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

test("no bytes are read from other values", () => {
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

test("a state is parsed completely", () => {
  const state = parseState({
    revision: 3,
    epoch: 2,
    ack: { me: 7 },
    active,
    can_undo: true,
    can_redo: false,
    label: "cat",
    notice: "n",
  });
  assert.equal(state.revision, 3);
  assert.deepEqual(state.ack, { me: 7 });
  assert.deepEqual(state.active?.prompts, active.prompts);
  assert.equal(state.active?.mask?.base?.data.includes(7), true);
  assert.equal(state.active?.color, "#12aB9f");
  assert.ok(state.canUndo && !state.canRedo && state.active?.pending);
});

test("malformed states become empty ones", () => {
  for (const raw of [
    null,
    undefined,
    3,
    "x",
    [],
    { active: [] },
    { active: { id: "1" } },
    { revision: 1.5 },
  ]) {
    assert.deepEqual(parseState(raw), EMPTY_STATE);
  }
  assert.deepEqual(parseState({ ack: { a: "1", b: NaN, c: 2 } }).ack, { c: 2 });
});

test("malformed prompts are left out, and the others kept", () => {
  const prompts = [
    null,
    { type: "point", x: NaN, y: 1 },
    { type: "lasso" },
    { type: "box", x0: 1 },
    { type: "point", x: 1, y: 1, label: 1 },
  ];
  assert.deepEqual(parseState({ active: { ...active, prompts } }).active?.prompts, [
    { type: "point", x: 1, y: 1, label: 1 },
  ]);
});

test("damaged masks are null", () => {
  const broken = [
    null,
    {},
    { ...mask, width: 3 },
    { ...mask, width: 0 },
    { ...mask, width: 1e9, height: 1e9 },
    { ...mask, data: null },
    { ...mask, data: Uint8Array.of(1, 2, 3) },
  ];
  for (const each of broken)
    assert.equal(parseState({ active: { ...active, mask: each } }).active?.mask, null);
});

test("only #rrggbb is a colour", () => {
  for (const color of ["red", "#fff", "#12345g", "url(//x)", "#123456;x", 3, null]) {
    assert.equal(parseState({ active: { ...active, color } }).active?.color, FALLBACK_COLOR);
  }
});

test("status has defaults, and progress stays between 0 and 1", () => {
  assert.deepEqual(parseStatus(null), {
    phase: "loading",
    message: "",
    hint: "",
    progress: null,
    model: "",
    device: "",
  });
  assert.equal(parseStatus({ progress: 7 }).progress, 1);
  assert.equal(parseStatus({ progress: NaN }).progress, null);
});

test("a picture needs a size and bytes", () => {
  const picture = { width: 5, height: 4, mime: "image/png", data: payload, name: "a" };
  const whole = { ...picture, viewWidth: 5, viewHeight: 4, plane: 0, tiles: null };
  assert.deepEqual(parsePicture(picture), whole);
  assert.deepEqual(
    parsePicture({ ...picture, view_width: 3, view_height: 2, tiles: { size: 512, levels: 2 } }),
    {
      ...whole,
      viewWidth: 3,
      viewHeight: 2,
      tiles: { size: 512, levels: 2 },
    },
  );
  for (const tiles of [
    3,
    {},
    { size: 0, levels: 1 },
    { size: 512, levels: -1 },
    { size: 1e300, levels: NaN },
  ]) {
    assert.equal(parsePicture({ ...picture, tiles })?.tiles, null);
  }
  for (const change of [
    { width: 0 },
    { height: 1.5 },
    { data: null },
    { data: new Uint8Array() },
  ]) {
    assert.equal(parsePicture({ ...picture, ...change }), null);
  }
  assert.equal(parsePicture(null), null);
});

test("a picture that is sent ahead has its data in a buffer of the message", () => {
  const content = { type: "picture", plane: 3, width: 5, height: 4, mime: "image/png", name: "a" };
  const found = parsePictureAhead({ ...content, buffer: 1 }, [new Uint8Array(2), payload]);
  assert.deepEqual([found?.plane, found?.width, found?.data], [3, 5, payload]);
  assert.equal(parsePictureAhead({ ...content, buffer: 2 }, [payload]), null);
  assert.equal(parsePictureAhead(null, []), null);
});

test("classes have a name and a colour", () => {
  const classes = parseClasses([
    { name: "a", color: "#123456" },
    "b",
    3,
    { name: 4 },
    null,
    { name: "c", color: "red" },
  ]);
  assert.deepEqual(classes, [
    { name: "a", color: "#123456" },
    { name: "b", color: FALLBACK_COLOR },
    { name: "c", color: FALLBACK_COLOR },
  ]);
  assert.deepEqual(parseClasses("ab"), []);
});

test("categories have a name and a number", () => {
  const categories = parseCategories([
    { id: 17, name: "a" },
    { id: 0, name: "b" },
    { id: -1, name: "c" },
    { id: 1.5, name: "d" },
    { id: 2 },
    "e",
    null,
  ]);
  assert.deepEqual(categories, [
    { id: 17, name: "a" },
    { id: 0, name: "b" },
  ]);
  assert.deepEqual(parseCategories(undefined), []);
});

test("objects have their own ids in files, and may be crowds", () => {
  const put = [
    { ...active, number: 70, crowd: true },
    { ...active, number: null },
    { ...active, number: 0, crowd: 1 },
    active,
  ];
  const parsed = parseObjects({ put }, []).put.map(({ number, crowd }) => [number, crowd]);
  assert.deepEqual(parsed, [
    [70, true],
    [null, false],
    [null, false],
    [null, false],
  ]);
});

test("objects get their masks from the buffers", () => {
  const put = [
    { ...active, mask: { width: 2, height: 2, buffer: 1 } },
    { ...active, id: 5, mask: null },
    { ...active, id: 6, mask: { width: 2, height: 2, buffer: 9 } },
    { color: "#000000" },
  ];
  const message = parseObjects({ type: "objects", reset: true, put, drop: [1, "2"] }, [
    new DataView(embedded),
    mask.data,
  ]);
  assert.deepEqual(
    message.put.map(({ id, mask: m }) => [id, m !== null]),
    [
      [4, true],
      [5, false],
      [6, false],
    ],
  );
  assert.deepEqual(message.drop, [1]);
  assert.deepEqual(parseObjects(null, []), { n: -1, plane: 0, reset: false, put: [], drop: [] });
});

test("every type of prompt is parsed, masks and strokes by their key", () => {
  const prompts = [
    { type: "mask", key: "m1" },
    {
      type: "scribble",
      points: [
        [1, 2],
        [3.5, 4],
      ],
      label: 0,
    },
    { type: "choice", index: 2 },
    { type: "stroke", key: "s1", label: 1, radius: 4 },
  ];
  const parsed = parseState({ active: { ...active, prompts } }).active?.prompts;
  assert.deepEqual(parsed, [...prompts.slice(0, 3), { ...prompts[3], points: null }]);
});

test("malformed new prompts are left out", () => {
  const prompts = [
    { type: "mask" },
    { type: "scribble", points: [] },
    { type: "scribble", points: [[1, NaN]] },
    { type: "scribble", points: [[1]] },
    { type: "choice", index: 0.5 },
    { type: "stroke", key: "a", radius: 0 },
    { type: "stroke", radius: 3 },
    { type: "constructor" },
    { type: "__proto__" },
  ];
  assert.deepEqual(parseState({ active: { ...active, prompts } }).active?.prompts, []);
});

test("a mask of pixels keeps its position; strokes are on top", () => {
  const pixels = {
    kind: "pixels",
    x: 3,
    y: 4,
    width: 9,
    height: 2,
    data: zlibSync(Uint8Array.of(0x80, 0x80, 0, 0)),
  };
  const strokes = [
    {
      points: [
        [1, 2],
        [3, 4],
      ],
      radius: 2,
      label: 0,
    },
    { points: [], radius: 1 },
    { points: [[1, 2]], radius: -1 },
  ];
  const parsed = parseState({ active: { ...active, mask: { ...pixels, strokes } } }).active?.mask;
  assert.deepEqual(parsed?.base, {
    kind: "pixels",
    x: 3,
    y: 4,
    width: 9,
    height: 2,
    data: Uint8Array.of(0x80, 0x80, 0, 0),
  });
  assert.deepEqual(parsed?.strokes, [{ points: Float64Array.of(1, 2, 3, 4), radius: 2, label: 0 }]);
  for (const change of [
    { width: 17 },
    { height: 3 },
    { width: 1e6, height: 1e6 },
    { data: null },
  ]) {
    assert.equal(
      parseState({ active: { ...active, mask: { ...pixels, ...change } } }).active?.mask,
      null,
    );
  }
});

test("a single candidate is no choice", () => {
  const candidates = [
    { score: 0.9, mask },
    { score: "x", mask: null },
    { score: 0.1, mask: null },
  ];
  const state = parseState({ active: { ...active, candidates, choice: 1 } });
  assert.deepEqual(
    state.active?.candidates?.map((each) => [each.score, each.mask !== null]),
    [
      [0.9, true],
      [null, true],
      [0.1, false],
    ],
  );
  assert.equal(state.active?.choice, 1);
  assert.equal(
    state.active?.candidates?.[1].mask?.base,
    state.active?.mask?.base,
    "the chosen mask is sent once",
  );
  for (const none of [null, [], [candidates[0]], "ab"]) {
    assert.equal(parseState({ active: { ...active, candidates: none } }).active?.candidates, null);
  }
});

test("settings have defaults", () => {
  assert.deepEqual(
    parseState({ settings: { overlap: "cut out", fill_holes: 9, drop_specks: 4 } }).settings,
    {
      overlap: "cut out",
      fillHoles: 9,
      dropSpecks: 4,
    },
  );
  assert.deepEqual(
    parseState({ settings: { overlap: "x", fill_holes: -3 } }).settings,
    EMPTY_STATE.settings,
  );
});

test("answers to requests are parsed", () => {
  const preview = parsePreview(
    { client: "me", n: 3, mask: { width: 2, height: 2, buffer: 0 }, score: 0.5 },
    [mask.data],
  );
  assert.ok(preview.mask?.base && preview.score === 0.5 && preview.n === 3);
  assert.equal(parsePreview({ n: 1, mask: null }, []).mask, null);
  assert.deepEqual(parseProbe({ client: "me", n: 3, x: 1, y: 2, values: [1, "2", 3] }), {
    client: "me",
    n: 3,
    x: 1,
    y: 2,
    values: [1, 3],
  });
  const tiles = [
    { col: 1, row: 2, mime: "image/jpeg", buffer: 0 },
    { col: 1, row: 3, buffer: 5 },
    { row: 3, buffer: 0 },
    null,
  ];
  assert.deepEqual(parseTiles({ client: "me", level: 1, tiles }, [payload]), {
    client: "me",
    plane: 0,
    level: 1,
    tiles: [{ col: 1, row: 2, mime: "image/jpeg", data: payload }],
  });
});

test("the points of a stroke are sent once, and its key refers to them in all later messages", () => {
  const known = newKeyedData();
  const first = {
    key: "s",
    points: [
      [1, 2],
      [3, 4],
    ],
    radius: 2,
    label: 1,
  };
  const later = { key: "s", radius: 2, label: 1 };
  const parsed = { points: Float64Array.of(1, 2, 3, 4), radius: 2, label: 1 };
  /** @param {object[]} strokes */
  const stateWith = (strokes) =>
    parseState({ active: { ...active, mask: { ...mask, strokes } } }, known).active?.mask?.strokes;
  assert.deepEqual(stateWith([later]), [], "left out until it is known");
  assert.deepEqual(stateWith([first, later]), [parsed, parsed]);
  const put = [{ ...active, mask: { width: 2, height: 2, buffer: 0, strokes: [later] } }];
  assert.deepEqual(parseObjects({ put }, [mask.data], known).put[0].mask?.strokes, [parsed]);
  assert.deepEqual(parsePreview({ mask: put[0].mask }, [mask.data], known).mask?.strokes, [parsed]);
  assert.deepEqual(parsePreview({ mask: put[0].mask }, [mask.data]).mask?.strokes, []);
});

test("a speculative mask is sent once, and its key refers to it; a lost one is detected", () => {
  const known = newKeyedData();
  const shown = () =>
    parseState(
      { active: { ...active, mask: { width: 2, height: 2, kind: "logits", known: "7" } } },
      known,
    );
  assert.deepEqual([shown().isMaskMissing, shown().active?.mask], [true, null]);
  const ahead = parsePreview(
    { mask: { width: 2, height: 2, buffer: 0, key: "7" } },
    [mask.data],
    known,
  );
  assert.equal(shown().isMaskMissing, false);
  assert.equal(shown().active?.mask?.base, ahead.mask?.base);
  // The newest are kept; the kernel refers to fewer.
  for (let key = 8; key < 15; key++)
    parsePreview({ mask: { width: 2, height: 2, buffer: 0, key: `${key}` } }, [mask.data], known);
  assert.equal(shown().isMaskMissing, false);
  parsePreview({ mask: { width: 2, height: 2, buffer: 0, key: "15" } }, [mask.data], known);
  assert.equal(shown().isMaskMissing, true);
});
