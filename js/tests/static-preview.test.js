import assert from "node:assert/strict";
import { test } from "node:test";

import { isStaticPage } from "../src/ui/static-preview.js";

test("a page without a kernel is recognised by a widget manager without comms", async () => {
  assert.equal(await isStaticPage({ widget_manager: { _get_comm_info: async () => ({}) } }), true);
});

test("pages with a kernel are not static, whatever their widget manager provides", async () => {
  const failing = () => Promise.reject(new Error("not here"));
  const throwing = () => {
    throw new Error("not here");
  };
  for (const manager of [
    undefined,
    {},
    { kernel: {}, _get_comm_info: async () => ({}) },
    { _get_comm_info: async () => ({ abc: {} }) },
    { _get_comm_info: failing },
    { _get_comm_info: throwing },
  ]) {
    assert.equal(await isStaticPage({ widget_manager: manager }), false);
  }
});
