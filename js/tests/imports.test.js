/** The direction of imports between the folders of `src`, type imports included. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import test from "node:test";

const SOURCES = new URL("../src/", import.meta.url);

/** Each folder may import from those before it; "" is the entry point. */
const FOLDERS = ["protocol", "dom", "pixels", "state", "kernel", "stage", "input", "ui", "set", ""];

/** @returns {Map<string, string[]>} the modules that each module imports, by their paths in `src` */
function readImports() {
  const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).map((name) =>
    name.replaceAll("\\", "/"),
  );
  const modules = files.filter((name) => /\.js$|\.d\.ts$/.test(name));
  return new Map(modules.map((name) => [name, importsOf(name)]));
}

/** @param {string} module */
function importsOf(module) {
  const source = readFileSync(new URL(module, SOURCES), "utf8");
  const paths = [...source.matchAll(/(?:from |import |import\()"(\.[^"]+)"/g)].map(([, path]) =>
    posix.join(posix.dirname(module), path),
  );
  return [...new Set(paths)];
}

/** @param {string} module */
const folderOf = (module) => posix.dirname(module).replace(/^\.$/, "");

/** @param {Map<string, string[]>} imports @returns {string[]} the first cycle found, as a path that ends where it begins */
function findCycle(imports) {
  /** @type {Set<string>} */
  const finished = new Set();
  /** @param {string} module @param {string[]} path @returns {string[]} */
  const visit = (module, path) => {
    if (path.includes(module)) return [...path.slice(path.indexOf(module)), module];
    if (finished.has(module)) return [];
    for (const next of imports.get(module) ?? []) {
      const cycle = visit(next, [...path, module]);
      if (cycle.length) return cycle;
    }
    finished.add(module);
    return [];
  };
  for (const module of imports.keys()) {
    const cycle = visit(module, []);
    if (cycle.length) return cycle;
  }
  return [];
}

const imports = readImports();

test("every module is in a known folder and imports modules that exist", () => {
  const unknown = [...imports.keys()].filter((module) => !FOLDERS.includes(folderOf(module)));
  const missing = [...imports].flatMap(([module, paths]) =>
    paths.filter((path) => !imports.has(path)).map((path) => `${module} -> ${path}`),
  );
  assert.deepEqual({ unknown, missing }, { unknown: [], missing: [] });
  assert.ok(imports.size > 50);
});

test("imports between folders point one way", () => {
  const rank = (/** @type {string} */ module) => FOLDERS.indexOf(folderOf(module));
  const upward = [...imports].flatMap(([module, paths]) =>
    paths.filter((path) => rank(path) > rank(module)).map((path) => `${module} -> ${path}`),
  );
  assert.deepEqual(upward, []);
});

test("there are no import cycles", () => {
  assert.deepEqual(findCycle(imports), []);
});

test("an import cycle is found, and a module imported twice is not one", () => {
  const cycle = new Map([
    ["a.js", ["b.js", "c.js"]],
    ["b.js", ["c.js"]],
    ["c.js", ["d.js"]],
    ["d.js", ["b.js"]],
  ]);
  assert.deepEqual(findCycle(cycle), ["b.js", "c.js", "d.js", "b.js"]);
  assert.deepEqual(
    findCycle(
      new Map([
        ["a.js", ["b.js", "c.js"]],
        ["b.js", ["c.js"]],
        ["c.js", []],
      ]),
    ),
    [],
  );
});
