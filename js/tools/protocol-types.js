/**
 * Makes the front end's types of the protocol of its JSON schema, which the Python definitions make:
 * `npm run types`. With `--check` it only compares, and fails when the file is out of date.
 */
import { readFile, writeFile } from "node:fs/promises";
import { compileFromFile } from "json-schema-to-typescript";

const SCHEMA = new URL("../src/protocol/schema.json", import.meta.url).pathname;
const TYPES = new URL("../src/protocol/messages.d.ts", import.meta.url);

const BANNER = `/**
 * The messages and traits between kernel and page. Made of the Python definitions by
 * \`python -m sam2_widget.comm.protocol_docs\` and \`npm run types\`; do not edit.
 */

/** Binary data as the hosts deliver it. */
export type Binary = DataView | Uint8Array | ArrayBuffer | number[];
`;

const types = await compileFromFile(SCHEMA, {
  additionalProperties: false,
  bannerComment: BANNER,
  ignoreMinAndMaxItems: true,
  style: { printWidth: 100 },
});

if (!process.argv.includes("--check")) await writeFile(TYPES, types);
else if ((await readFile(TYPES, "utf8")) !== types) {
  console.error("js/src/protocol/messages.d.ts is out of date: run npm run types");
  process.exitCode = 1;
}
