// In which order things come.

import { impossible, outcome } from "../outcome.mjs";
import { settled, until } from "../wait.mjs";
import { at, member, ROOM, texts } from "./steps.mjs";

const ROUNDS = 50;
const EACH = 200;

async function sameNode(system) {
  return overtaking(system, 0);
}

async function withoutRecovery(system) {
  return overtaking(system, 0, { recovery: false });
}

async function anotherNode(system) {
  if (system.nodesMax < 2) return impossible("one node");
  return overtaking(system, 1);
}

async function overtaking(system, node, options = {}) {
  return at(system, { nodes: node + 1, ...options }, async (site) => {
    const client = await member(site);
    for (let round = 0; round < ROUNDS; round += 1) {
      await site.broadcast(ROOM, `room:${round}`, { node });
      await site.direct(client, `direct:${round}`, { node });
      await until("both events of a round", () => client.texts.includes(`room:${round}`) && client.texts.includes(`direct:${round}`));
    }
    const places = new Map(client.texts.map((text, place) => [text, place]));
    const first = texts("direct", ROUNDS).filter((text, round) => places.get(text) < places.get(`room:${round}`)).length;
    if (first === 0) return outcome("kept", `order kept, ${ROUNDS} of ${ROUNDS}`, true, { rounds: ROUNDS, overtaken: 0 });
    return outcome("overtaken", `${first} of ${ROUNDS} overtook`, false, { rounds: ROUNDS, overtaken: first });
  });
}

async function oneOrder(system) {
  const nodes = system.nodesMax;
  return at(system, { nodes }, async (site) => {
    const clients = [];
    for (let index = 0; index < 4; index += 1) clients.push(await member(site, { user: `user-${index}`, node: index % nodes }));
    const before = clients.map((client) => client.heard.length);
    for (let index = 0; index < EACH; index += 1) {
      const both = [0, 1].map((sender) => site.broadcast(ROOM, `sender-${sender}:${index}`, { node: sender % nodes, sender }));
      await Promise.all(both);
      if (index % 10 === 9) await new Promise(setImmediate);
    }
    const count = () => clients.reduce((sum, client) => sum + client.heard.length, 0);
    await settled(count, 400);
    const orders = new Set(clients.map((client, at) => client.texts.slice(before[at]).filter((text) => text.startsWith("sender-")).join(" ")));
    const figures = { nodes, events: 2 * EACH, receivers: clients.length, orders: orders.size };
    const where = nodes === 1 ? "one node" : `${nodes} nodes`;
    if (orders.size === 1) return outcome("one order", `one order (${where})`, true, figures);
    return outcome("several orders", `${orders.size} different orders (${where})`, false, figures);
  });
}


export const cases = [
  {
    id: "47a",
    sentence: `An event goes to a room, then one directly to a member, ${ROUNDS} times; counted: direct events that came first.`,
    run: sameNode,
  },
  {
    id: "47b",
    sentence: "The same, both said at another node than the member's.",
    run: anotherNode,
  },
  { id: "47c", sentence: "As 47a, with recovery switched off where it can be.", run: withoutRecovery },
  {
    id: "48",
    sentence: `Two senders, on two nodes where a system has them, say ${EACH} events each to one room at the same time; counted: different orders among 4 members.`,
    run: oneOrder,
  },
];
