import assert from "node:assert/strict";
import { test } from "node:test";

import { filterOf } from "../src/stage/adjusted-picture.js";

test("brightness scales, contrast spreads, and neither needs a filter when it is 0", () => {
  assert.equal(filterOf({ brightness: 0, contrast: 0 }), "none");
  assert.equal(filterOf({ brightness: 0.5, contrast: 0 }), "brightness(1.5) contrast(1)");
  assert.equal(filterOf({ brightness: -1, contrast: 0 }), "brightness(0) contrast(1)");
  assert.equal(filterOf({ brightness: 0, contrast: -0.5 }), "brightness(1) contrast(0.5)");
  assert.equal(filterOf({ brightness: 1, contrast: 1 }), "brightness(2) contrast(4)");
});
