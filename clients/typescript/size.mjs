// Says how many bytes the client is for browsers, compressed, with all that it brings along: a session alone, and everything.

import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const web = fileURLToPath(new URL("dist/web.js", import.meta.url));
/** Most bytes of everything. */
const WHOLE_BYTES_MAX = 45_000;
const ENTRY = "\0entry";

/** Bytes of a page that has nothing but this. */
async function bytesOf(code) {
  const only = { name: "only", resolveId: (id) => (id === ENTRY ? id : undefined), load: (id) => (id === ENTRY ? code : undefined) };
  const options = { write: false, modulePreload: false, rollupOptions: { input: ENTRY, output: { codeSplitting: false } } };
  const { output } = [await build({ configFile: false, logLevel: "error", plugins: [only], build: options })].flat()[0];
  return gzipSync(output[0].code, { level: 9 }).length;
}

const from = `from ${JSON.stringify(web)}`;
const session = await bytesOf(`import { open } ${from}; globalThis.open = open;`);
const all = await bytesOf(`import * as all ${from}; globalThis.all = all;`);
if (all > WHOLE_BYTES_MAX) {
  console.error(`the whole client has grown beyond ${WHOLE_BYTES_MAX.toLocaleString("en")} bytes`);
  process.exitCode = 1;
}
console.log(`compressed, a session alone is ${session.toLocaleString("en")} bytes, the whole client ${all.toLocaleString("en")}`);
