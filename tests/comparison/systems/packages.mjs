// Where the packages of the compared systems are: `tests/tools/install comparison` puts them into .tools/comparison.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../../../.tools/comparison/", import.meta.url));

/** Loads an installed package. */
export function load(name) {
  if (!existsSync(`${folder}node_modules`)) throw new Error("the packages of the comparison are missing: tests/tools/install comparison");
  return createRequire(folder)(name);
}

/** The version of an installed package. */
export function version(name) {
  return createRequire(folder)(`${folder}node_modules/${name}/package.json`).version;
}
