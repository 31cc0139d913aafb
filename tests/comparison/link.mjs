// The line between one client and its server: a TCP relay on loopback that can be cut, held and slowed, and that keeps
// what the server sent. All systems are driven over it, so that the same thing happens to each of them.

import { once } from "node:events";
import { connect, createServer } from "node:net";

const KEPT_BYTES_MAX = 64 << 20;

/** A line to one port. */
export class Link {
  #target;
  #server;
  #pairs = new Set();
  #open = true;
  #held = { up: false, down: false };
  #lagMs = { up: 0, down: 0 };
  #kept = null;
  #keptBytes = 0;

  /** A line to `port` of this machine. */
  static async to(port) {
    const link = new Link();
    link.#target = port;
    link.#server = createServer((client) => link.#accept(client)).listen(0, "127.0.0.1");
    await once(link.#server, "listening");
    return link;
  }

  /** Where the client connects. */
  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Breaks what is connected and refuses what comes, until `heal`. */
  cut() {
    this.#open = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    this.#pairs.clear();
    this.#held = { up: false, down: false };
  }

  /** Lets clients connect again, to `port` when one is given. */
  heal(port = this.#target) {
    this.#target = port;
    this.#open = true;
  }

  /** Loses what goes in one direction (`up` is to the server), while the connection seems to stand. Ends with `cut`. */
  lose(direction) {
    this.#held[direction] = true;
  }

  /** Delays what goes in one direction. */
  lag(direction, ms) {
    this.#lagMs[direction] = ms;
  }

  /** From now on keeps what the server sends. */
  keep() {
    this.#kept = [];
    this.#keptBytes = 0;
  }

  /** What the server has sent since `keep`, as text. */
  kept() {
    return Buffer.concat(this.#kept ?? []).toString("latin1");
  }

  /** Ends the line. */
  close() {
    this.cut();
    this.#server.close();
  }

  #accept(client) {
    if (!this.#open) return void client.destroy();
    const server = connect(this.#target, "127.0.0.1");
    const pair = [client, server];
    this.#pairs.add(pair);
    for (const socket of pair) socket.setNoDelay(true);
    this.#carry(client, server, "up");
    this.#carry(server, client, "down");
  }

  #carry(from, to, direction) {
    from.on("error", () => {});
    from.on("close", () => to.destroy());
    from.on("end", () => to.end());
    from.on("data", (chunk) => {
      if (this.#held[direction]) return;
      if (direction === "down") this.#note(chunk);
      const write = () => void (to.writable && to.write(chunk));
      const ms = this.#lagMs[direction];
      if (ms === 0) write();
      else setTimeout(write, ms);
    });
  }

  #note(chunk) {
    if (this.#kept === null || this.#keptBytes > KEPT_BYTES_MAX) return;
    this.#kept.push(chunk);
    this.#keptBytes += chunk.length;
  }
}
