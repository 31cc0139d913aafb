// Rialto as its TypeScript client shows it: a node of its own for each case, sessions over the line, and one session beside
// it that speaks for the application. Bounds that would refuse a load generator are lifted; everything else is as shipped.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Link } from "../link.mjs";
import { pause, until } from "../wait.mjs";
import * as program from "./program.mjs";

const NAMESPACE = "chat";
const CLIENT = new URL("../../../clients/typescript/", import.meta.url);
const BACKOFF = { firstMs: 50, maxMs: 100 };
const CONFIGURATION = `
[limits.session]
emits_per_second = 0

[[namespace]]
name = "${NAMESPACE}"
room_emits_per_second = 0
`;

/** The system; RIALTO_BIN names the program. */
export async function start() {
  const command = process.env.RIALTO_BIN;
  if (!command) throw new Error("RIALTO_BIN must name the program to compare, for example target/debug/rialto");
  const client = await import(new URL("dist/node.js", CLIENT));
  const { version } = JSON.parse(readFileSync(new URL("package.json", CLIENT), "utf8"));
  return {
    id: "rialto",
    title: "Rialto",
    versions: `rialto and its TypeScript client ${version}`,
    nodesMax: 1,
    elsewhere: "one node",
    site: () => Site.start(command, client),
    stop: async () => {},
  };
}

/** A place for one case: its own node and clients. */
class Site {
  #client;
  #program;
  #port;
  #speaker;
  #clients = [];

  static async start(command, client) {
    const site = new Site();
    site.#client = client;
    const args = (folder) => {
      const file = join(folder, "rialto.toml");
      writeFileSync(file, CONFIGURATION);
      return ["serve", "--listen", "127.0.0.1:0", "--data", join(folder, "data"), "--config", file];
    };
    site.#program = await program.start(command, args, /http:\/\/[\d.]+:(\d+)(?=\/)/);
    site.#port = Number(site.#program.found[1]);
    site.#speaker = await client.connect(`http://127.0.0.1:${site.#port}`, { user: "application" });
    await site.#speaker.namespace(NAMESPACE).enter();
    return site;
  }

  /** A connected client with a line of its own. Trying again is the client's own business: there is nothing to ask for. */
  async client(user) {
    const client = await Client.connect(this.#client, user, await Link.to(this.#port));
    this.#clients.push(client);
    return client;
  }

  /** Says something to a room, for the application. */
  broadcast(room, text, { volatile = false } = {}) {
    return this.#speaker.namespace(NAMESPACE).room(room).emit("message", text, { volatile });
  }

  /** Says something to one client. */
  direct(client, text) {
    return this.#speaker.namespace(NAMESPACE).to({ sessions: [client.id] }).emit("message", text);
  }

  /** Ends clients and node. */
  async close() {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.#speaker.close();
    await this.#program.stop();
  }
}

/** A client and the application around it. */
class Client {
  #session;
  #rooms = new Map();
  #former = "";
  /** What came, in order: `{ text, extra }`; an event has one payload, so nothing can be added to it. */
  heard = [];

  static async connect({ connect }, user, link) {
    const client = new Client();
    client.user = user;
    client.link = link;
    client.#session = await connect(link.url, { user, backoff: BACKOFF });
    client.#session.namespace(NAMESPACE).on("message", ({ text }) => client.heard.push({ text, extra: 0 }));
    return client;
  }

  /** The id of the session. */
  get id() {
    return this.#session.id;
  }

  /** The texts that came. */
  get texts() {
    return this.heard.map(({ text }) => text);
  }

  /** Enters a room. */
  async join(name) {
    const room = this.#session.namespace(NAMESPACE).room(name);
    this.#rooms.set(name, room);
    await room.join();
  }

  /** Says something to a room; resolves when the server has taken it. */
  send(room, text) {
    return this.#session.namespace(NAMESPACE).room(room).emit("message", text);
  }

  /** Breaks the line, and waits until the client knows. */
  async cut() {
    this.#former = this.id;
    this.link.cut();
    await until("a client that knows it is cut off", () => this.#session.status.current.state !== "attached");
    await pause(50);
  }

  /** What came of the next attempt to come back: `{ recovered, told }`. */
  async back(ms = 5_000) {
    const inRooms = () => [...this.#rooms.values()].every((room) => room.status.current.state === "in");
    await until("a client that is back", () => this.id !== "" && inRooms(), ms);
    const recovered = this.id === this.#former;
    return { recovered, told: recovered ? "" : "that the session is new" };
  }

  /** Ends it for good. */
  async close() {
    await this.#session.close();
    this.link.close();
  }
}
