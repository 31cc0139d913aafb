// A real nats-server in a process of its own, on ports of its own, that keeps streams and syncs before it acknowledges. Owns
// the process and its folder, and nothing else.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./until.mjs";

const PROGRAM = fileURLToPath(new URL("../../../.tools/bin/nats-server", import.meta.url));

/** Why there can be no cluster; empty when there can. */
export function missing() {
  return existsSync(PROGRAM) ? "" : ".tools/bin/nats-server is missing: run `make test` once, or tests/tools/install go";
}

/** A nats-server. */
export class Nats {
  #child;
  #folder = mkdtempSync(join(tmpdir(), "rialto-nats-"));
  /** Where nodes reach it. */
  url = "";
  /** Where it tells about itself. */
  monitor = "";

  /** Starts one. */
  static async start() {
    const why = missing();
    if (why !== "") throw new Error(why);
    const nats = new Nats();
    try {
      await nats.#start();
    } catch (error) {
      await nats.stop();
      throw error;
    }
    return nats;
  }

  async #start() {
    const config = join(this.#folder, "nats.conf");
    writeFileSync(config, `jetstream { sync_interval: always, store_dir: ${JSON.stringify(join(this.#folder, "store"))} }`);
    const places = ["--ports_file_dir", this.#folder, "--log", join(this.#folder, "nats.log"), "--config", config];
    this.#child = spawn(PROGRAM, ["--addr", "127.0.0.1", "--port", "-1", "--http_port", "-1", ...places], { stdio: "ignore" });
    this.#child.on("error", (error) => console.error(`nats-server: ${error.message}`));
    const ports = await until("nats-server tells its ports", () => this.#ports());
    this.url = ports.nats[0];
    this.monitor = ports.monitoring[0];
    await until("nats-server is ready", async () => (await fetch(`${this.monitor}/healthz`)).ok);
  }

  /** What it has written about its ports; nothing while it has not written all of it. */
  #ports() {
    const file = readdirSync(this.#folder).find((name) => name.endsWith(".ports"));
    if (file === undefined) return undefined;
    const text = readFileSync(join(this.#folder, file), "utf8");
    return text.trimEnd().endsWith("}") ? JSON.parse(text) : undefined;
  }

  /** Stops it, and removes what it has kept. */
  async stop() {
    const child = this.#child;
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
