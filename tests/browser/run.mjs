// Runs everything that is written in JavaScript against a real server: the TypeScript client in both its shapes, then
// the chat in real Chromium pages, also at several nodes over a real nats-server. RIALTO_BIN names the program;
// `--no-browser` leaves the pages out.

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { missing as noNats } from "./lib/nats.mjs";
import { missing as noBrowser } from "./lib/pages.mjs";
import { binary, Server } from "./lib/server.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const client = resolve(here, "../../clients/typescript");
const tests = (folder) => readdirSync(folder).filter((file) => file.endsWith(".test.mjs")).sort().map((file) => join(folder, file));

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { stdio: "inherit", ...options });
  if (error) console.error(error.message);
  return status === 0;
}

async function main() {
  process.env.RIALTO_BIN = resolve(binary());
  const browser = !process.argv.includes("--no-browser");
  const why = browser ? noBrowser() || noNats() : "";
  if (why !== "") {
    console.error(why);
    return false;
  }
  if (!run("npm", ["run", "--silent", "build", "-w", "clients/typescript"], { cwd: resolve(here, "../..") })) return false;
  const server = await Server.start();
  try {
    const env = { ...process.env, RIALTO_URL: server.url };
    const files = [...tests(join(client, "test/server")), ...(browser ? tests(here) : [])];
    return run(process.execPath, ["--test", "--test-timeout=300000", "--test-concurrency=1", ...files], { env });
  } finally {
    await server.stop();
  }
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
