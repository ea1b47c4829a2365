import assert from "node:assert/strict";
import { test } from "node:test";
import { newPageId, tabOf } from "../src/state/page-id.js";

/** @param {Record<string, string>} stored @returns {any} */
const storage = (stored = {}) => ({
  getItem: (/** @type {string} */ key) => stored[key] ?? null,
  setItem: (/** @type {string} */ key, /** @type {string} */ value) => void (stored[key] = value),
});

test("a reloaded page has another id with the same tab", () => {
  const tab = storage();
  const [first, second] = [newPageId(() => tab), newPageId(() => tab)];
  assert.notEqual(first, second);
  assert.equal(tabOf(first), tabOf(second));
  assert.notEqual(tabOf(first), tabOf(newPageId(() => storage())));
  assert.match(first, /^[a-z0-9]{8}\.[a-z0-9]{8}$/);
});

test("without storage, or with a damaged entry, there is an id all the same", () => {
  const refuse = () => {
    throw new DOMException("refused", "SecurityError");
  };
  assert.match(newPageId(refuse), /^[a-z0-9]{8}\.[a-z0-9]{8}$/);
  const spoiled = storage({ "sam2-widget-tab": "a.b\n" });
  assert.match(
    newPageId(() => spoiled),
    /^[a-z0-9]{8}\.[a-z0-9]{8}$/,
  );
  assert.equal(tabOf("page"), "page");
});
