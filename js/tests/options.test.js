import assert from "node:assert/strict";
import { test } from "node:test";

import { brushRadius, DEFAULT_OPTIONS, OPTION_NAMES, parseOption } from "../src/state/options.js";

test("an invalid option becomes the default", () => {
  for (const name of OPTION_NAMES) {
    for (const value of [undefined, null, NaN, Infinity, "x", {}, -7, [1]]) {
      assert.deepEqual(parseOption(name, value), DEFAULT_OPTIONS[name], `${name} ${value}`);
    }
  }
});

test("a valid option is accepted", () => {
  assert.equal(parseOption("tool", "eraser"), "eraser");
  assert.equal(parseOption("opacity", 0), 0);
  assert.equal(parseOption("maskStyle", "contour"), "contour");
  assert.equal(parseOption("height", 700), 700);
  assert.equal(parseOption("brightness", -1), -1);
  assert.equal(parseOption("hoverPreview", true), true);
});

test("an automatic brush suits the view and is never empty", () => {
  assert.equal(brushRadius(30, 10), 15);
  assert.equal(brushRadius(0, 10), 120, "8000 pixels in a window of 800");
  assert.equal(brushRadius(0, 1), 12, "zoomed in");
  assert.equal(brushRadius(0, 0.01), 0.5);
  assert.equal(brushRadius(0.001, 1), 0.05);
});
