import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { rasterize } from "../src/pixels/mask.js";
import { newKeyedData, parseWholeMask } from "../src/kernel/wire-masks.js";

/** Written by tests/python/test_same_pixels.py with the kernel's own pixels. */
const known = JSON.parse(readFileSync(new URL("data/same-pixels.json", import.meta.url), "utf8"));

/** @param {any} mask @param {import("../src/pixels/geometry.js").Placement} placement @param {number} width @param {number} height */
function painted(mask, placement, width, height) {
  const pixels = new Uint8Array(width * height);
  const bitmap = rasterize(mask, placement, { x0: 0, y0: 0, x1: width, y1: height });
  for (let y = 0; y < bitmap.height; y++) {
    pixels.set(
      bitmap.inside.subarray(y * bitmap.width, (y + 1) * bitmap.width),
      (bitmap.y + y) * width + bitmap.x,
    );
  }
  return pixels;
}

/** Placements of the image on a canvas of 300 x 200, in shares of it: whole, zoomed in, at the side, far in. */
const VIEWS = [
  { left: 0, top: 0, width: 300, height: 200 },
  { left: -211, top: -97, width: 777.7, height: 518.3 },
  { left: 40, top: -13, width: 151.4, height: 333 },
  { left: -9000, top: -6100, width: 18_000, height: 12_000 },
];

for (const [at, { width, height, data, images }] of known.entries()) {
  const mask = parseWholeMask(
    /** @type {{}} */ ({
      kind: "logits",
      width,
      height,
      data: Uint8Array.from(Buffer.from(data, "base64")),
    }),
    newKeyedData(),
  );

  test(`mask ${at}: every pixel is the kernel's, in images of any size and at any zoom`, () => {
    for (const { width: w, height: h, area, sha256 } of images) {
      const image = { width: w, height: h };
      const pixels = painted(mask, { image, left: 0, top: 0, width: w, height: h }, w, h);
      assert.equal(
        pixels.reduce((sum, each) => sum + each, 0),
        area,
        `${w} x ${h}`,
      );
      assert.equal(createHash("sha256").update(pixels).digest("hex"), sha256, `${w} x ${h}`);
      for (const view of VIEWS) {
        const shown = painted(mask, { image, ...view }, 300, 200);
        for (let y = 0, k = 0; y < 200; y++) {
          const row = Math.floor(((y + 0.5 - view.top) * h) / view.height);
          for (let x = 0; x < 300; x++, k++) {
            const column = Math.floor(((x + 0.5 - view.left) * w) / view.width);
            const inside = column >= 0 && row >= 0 && column < w && row < h;
            if (shown[k] !== (inside ? pixels[row * w + column] : 0))
              assert.fail(`${w} x ${h} at ${x}, ${y} of ${JSON.stringify(view)}`);
          }
        }
      }
    }
  });
}
