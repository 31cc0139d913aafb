// The example of the README runs as it stands there.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import { url } from "./shapes.mjs";

test("the example of the README runs", async () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const [, code] = /```js\n([^]*?)```/.exec(readme) ?? assert.fail("there is no example");
  assert.ok(code.includes("http://127.0.0.1:7400"));
  const example = code.replace("http://127.0.0.1:7400", url);
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", example], {
    cwd: new URL(".", import.meta.url),
    timeout: 20_000,
  });
  assert.match(stdout, /^heard by \d+, \d+ here\n$/);
});
