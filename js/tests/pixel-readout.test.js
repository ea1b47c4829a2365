import assert from "node:assert/strict";
import { test } from "node:test";

import { createPixelReadout } from "../src/stage/pixel-readout.js";

/** @type {any} */
const newStore = () => ({
  asked: 0,
  client: "me",
  snapshot: () => ({ plane: 0 }),
  request() {
    return { n: ++this.asked, cancel() {} };
  },
});

test("while something is drawn the position follows the pointer, and nothing is requested", async () => {
  const { signal } = new AbortController();
  const store = newStore();
  const probe = createPixelReadout({ store, changed() {}, signal });
  probe.follow({ x: 10.4, y: 20.9 });
  assert.deepEqual(probe.readout(), { x: 10, y: 20, plane: 0, values: null });
  probe.follow({ x: 11.2, y: 20.9 });
  assert.equal(probe.readout()?.x, 11);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(store.asked, 0);
  probe.follow(null);
  assert.equal(probe.readout(), null);
});
