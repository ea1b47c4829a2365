/**
 * Bundles the front end for `make dev` into js/build, readable and with source maps, and again
 * whenever a source changes. `--once` bundles and stops.
 */
import * as esbuild from "esbuild";
import { OPTIONS } from "./bundle.js";

const context = await esbuild.context({
  ...OPTIONS,
  outdir: "build",
  // Within the file: the page gets the text of the module and no address to look for a map.
  sourcemap: "inline",
  logLevel: "info",
});
if (process.argv.includes("--once")) {
  await context.rebuild();
  await context.dispose();
} else {
  await context.watch();
}
