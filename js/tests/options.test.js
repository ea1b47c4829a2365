import assert from "node:assert/strict";
import { test } from "node:test";

import { brushRadius, DEFAULT_OPTIONS, OPTION_NAMES, parseOption } from "../src/options.js";

test("what is no option is the default", () => {
  for (const name of OPTION_NAMES) {
    for (const value of [undefined, null, NaN, Infinity, "x", {}, -7, [1]]) {
      assert.deepEqual(parseOption(name, value), DEFAULT_OPTIONS[name], `${name} ${value}`);
    }
  }
});

test("what is one is taken", () => {
  assert.equal(parseOption("tool", "eraser"), "eraser");
  assert.equal(parseOption("opacity", 0), 0);
  assert.equal(parseOption("maskStyle", "contour"), "contour");
  assert.equal(parseOption("height", 700), 700);
  assert.equal(parseOption("brightness", -1), -1);
  assert.equal(parseOption("hoverPreview", true), true);
});

test("a brush without a size is a share of the image, never nothing", () => {
  assert.equal(brushRadius(30, { width: 10, height: 10 }), 15);
  assert.equal(brushRadius(0, { width: 1000, height: 500 }), 20);
  assert.equal(brushRadius(0, { width: 5, height: 5 }), 0.5);
});
