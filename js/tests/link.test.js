import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../src/link.js";

/** A model that keeps what would cross the comm, in order. */
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
    on: (/** @type {string} */ event, /** @type {() => void} */ handler) => void handlers.set(event, handler),
    off() {},
  };
}

test("every edit writes a trait after it has left: a reactive host runs its cells for traits only", () => {
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

test("options are written once they rest; what Python sets meanwhile is newer", async () => {
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
