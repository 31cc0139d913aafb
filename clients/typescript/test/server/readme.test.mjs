// The examples of the README and of the page about this client run as they stand there.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import { url } from "./shapes.mjs";

/** The programs of a text, as arguments of Node. */
function programs(file) {
  const text = readFileSync(new URL(file, import.meta.url), "utf8");
  return [...text.matchAll(/```js\n([^]*?)```/g)].map(([, code]) => {
    assert.ok(code.includes("http://127.0.0.1:7400"));
    return ["--input-type=module", "-e", code.replace("http://127.0.0.1:7400", url)];
  });
}

const examples = programs("../../README.md");
const page = programs("../../../../docs/clients/typescript.md");
const options = { cwd: new URL(".", import.meta.url), timeout: 20_000 };
const run = async (example) => (await promisify(execFile)(process.execPath, example, options)).stdout;

test("the example of a session runs", async () => {
  assert.match(await run(examples[0]), /^heard by \d+, \d+ here\n$/);
});

test("the programs of the page run", async () => {
  const told = ["true\n", "ann: hi\nbob says yes, 2 here\n", "completed: sent to ann\n", "refused NAME_INVALID never false\n", "attached\n"];
  assert.deepEqual(await Promise.all(page.map(run)), told);
});

test("the examples of batches, chains and schedules run", async () => {
  const [, , , batch, schedule] = examples;
  assert.equal(await run(batch), "a book of 2 pages, to ann\n");
  assert.match(await run(schedule), /^nightly@20\d\d-\d\d-\d\dT0[01]:00:00.000Z\n$/);
});

test("the example of a large payload runs", async () => {
  assert.match(await run(examples[5]), /^(\d+ %\n){3}100 %\n100000 lines\n$/);
});

test("the examples of handing work over and of doing it run, and the worker stops when it is told to", async (t) => {
  const [, producer, worker] = examples;
  const working = spawn(process.execPath, worker, { ...options, stdio: ["ignore", "inherit", "inherit"] });
  t.after(() => working.kill("SIGKILL"));
  const ended = once(working, "exit");
  assert.match(await run(producer), /^(waiting|running|completed) (.*\n)+completed: sent to ann\n$/);
  working.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null]);
});
