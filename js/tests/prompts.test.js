import assert from "node:assert/strict";
import { test } from "node:test";

import {
  choiceOf,
  findPrompt,
  sameForModel,
  withoutPrompt,
  withPrompt,
  withPromptAt,
} from "../src/state/prompts.js";
import { toWire } from "../src/state/actions.js";

/** @typedef {import("../src/state/prompts.js").Prompt} Prompt */

/** @param {number} x @returns {Prompt} */
const point = (x) => ({ type: "point", x, y: 0, label: 1 });
/** @param {number} index @returns {Prompt} */
const choice = (index) => ({ type: "choice", index });
/** @param {string | null} key @returns {Prompt} */
const stroke = (key) => ({ type: "stroke", key, points: [[1, 2]], radius: 3, label: 0 });
/** @type {Prompt} */
const box = { type: "box", x0: 0, y0: 0, x1: 1, y1: 1 };

test("a choice follows the prompts that it is about, before the strokes, and replaces an earlier choice", () => {
  const chosen = withPrompt([point(1), stroke("a")], choice(2));
  assert.deepEqual(chosen, [point(1), choice(2), stroke("a")]);
  assert.deepEqual(withPrompt(chosen, choice(0)), [point(1), choice(0), stroke("a")]);
  assert.deepEqual(withPrompt([point(1), choice(2), point(2)], choice(1)), [
    point(1),
    choice(2),
    point(2),
    choice(1),
  ]);
  assert.deepEqual(
    withPrompt([stroke("a")], choice(1)),
    [stroke("a")],
    "there is nothing to choose",
  );
});

test("a new box is the last prompt, and voids choices made after the old one", () => {
  assert.deepEqual(withPrompt([point(1), choice(1), box, choice(2), stroke("a")], box), [
    point(1),
    choice(1),
    stroke("a"),
    box,
  ]);
});

test("removing or moving a prompt voids later choices, and nothing else", () => {
  const all = [point(1), choice(1), point(2), choice(2), stroke("a")];
  assert.deepEqual(withoutPrompt(all, 0), [point(2), stroke("a")]);
  assert.deepEqual(withoutPrompt(all, 4), all.slice(0, 4));
  assert.deepEqual(withPromptAt(all, 2, point(9)), [point(1), choice(1), point(9), stroke("a")]);
  assert.equal(withPromptAt(all, 7, point(9)), all);
});

test("the newest choice is found, and whether the model gets the same input", () => {
  const first = point(1);
  assert.equal(choiceOf([first, choice(2), stroke("a")]), 2);
  assert.equal(choiceOf([first, choice(2), point(2)]), null);
  assert.ok(sameForModel([first, choice(1)], [first, stroke("a")]));
  assert.ok(!sameForModel([first], [first, point(2)]));
});

test("equal prompts are found again by their content", () => {
  assert.ok(sameForModel([point(1), box], [{ ...point(1) }, { ...box }]));
  assert.ok(
    !sameForModel([point(1)], [/** @type {Prompt} */ ({ type: "point", x: 1, y: 0, label: 0 })]),
  );
  assert.equal(findPrompt([point(1), point(2)], point(2), 0), 1);
  assert.equal(
    findPrompt([point(2), point(2)], point(2), 1),
    1,
    "of equal prompts the one at the same index",
  );
  assert.equal(findPrompt([point(1)], point(2), 0), -1);
  assert.equal(
    findPrompt(
      [point(1), /** @type {Prompt} */ ({ ...stroke("a"), points: null })],
      stroke(null),
      1,
    ),
    1,
    "the kernel has given it a key",
  );
  assert.equal(findPrompt([stroke("b")], stroke("a"), 0), -1);
});

test("prompts that the kernel has are sent as keys", () => {
  assert.deepEqual([stroke("a"), { type: /** @type {const} */ ("mask"), key: "m" }].map(toWire), [
    { type: "known", key: "a" },
    { type: "known", key: "m" },
  ]);
  assert.deepEqual(toWire(stroke(null)), { type: "stroke", points: [[1, 2]], radius: 3, label: 0 });
  assert.deepEqual(toWire(point(1)), point(1));
});
