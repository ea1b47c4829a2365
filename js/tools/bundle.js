/**
 * Bundles the front end into the Python package: `--outdir=…` another folder. `tools/watch.js` makes the
 * same bundles for development.
 */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const LICENSES =
  "/*! Contains fflate, (c) 2026 Arjun Barrett, and TanStack Virtual, (c) 2021-present Tanner Linsley, MIT License; d3, (c) 2010-2021 Mike Bostock, and Lucide, (c) Lucide Icons and Contributors, ISC License */";

/**
 * Puts the common rules of `base.css` under the class of the style sheet that imports them. A page has
 * several style sheets, in any order: under a common class the rules of one would override the other's.
 *
 * @type {esbuild.Plugin}
 */
const scopedBase = {
  name: "scoped-base",
  setup(build) {
    build.onResolve({ filter: /base\.css$/ }, ({ path, importer, resolveDir }) => ({
      path: fileURLToPath(new URL(path, `file://${resolveDir}/`)),
      suffix: `?${basename(importer, ".css")}`,
    }));
    build.onLoad({ filter: /base\.css$/ }, async ({ path, suffix }) => {
      const text = await readFile(path, "utf8");
      return {
        contents: text.replaceAll(".sam2-ui", `.sam2-${suffix.slice(1)}`),
        loader: "css",
        watchFiles: [path],
      };
    });
  },
};

/** @type {esbuild.BuildOptions} */
export const OPTIONS = {
  absWorkingDir: fileURLToPath(new URL("..", import.meta.url)),
  entryPoints: ["src/widget.js", "src/widget.css", "src/set.js", "src/set.css"],
  bundle: true,
  alias: {
    "d3-transition": "./src/stage/no-animation.js",
    "d3-interpolate": "./src/stage/no-animation.js",
  },
  plugins: [scopedBase],
  format: "esm",
  target: "es2022",
  charset: "utf8",
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const given = process.argv.find((argument) => argument.startsWith("--outdir="));
  await esbuild.build({
    ...OPTIONS,
    minify: true,
    banner: { js: LICENSES },
    legalComments: "none",
    logLevel: "warning",
    outdir: given?.slice("--outdir=".length) ?? "../sam2_widget/static",
  });
}
