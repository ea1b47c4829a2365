/** Zooming by events, as bundled: with `no-animation` in place of d3's animations. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as esbuild from "esbuild";
import { OPTIONS } from "../tools/bundle.js";

const FOLDER = fileURLToPath(new URL("..", import.meta.url));
const { scripts } = JSON.parse(readFileSync(`${FOLDER}/package.json`, "utf8"));

/** @param {string} script @returns {Record<string, string>} the modules that are replaced */
const aliasesOf = (script) =>
  Object.fromEntries(
    [...script.matchAll(/--alias:(\S+)=(\S+)/g)].map(([, from, to]) => [from, to]),
  );

const SCENE = {
  image: { width: 1600, height: 1000 },
  fit: { width: 800, height: 500 },
  viewport: { width: 800, height: 500 },
};

/** An element of the size of the scene, with what d3 and the zoom ask of it. */
class FakeCanvas extends EventTarget {
  offsetWidth = 800;
  clientLeft = 0;
  clientTop = 0;
  style = { setProperty() {}, removeProperty() {} };
  getBoundingClientRect = () => ({ left: 0, top: 0, width: 800, height: 500 });
  closest = () => null;
}

/** What an event of a mouse has besides its type. */
class FakeEvent extends Event {
  /** @param {string} type @param {object} properties */
  constructor(type, properties) {
    super(type, { bubbles: true, cancelable: true });
    Object.assign(this, {
      button: 0,
      clientX: 400,
      clientY: 250,
      ctrlKey: false,
      deltaMode: 0,
      deltaY: 0,
      metaKey: false,
      ...properties,
    });
  }
}

/** @type {typeof import("../src/stage/zoom.js").createZoom} */
let createZoom;
/** @type {esbuild.Metafile} */
let metafile;

before(async () => {
  const bundle = join(mkdtempSync(join(tmpdir(), "sam2-widget-")), "zoom.mjs");
  after(() => rmSync(dirname(bundle), { recursive: true }));
  const result = await esbuild.build({
    absWorkingDir: FOLDER,
    entryPoints: ["src/stage/zoom.js"],
    outfile: bundle,
    alias: OPTIONS.alias,
    bundle: true,
    format: "esm",
    metafile: true,
  });
  metafile = result.metafile;
  Object.assign(globalThis, { devicePixelRatio: 1 });
  Object.defineProperty(globalThis, "navigator", { value: { maxTouchPoints: 0 } });
  ({ createZoom } = await import(pathToFileURL(bundle).href));
});

/** A zoom on an element of its own. @param {import("node:test").TestContext} context */
function begin(context) {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const canvas = new FakeCanvas();
  const controller = new AbortController();
  context.after(() => controller.abort());
  const seen = { changes: 0 };
  const zoom = createZoom(/** @type {any} */ (canvas), {
    mayPan: () => true,
    penDown: () => false,
    persistent: { zoom: null },
    changed: () => seen.changes++,
    signal: controller.signal,
  });
  zoom.setScene(SCENE);
  const left = () => zoom.placement(SCENE.viewport).left;
  /** @param {string} type @param {object} [properties] */
  const send = (type, properties = {}) => canvas.dispatchEvent(new FakeEvent(type, properties));
  return { zoom, send, left, seen, timers: context.mock.timers };
}

test("d3's animations are not in the bundle, nor in those for development", () => {
  const inputs = Object.keys(metafile.inputs).join("\n");
  assert.doesNotMatch(inputs, /d3-(transition|interpolate|color|ease|timer)/);
  assert.deepEqual(aliasesOf(scripts.dev), OPTIONS.alias);
});

test("the wheel zooms about the pointer, and on during the same turn", (context) => {
  const { zoom, send, left, timers } = begin(context);
  const turn = { deltaY: -500, ctrlKey: true, clientX: 0 };
  send("wheel", turn);
  assert.equal(zoom.scale(), 2);
  assert.equal(left(), 0);
  send("wheel", turn);
  assert.equal(zoom.scale(), 4);
  timers.tick(1000);
  send("wheel", { ...turn, deltaY: 500 });
  assert.equal(zoom.scale(), 2);
});

test("a double click does not zoom, because it is two prompts", (context) => {
  const { zoom, send, seen } = begin(context);
  const before = seen.changes;
  send("dblclick");
  assert.deepEqual([zoom.scale(), seen.changes], [1, before]);
});

test("keys and buttons zoom about the middle and pan at once, not animated", (context) => {
  const { zoom, left } = begin(context);
  zoom.zoomBy(2);
  assert.deepEqual([zoom.scale(), left()], [2, -400]);
  zoom.panBy(100, 0);
  assert.equal(left(), -300);
  zoom.actualSize();
  assert.equal(zoom.scale(), 2);
  zoom.fit();
  assert.deepEqual([zoom.scale(), left()], [1, 0]);
});

test("fitting the image interrupts a turn of the wheel", (context) => {
  const { zoom, send, left, timers } = begin(context);
  send("wheel", { deltaY: -500, ctrlKey: true });
  zoom.fit();
  assert.deepEqual([zoom.scale(), left()], [1, 0]);
  timers.tick(1000);
  assert.equal(zoom.scale(), 1);
  zoom.zoomBy(4);
  assert.equal(zoom.scale(), 4);
});

test("a drag pans, after which the wheel zooms again", (context) => {
  const { zoom, send, left } = begin(context);
  zoom.zoomBy(2);
  const view = Object.assign(new EventTarget(), {
    document: { documentElement: { style: {} } },
  });
  send("mousedown", { view });
  view.dispatchEvent(new FakeEvent("mousemove", { view, clientX: 430 }));
  assert.equal(left(), -370);
  view.dispatchEvent(new FakeEvent("mouseup", { view, clientX: 430 }));
  send("wheel", { deltaY: -500, ctrlKey: true });
  assert.equal(zoom.scale(), 4);
});
