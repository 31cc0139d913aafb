// Socket.IO with the adapter it comes with: everything in one process.

import { version } from "./packages.mjs";
import { Site } from "./socketio.mjs";

/** The system, without state of its own. */
export async function start() {
  return {
    id: "socketio-memory",
    title: "Socket.IO, in memory",
    versions: `socket.io ${version("socket.io")}, its own adapter ${version("socket.io-adapter")}`,
    nodesMax: 1,
    elsewhere: "a session is kept in one process",
    site: (options) => Site.start(options, async () => ({ close: async () => {} })),
    stop: async () => {},
  };
}
