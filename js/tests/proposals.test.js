import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseProposals, parseProposing } from "../src/kernel/wire-proposals.js";
import { createShownProposals, filterProposals } from "../src/state/proposal-filter.js";
import { boundsOf, contains, rasterize } from "../src/pixels/mask.js";
import { proposalColor } from "../src/stage/proposal-layer.js";
import { areaToStep, stepToArea } from "../src/ui/proposals-panel.js";
import { createProposals } from "../src/state/proposals.js";

/** Written by tests/python/test_same_proposals.py with what the kernel's filter gives. */
const known = JSON.parse(
  readFileSync(new URL("data/same-proposals.json", import.meta.url), "utf8"),
);

const IMAGE = { width: 320, height: 240 };

/** @param {object} [more] @returns {import("../src/state/proposals.js").ProposalsMessage} */
const message = (more) =>
  parseProposals(
    {
      type: "proposals",
      n: 1,
      job: 3,
      reset: true,
      put: known.proposals.map((/** @type {object} */ one, /** @type {number} */ buffer) => ({
        ...one,
        buffer,
      })),
      accepted: [],
      rejected: [],
      ...more,
    },
    known.proposals.map((/** @type {{ data: string }} */ { data }) => Buffer.from(data, "base64")),
  );

const all = message().put;

test("the page selects the same proposals in the same order as the kernel", () => {
  assert.equal(all.length, 60);
  for (const { numbers, ...given } of known.filters) {
    const thresholds = {
      minScore: given.min_score,
      minStability: given.min_stability,
      minArea: given.min_area,
      maxArea: given.max_area,
      maxOverlap: given.max_overlap,
      minLikeness: given.min_likeness,
    };
    const shown = filterProposals(all, thresholds, known.likeness);
    assert.deepEqual(
      shown.map(({ number }) => number),
      numbers,
    );
    assert.deepEqual(
      filterProposals(all, thresholds, known.likeness),
      shown,
      "what is known of overlaps changes nothing",
    );
  }
});

test("a proposal of a crop has the kernel's pixels, where the crop lies", () => {
  const place = { image: IMAGE, left: 0, top: 0, ...IMAGE };
  all.forEach(({ mask, box, crop }, k) => {
    const { pixels } = known.proposals[k];
    const bitmap = rasterize(mask, place);
    assert.equal(
      bitmap.inside.reduce((sum, value) => sum + value, 0),
      pixels,
    );
    const bounds = boundsOf(mask, IMAGE);
    assert.ok(bounds && bounds.x0 >= crop.x0 && bounds.x1 <= crop.x1);
    assert.ok(bounds.x0 <= box.x0 && bounds.y0 <= box.y0);
    assert.ok(bounds.x1 >= box.x1 && bounds.y1 >= box.y1);
    // With bounds that are too wide, too.
    const wide = rasterize(mask, place, undefined, { x0: 0, y0: 0, x1: 320, y1: 240 });
    assert.equal(
      wide.inside.reduce((sum, value) => sum + value, 0),
      pixels,
    );
    assert.equal(contains(mask, IMAGE, crop.x0 - 1, box.y0), false);
  });
});

test("what arrives is checked", () => {
  assert.deepEqual(parseProposals(null, []), {
    n: -1,
    job: 0,
    reset: false,
    put: [],
    accepted: [],
    rejected: [],
    likeness: null,
  });
  const [first] = known.proposals;
  const damaged = [
    { ...first, crop: [0, 0, 0, 240] },
    { ...first, box: "all" },
    { ...first, width: 1e9 },
    { ...first, width: 25 },
    { ...first, buffer: 7 },
    { ...first, number: "one" },
    null,
  ];
  const data = Buffer.from(first.data, "base64");
  const put = damaged.map((one) => (one ? { buffer: 0, ...one } : one));
  assert.deepEqual(parseProposals({ put }, [data]).put, []);
  assert.deepEqual(parseProposals({ accepted: [1, "2", null], rejected: 4 }, []).accepted, [1]);
  assert.deepEqual(parseProposals({ likeness: [0.5, 3, null] }, []).likeness, [0.5, 1, 0]);
  assert.equal(parseProposing({}), null);
  assert.equal(parseProposing("x"), null);
  const {
    thresholds,
    examples,
    message: newest,
  } = parseProposing({ job: 1, thresholds: null }) ?? {};
  assert.deepEqual(examples, { count: 0, label: null, minLikeness: 0.5, maxOverlap: 0.3 });
  assert.equal(newest, -1);
  assert.deepEqual(thresholds, {
    minScore: 0,
    minStability: 0,
    minArea: 0,
    maxArea: null,
    maxOverlap: 0.7,
    minLikeness: 0,
  });
});

