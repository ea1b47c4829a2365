import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../src/kernel/link.js";

/** A model that records what would cross the comm, in order. */
function fakeModel() {
  /** @type {any[]} */
  const crossed = [];
  /** @type {Record<string, unknown>} */
  let changes = {};
  /** @type {Map<string, () => void>} */
  const handlers = new Map();
  return {
    crossed,
    /** @type {(value?: unknown) => void} called after each save */
    saved() {},
    fire: (/** @type {string} */ event) => handlers.get(event)?.(),
    get: (/** @type {string} */ _name) => /** @type {unknown} */ (undefined),
    set: (/** @type {string} */ name, /** @type {unknown} */ value) => (changes[name] = value),
    save_changes() {
      crossed.push({ trait: changes });
      changes = {};
      this.saved();
    },
    send: (/** @type {unknown} */ message) => crossed.push({ message }),
    on: (/** @type {string} */ event, /** @type {() => void} */ handler) =>
      void handlers.set(event, handler),
    off() {},
  };
}

test("every action also writes a trait: a reactive host runs its cells for traits only", () => {
  const model = fakeModel();
  const ending = new AbortController();
  const store = connect(/** @type {any} */ (model), ending.signal);
  assert.deepEqual(model.crossed.splice(0), [{ message: { type: "hello" } }]);

  store.addPrompt({ type: "point", x: 1, y: 2, label: 1 });
  const [click, ...more] = model.crossed.splice(0);
  assert.equal(click.trait._prompts.rid.n, 1);
  assert.deepEqual(more, []);

  store.act("commit");
  const [commit, sign] = model.crossed.splice(0);
  assert.equal(commit.message.type, "commit");
  assert.deepEqual(sign, { trait: { _acted: commit.message.rid } });
  ending.abort();
});

test("options are written when they stop changing, unless Python sets them meanwhile", async () => {
  const model = fakeModel();
  const ending = new AbortController();
  const store = connect(/** @type {any} */ (model), ending.signal);
  model.crossed.length = 0;
  for (const opacity of [0.1, 0.2, 0.3]) store.setOption("opacity", opacity);
  store.setOption("maskStyle", "contour");
  store.setOption("height", 200);
  assert.deepEqual(model.crossed, []);
  assert.equal(store.snapshot().options.opacity, 0.3);
  model.get = (/** @type {string} */ name) => (name === "height" ? 300 : undefined);
  model.fire("change:height");
  assert.equal(store.snapshot().options.height, 300);
  await new Promise((resolve) => (model.saved = resolve));
  assert.deepEqual(model.crossed, [{ trait: { opacity: 0.3, mask_style: "contour" } }]);
  assert.equal(store.snapshot().options.height, 300);
  ending.abort();
});

test("the page has the ids of categories, also of those added later", () => {
  const model = fakeModel();
  const ending = new AbortController();
  let categories = [{ id: 17, name: "cat" }];
  model.get = (name) => (name === "_categories" ? categories : undefined);
  const store = connect(/** @type {any} */ (model), ending.signal);
  assert.deepEqual(store.snapshot().categories, [{ id: 17, name: "cat" }]);
  categories = [...categories, { id: 18, name: "dog" }];
  model.fire("change:_categories");
  assert.deepEqual(store.snapshot().categories, categories);
  ending.abort();
});
