// A redis-server of our own: a free port on loopback, nothing written to disk.

import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import * as program from "./program.mjs";

/** The version of the installed server; a clear sentence when there is none. */
export function version() {
  const { status, stdout } = spawnSync("redis-server", ["--version"], { encoding: "utf8" });
  if (status !== 0) throw new Error("redis-server is needed: tests/tools/install comparison, or install it and put it on the PATH");
  return /v=([\d.]+)/.exec(stdout)[1];
}

/** Starts one: `{ url, stop }`. */
export async function start() {
  const port = await freePort();
  const args = (folder) => ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder];
  const { stop } = await program.start("redis-server", args, /Ready to accept connections/);
  return { url: `redis://127.0.0.1:${port}`, stop };
}

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}
