// A program of our own: started in a folder of its own, ready when it says so, ended with the comparison.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../wait.mjs";

const START_MS = 20_000;
const LOG_CHARS_MAX = 20_000;

/** Starts a program; `args(folder)` gives its arguments. Resolves to what `ready` found in its output, and to its end. */
export async function start(command, args, ready) {
  const folder = mkdtempSync(join(tmpdir(), "rialto-comparison-"));
  const child = spawn(command, args(folder), { stdio: ["ignore", "pipe", "pipe"] });
  const orphaned = () => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", orphaned);
  let log = "";
  for (const output of [child.stdout, child.stderr]) output.setEncoding("utf8").on("data", (text) => (log = (log + text).slice(-LOG_CHARS_MAX)));
  let over = false;
  const ended = once(child, "exit")
    .catch((error) => (log += error.message))
    .finally(() => (over = true));
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
    process.off("exit", orphaned);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await until(`${command} is ready`, () => ready.test(log) || over, START_MS);
    if (over) throw new Error(`${command} ended before it was ready`);
  } catch (error) {
    await stop();
    throw new Error(`${error.message}\n${log}`);
  }
  return { found: ready.exec(log), stop };
}
