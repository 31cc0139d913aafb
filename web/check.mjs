// Proves that the committed pages belong to the sources, need nothing inline, and stay small. Run after the build by
// `npm run check`; prints the sizes.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

/** Most bytes, compressed, of what a page loads at its start. */
const START_BYTES_MAX = 80 * 1024;
/** Most bytes, compressed, of what it fetches when a file is imported or a room is told of one. */
const IMPORTS_BYTES_MAX = 18 * 1024;
const IMPORTS = "assets/imports.js";
/** Fetched when first needed, or only when somebody asks: not part of the start. */
const LATER = new Set(["assets/directory.js", IMPORTS, "assets/inflate.js", "assets/kept.js", "licenses.txt"]);

const dist = fileURLToPath(new URL("dist", import.meta.url));
const files = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(dist.length + 1))
  .sort();

const failures = [];
let start = 0;
let imports = 0;
for (const file of files) {
  const bytes = readFileSync(join(dist, file));
  const size = gzipSync(bytes, { level: 9 }).length;
  if (!LATER.has(file)) start += size;
  if (file === IMPORTS) imports = size;
  console.log(`${String(size).padStart(7)}  ${file}${LATER.has(file) ? "  (when first needed)" : ""}`);
  if (file.endsWith(".map")) failures.push(`${file} is a source map`);
  if (/-[A-Za-z0-9_-]{8}\.(js|css)$/.test(file)) failures.push(`${file} has a hash in its name`);
}
console.log(`${String(start).padStart(7)}  at the start, of at most ${START_BYTES_MAX}`);
if (start > START_BYTES_MAX) failures.push("the page has grown too large");
console.log(`${String(imports).padStart(7)}  for imports, of at most ${IMPORTS_BYTES_MAX}`);
if (imports === 0) failures.push(`${IMPORTS} is missing: imports are part of the start`);
if (imports > IMPORTS_BYTES_MAX) failures.push("the part of the page that imports files has grown too large");

const html = readFileSync(join(dist, "index.html"), "utf8");
if (/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/i.test(html)) failures.push("index.html needs something inline");
const code = readFileSync(join(dist, "assets/chat.js"), "utf8");
if (/\beval\(|new Function\(/.test(code)) failures.push("the code makes code from text");

const changed = execFileSync("git", ["status", "--porcelain", "--", "dist"], { cwd: fileURLToPath(new URL(".", import.meta.url)), encoding: "utf8" });
if (changed !== "") failures.push(`web/dist does not belong to the sources: build it and commit it\n${changed}`);

for (const failure of failures) console.error(`FAILED  ${failure}`);
process.exitCode = failures.length > 0 ? 1 : 0;