test("messages add up, and a lost one is noticed", () => {
  const store = createProposals();
  assert.equal(store.resumePoint(), -1);
  store.receive({ ...message(), put: all.slice(0, 5) });
  store.receive({ ...message({ n: 2, reset: false }), put: all.slice(5, 9), rejected: [2] });
  assert.deepEqual(
    store.current().all.map(({ number }) => number),
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
  assert.deepEqual([...store.current().settled], [2]);
  const proposing = parseProposing({ job: 3, message: 2 });
  assert.equal(store.isComplete(proposing), true);
  assert.equal(store.resumePoint(), 2);
  store.receive({ ...message({ n: 4, reset: false }), put: [] });
  assert.equal(store.isComplete(proposing), false);
  assert.equal(store.resumePoint(), -1);
  store.receive({ ...message({ n: 5 }), put: [] });
  assert.equal(store.isComplete(proposing), true);
  assert.equal(store.current().all.length, 0);
});

test("what was accepted is left out at once, and comes back if the kernel did not do it", () => {
  const store = createProposals();
  store.receive(message());
  store.claim([3, 4]);
  assert.deepEqual([...store.current().settled], [3, 4]);
  store.receive({ ...message({ n: 2, reset: false }), put: [], accepted: [3] });
  store.settle();
  assert.deepEqual([...store.current().settled], [3]);
});

test("proposals that follow one another differ in colour", () => {
  const colors = [1, 2, 3, 4, 5, 6].map(proposalColor);
  for (const color of colors) assert.match(color, /^#[0-9a-f]{6}$/);
  assert.equal(new Set(colors).size, 6);
});

test("the sliders for areas reach from nothing to the whole image", () => {
  const whole = 1920 * 1080;
  assert.equal(stepToArea(0, whole), 0);
  assert.equal(stepToArea(100, whole), whole);
  for (const step of [1, 20, 50, 99])
    assert.ok(Math.abs(areaToStep(stepToArea(step, whole), whole) - step) < 3);
  assert.equal(areaToStep(0, whole), 0);
});

test("the list that is shown is filtered anew only when something has changed", () => {
  const shown = createShownProposals();
  const store = createProposals();
  store.receive(message());
  const snapshot = () => /** @type {any} */ ({ proposals: store.current(), proposing: null });
  const first = shown(snapshot(), {});
  assert.equal(shown(snapshot(), {}), first);
  store.claim([first[0].number]);
  assert.deepEqual(shown(snapshot(), {}), first.slice(1));
  assert.ok(shown(snapshot(), { minScore: 0.9 }).length < first.length);
});

test("what is like the examples is shown, as soon as there are any", () => {
  const shown = createShownProposals();
  const store = createProposals();
  store.receive(message());
  const compared = (/** @type {number} */ count) =>
    /** @type {any} */ ({
      proposals: store.current(),
      proposing: parseProposing({ job: 3, examples: { count, label: "cell" } }),
    });
  const every = shown(compared(0), { minLikeness: 0.5 });
  assert.deepEqual(every, shown(compared(2), {}), "without examples the slider hides nothing");
  store.receive({ ...message({ n: 2, reset: false }), put: [], likeness: known.likeness });
  const like = shown(compared(2), { minLikeness: 0.5 });
  assert.ok(like.length && like.length < every.length);
  for (const { number } of like) assert.ok(known.likeness[number - 1] >= 0.5);
  assert.equal(shown(compared(2), { minLikeness: 0.5 }), like);
  store.receive({ ...message({ n: 3, reset: false }), put: [], rejected: [1] });
  assert.deepEqual(store.current().likeness, known.likeness, "null changes nothing");
  store.receive({ ...message({ n: 4, reset: false }), put: [], likeness: [] });
  assert.deepEqual(shown(compared(2), { minLikeness: 0.5 }), []);
  store.receive({ ...message({ n: 5 }), put: all });
  assert.deepEqual(store.current().likeness, []);
});
