// A real server for tests: started on a free port, stopped and started again on the same one. Owns the process and its
// data directory, and nothing else.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const START_MS = 20_000;
const keeping = (history) => `[[namespace]]\nname = "chat"\nhistory = "${history}"\n\n[[namespace]]\nname = "default"\nhistory = "off"\n`;

/** A configuration in which the rooms of `chat` keep their history on disk. */
export const DURABLE = keeping("durable");
/** One in which no room keeps anything. */
export const FORGETFUL = keeping("off");

/** The program under test; a clear sentence when it is not named. */
export function binary() {
  const path = process.env.RIALTO_BIN;
  if (!path) throw new Error("RIALTO_BIN must name the program to test, for example target/debug/rialto");
  return path;
}

/** A server. */
export class Server {
  #child;
  #folder = mkdtempSync(join(tmpdir(), "rialto-test-"));
  #config;
  #more;
  #log = "";
  /** `http://127.0.0.1:PORT`, the same for every start. */
  url = "";

  constructor(config, more) {
    this.#config = config;
    this.#more = more;
  }

  /** Starts one on a free port, with the defaults if no other configuration is given; `more` are further arguments. */
  static async start(config = "", more = []) {
    const server = new Server(config, more);
    await server.start();
    return server;
  }

  /** Starts it, again on the port it had. */
  async start() {
    const listen = this.url === "" ? "127.0.0.1:0" : this.url.slice("http://".length);
    const file = join(this.#folder, "rialto.toml");
    mkdirSync(this.#folder, { recursive: true });
    writeFileSync(file, this.#config);
    const args = ["serve", "--listen", listen, "--data", join(this.#folder, "data"), "--config", file, ...this.#more];
    this.#log = "";
    this.#child = spawn(binary(), args, { stdio: ["ignore", "pipe", "pipe"] });
    this.url = await this.#address(this.#child);
  }

  /** Stops it at once, as a crash would. */
  async kill() {
    await this.#end("SIGKILL");
  }

  /** Stops it in its own way, and removes its data. */
  async stop() {
    await this.#end("SIGTERM");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #end(signal) {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  #address(child) {
    return new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error(`the server did not start: ${why}\n${this.#log}`));
      const timer = setTimeout(() => fail(`no address within ${START_MS} ms`), START_MS);
      const read = (chunk) => {
        this.#log = (this.#log + chunk).slice(-20_000);
        const found = /http:\/\/[\d.]+:\d+(?=\/)/.exec(this.#log);
        if (!found) return;
        clearTimeout(timer);
        resolve(found[0]);
      };
      child.stdout.setEncoding("utf8").on("data", read);
      child.stderr.setEncoding("utf8").on("data", (chunk) => (this.#log = (this.#log + chunk).slice(-20_000)));
      child.once("error", (error) => fail(error.message));
      child.once("exit", (code) => fail(`it ended with code ${code}`));
    });
  }
}
