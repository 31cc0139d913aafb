// Loads a TypeScript source of the page into a test: the bundler's own transform takes the types away.

import { readFileSync } from "node:fs";
import { transformWithOxc } from "vite";

/** The exports of `src/<path>`, which imports nothing. */
export async function load(path) {
  const url = new URL(`../src/${path}`, import.meta.url);
  const { code } = await transformWithOxc(readFileSync(url, "utf8"), url.pathname);
  return import(`data:text/javascript,${encodeURIComponent(code)}`);
}
