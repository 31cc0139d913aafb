// Which versions are measured: what the lock files and manifests say that were installed from.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A path in this repository. */
export function path(inside) {
  return fileURLToPath(new URL(`../../${inside}`, import.meta.url));
}

/** Of a package that npm has installed below a folder. */
export function npmVersion(folder, name) {
  return JSON.parse(readFileSync(path(`${folder}/node_modules/${name}/package.json`), "utf8")).version;
}

/** Of a crate that has one version in the lock file. */
export function crateVersion(name) {
  return found("Cargo.lock", `name = "${name}"\nversion = "([^"]+)"`);
}

/** Of a Go module. */
export function moduleVersion(name) {
  return found("tests/receivers/go/go.mod", `${name} v(\\S+)`);
}

/** Of a Python package. */
export function pythonVersion(name) {
  return found("tests/receivers/python/requirements.txt", `^${name}==(\\S+)`);
}

/** Of a Java artifact. */
export function artifactVersion(name) {
  return found("tests/receivers/java/pom.xml", `<artifactId>${name}</artifactId>\\s*<version>([^<]+)`);
}

function found(file, pattern) {
  const match = new RegExp(pattern, "m").exec(readFileSync(path(file), "utf8"));
  if (match === null) throw new Error(`${file} does not name ${pattern}`);
  return match[1];
}
