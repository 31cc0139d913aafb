// Real nodes over a real nats-server, that keep together what rooms keep.

import { Nats } from "./nats.mjs";
import { Server } from "./server.mjs";
import { until } from "./until.mjs";

/** Everything that is kept falls into one part, so that one node keeps all of it and can be known. */
const ONE_PART = "[cluster]\nparts = 1\n";

/** Nodes, and the NATS between them. */
export class Cluster {
  nats;
  /** The nodes, as servers. */
  nodes = [];

  /** Starts so many nodes, which all know each other; `config` beside what a cluster needs. */
  static async start(count, config = "") {
    const cluster = new Cluster();
    cluster.nats = await Nats.start();
    try {
      const over = ["--nats", cluster.nats.url, "--nats-monitors", cluster.nats.monitor];
      for (let node = 0; node < count; node++) cluster.nodes.push(await Server.start(ONE_PART + config, over));
      for (const node of cluster.nodes) {
        await until("the nodes know each other", async () => (await metric(node, "rialto_nodes")) === count - 1);
      }
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** The node that keeps what all rooms keep. */
  async keeper() {
    return until("a node keeps the rooms", async () => {
      const owned = await Promise.all(this.nodes.map((node) => metric(node, "rialto_parts_owned")));
      return owned.filter((count) => count === 1).length === 1 && this.nodes[owned.indexOf(1)];
    });
  }

  /** Stops all of it, and removes what it has kept. */
  async stop() {
    for (const node of this.nodes) await node.stop();
    await this.nats.stop();
  }
}

async function metric(node, name) {
  const text = await (await fetch(`${node.url}/metrics`)).text();
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
  if (line === undefined) throw new Error(`there is no ${name} in the metrics`);
  return Number(line.slice(name.length));
}
