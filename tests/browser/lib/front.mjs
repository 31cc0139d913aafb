// What stands before the nodes where people use them: a load balancer that knows nothing of what it passes on. A page
// keeps its origin, whatever node it reaches. Owns its sockets only.

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** A load balancer. */
export class Front {
  #server;
  #nodes;
  #pairs = new Set();
  /** `http://127.0.0.1:PORT`, the address of the pages. */
  url = "";

  /** Puts one before nodes: a connection goes to the first of them that takes it. */
  static async before(urls) {
    const front = new Front();
    front.#nodes = urls.map((url) => new URL(url));
    front.#server = createServer((near) => {
      near.setNoDelay(true).on("error", () => near.destroy());
      front.#pass(near, front.#nodes);
    });
    front.#server.listen(0, "127.0.0.1");
    await once(front.#server, "listening");
    front.url = `http://127.0.0.1:${front.#server.address().port}`;
    return front;
  }

  #pass(near, [node, ...others]) {
    if (node === undefined) return near.destroy();
    const far = connect(Number(node.port), node.hostname);
    const refused = () => this.#pass(near, others);
    far.once("error", refused);
    far.once("connect", () => {
      far.off("error", refused);
      this.#join([near, far]);
    });
  }

  /** Passes bytes both ways; what ends one side ends the other. */
  #join(pair) {
    const end = () => {
      this.#pairs.delete(pair);
      pair.forEach((socket) => socket.destroy());
    };
    this.#pairs.add(pair);
    for (const socket of pair) socket.setNoDelay(true).on("error", end).on("close", end);
    const [near, far] = pair;
    near.pipe(far).pipe(near);
    if (near.destroyed) end();
  }

  /** Takes it away. */
  async close() {
    this.#server.close();
    for (const pair of [...this.#pairs]) pair.forEach((socket) => socket.destroy());
    await once(this.#server, "close");
  }
}
