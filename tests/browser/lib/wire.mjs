// A wire between clients and a server that tests can cut: connections through it break as they do when a network goes, while
// the server lives on. Owns its sockets only.

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** A wire. */
export class Wire {
  #server;
  #pairs = new Set();
  #open = true;
  /** `http://127.0.0.1:PORT`, the address of this end. */
  url = "";

  /** Lays one to a server. */
  static async to(url) {
    const wire = new Wire();
    const { hostname, port } = new URL(url);
    wire.#server = createServer((near) => {
      if (!wire.#open) return near.destroy();
      const far = connect(Number(port), hostname);
      const pair = [near, far];
      wire.#pairs.add(pair);
      const end = () => {
        wire.#pairs.delete(pair);
        pair.forEach((socket) => socket.destroy());
      };
      for (const socket of pair) socket.setNoDelay(true).on("error", end).on("close", end);
      near.pipe(far).pipe(near);
    });
    wire.#server.listen(0, "127.0.0.1");
    await once(wire.#server, "listening");
    wire.url = `http://127.0.0.1:${wire.#server.address().port}`;
    return wire;
  }

  /** Breaks all connections; new ones are made as before. */
  cut() {
    for (const pair of [...this.#pairs]) pair.forEach((socket) => socket.destroy());
  }

  /** Breaks all connections and makes none until `join`. */
  part() {
    this.#open = false;
    this.cut();
  }

  /** Makes connections again. */
  join() {
    this.#open = true;
  }

  /** Takes it away. */
  async close() {
    this.part();
    this.#server.close();
    await once(this.#server, "close");
  }
}
