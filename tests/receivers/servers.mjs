// The servers: each started fresh on a free port of loopback. What would refuse or slow a fast sender is lifted in Rialto's
// configuration, and nothing is kept, as with the others; everything else is as shipped.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Program } from "./program.mjs";
import { npmVersion, path } from "./versions.mjs";

const CONFIGURATION = `[[namespace]]
name = "bench"
room_emits_per_second = 0
history = "off"
[limits.session]
emits_per_second = 0
outbox_frames_max = 16384
outbox_bytes_max = 8388608
`;
const START_MS_MAX = 10_000;

const RIALTO = path("target/dist/rialto");
const NATS = path(".tools/bin/nats-server");

/** Each system: its version, and how its server is started on a port, in a folder. */
export const SYSTEMS = {
  rialto: {
    title: "Rialto",
    version: () => told(RIALTO),
    command: (port, folder) => [RIALTO, "serve", "--listen", `127.0.0.1:${port}`, "--config", configuration(folder), "--data", join(folder, "data")],
  },
  nats: {
    title: "NATS",
    version: () => told(NATS).replace(": v", " "),
    command: (port) => [NATS, "--addr", "127.0.0.1", "--port", `${port}`],
  },
  socketio: {
    title: "Socket.IO",
    version: () => `socket.io ${npmVersion(".tools/node", "socket.io")} on Node ${process.versions.node}`,
    command: (port) => [process.execPath, path("tests/load/socketio.cjs"), `${port}`],
    env: { NODE_PATH: path(".tools/node/node_modules"), NODE_ENV: "production" },
  },
};

/** Starts a server: `{ url, program, stop }`. */
export async function start(system) {
  const { command, env } = SYSTEMS[system];
  const folder = mkdtempSync(join(tmpdir(), "rialto-receivers-"));
  const port = await freePort();
  const program = new Program(`the server of ${system}`, command(port, folder), env);
  const stop = async () => {
    await program.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await Promise.race([listening(port), program.line(() => false, START_MS_MAX)]);
  } catch (error) {
    await stop();
    throw error;
  }
  const scheme = system === "nats" ? "nats" : "http";
  return { url: `${scheme}://127.0.0.1:${port}`, program, stop };
}

function told(program) {
  if (!existsSync(program)) throw new Error(`${program} is missing: \`make bench-clients\` builds and installs it`);
  return execFileSync(program, ["--version"], { encoding: "utf8" }).trim();
}

function configuration(folder) {
  const file = join(folder, "rialto.toml");
  writeFileSync(file, CONFIGURATION);
  return file;
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

async function listening(port) {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const connected = await Promise.race([once(socket, "connect").then(() => true), once(socket, "error").then(() => false)]).catch(() => false);
    socket.destroy();
    if (connected) return;
    await pause(20);
  }
}
