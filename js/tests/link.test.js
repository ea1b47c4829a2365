import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../src/link.js";

/** A model that keeps what would cross the comm, in order. */
function fakeModel() {
  /** @type {any[]} */
  const crossed = [];
  /** @type {Record<string, unknown>} */
  let changes = {};
  return {
    crossed,
    get: () => undefined,
    set: (/** @type {string} */ name, /** @type {unknown} */ value) => (changes[name] = value),
    save_changes() {
      crossed.push({ trait: changes });
      changes = {};
    },
    send: (/** @type {unknown} */ message) => crossed.push({ message }),
    on() {},
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
