import assert from "node:assert/strict";
import { test } from "node:test";
import { newClient, tabOf } from "../src/client.js";

/** @param {Record<string, string>} kept @returns {any} */
const storage = (kept = {}) => ({
  getItem: (/** @type {string} */ key) => kept[key] ?? null,
  setItem: (/** @type {string} */ key, /** @type {string} */ value) => void (kept[key] = value),
});

test("a page that is loaded again is another client in the same tab", () => {
  const tab = storage();
  const [first, second] = [newClient(() => tab), newClient(() => tab)];
  assert.notEqual(first, second);
  assert.equal(tabOf(first), tabOf(second));
  assert.notEqual(tabOf(first), tabOf(newClient(() => storage())));
  assert.match(first, /^[a-z0-9]{8}\.[a-z0-9]{8}$/);
});

test("where nothing can be kept, and where it was spoiled, there is a client all the same", () => {
  const refuse = () => {
    throw new DOMException("refused", "SecurityError");
  };
  assert.match(newClient(refuse), /^[a-z0-9]{8}\.[a-z0-9]{8}$/);
  const spoiled = storage({ "sam2-widget-tab": "a.b\n" });
  assert.match(newClient(() => spoiled), /^[a-z0-9]{8}\.[a-z0-9]{8}$/);
  assert.equal(tabOf("page"), "page");
});
