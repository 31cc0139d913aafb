// Rialto as its TypeScript client shows it: a node of its own for each case, sessions over the line, and two sessions
// beside it that speak for the application. Bounds that would refuse a load generator are lifted; everything else is as
// shipped, so rooms keep a durable history. A ban is a token that does not hold any more.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pause } from "../wait.mjs";
import { Client, Twin } from "./rialto-client.mjs";
import * as program from "./program.mjs";

const NAMESPACE = "chat";
const CLIENT = new URL("../../../clients/typescript/", import.meta.url);
const WINDOW_MS = 120_000;
const SPEAKERS = 2;
/** So many events may be said that the node has not taken yet. */
const UNDER_WAY_MAX = 500;
const ISSUER = "comparison";
const AUDIENCE = "rialto";
const SECRET = "a secret of the comparison, and of nothing else";

const AUTHENTICATION = `
[auth.token]
issuer = "${ISSUER}"
audience = "${AUDIENCE}"
leeway = "0s"

[[auth.token.key]]
secret = "${SECRET}"
`;

function configuration({ windowMs, recovery, admission }) {
  return `
[limits.session]
emits_per_second = 0
resume_window = "${recovery ? windowMs : 0}ms"

[[namespace]]
name = "${NAMESPACE}"
room_emits_per_second = 0
history = "${recovery ? "durable" : "off"}"
${admission ? AUTHENTICATION : ""}`;
}

/** The system; RIALTO_BIN names the program. */
export async function start() {
  const command = process.env.RIALTO_BIN ?? new URL("../../../target/debug/rialto", import.meta.url).pathname;
  const client = await import(new URL("dist/node.js", CLIENT)).catch((error) => {
    throw new Error(`the TypeScript client is not built (npm run build -w clients/typescript): ${error.message}`);
  });
  const { version } = JSON.parse(readFileSync(new URL("package.json", CLIENT), "utf8"));
  return {
    id: "rialto",
    title: "Rialto",
    versions: `rialto and its TypeScript client ${version}`,
    nodesMax: 1,
    elsewhere: "one node",
    site: (options) => Site.start(command, client, options),
    stop: async () => {},
  };
}

/** Tokens of one site: those that hold, and those that do not any more. */
class Tokens {
  #command;
  #made = new Map();

  constructor(command) {
    this.#command = command;
  }

  make(user, expires) {
    const key = `${user} ${expires}`;
    const args = ["token", "mint", "--user", user, "--namespace", NAMESPACE, "--room", "*", "--can", "join,emit,presence,history"];
    const whose = ["--expires", expires, "--secret", SECRET, "--issuer", ISSUER, "--audience", AUDIENCE];
    if (!this.#made.has(key)) this.#made.set(key, execFileSync(this.#command, [...args, ...whose], { encoding: "utf8" }).trim());
    return this.#made.get(key);
  }
}

/** A place for one case: its own node and clients. */
class Site {
  #options;
  #library;
  #program;
  #port;
  #tokens;
  #speakers = [];
  #clients = [];
  #refused = new Set();
  #underWay = new Set();
  #failed;
  /** Users whose token was asked for, in order: the node checks it at every connection. */
  admissions = [];

  static async start(command, library, options) {
    const site = new Site();
    site.#options = { windowMs: WINDOW_MS, recovery: true, ...options };
    site.#library = library;
    if (site.#options.admission) site.#tokens = new Tokens(command);
    const args = (folder) => {
      const file = join(folder, "rialto.toml");
      writeFileSync(file, configuration(site.#options));
      return ["serve", "--listen", "127.0.0.1:0", "--data", join(folder, "data"), "--config", file];
    };
    site.#program = await program.start(command, args, /http:\/\/[\d.]+:(\d+)(?=\/)/);
    site.#port = Number(site.#program.found[1]);
    for (let speaker = 0; speaker < SPEAKERS; speaker += 1) site.#speakers.push(await site.#speaker());
    return site;
  }

  /** A connected client with a line of its own. It tries again by itself, within `retries` and one times `answerMs`. */
  async client(user, { retries, answerMs } = {}) {
    const expired = this.#tokens?.make(user, "1s");
    if (expired) await pause(2_100);
    const client = await Client.connect(this.#library, {
      namespace: NAMESPACE,
      user,
      port: this.#port,
      // Nothing in a node can be made slow to admit: a line that is slow toward the node stands for it.
      lagMs: this.#options.admission?.delayMs ?? 0,
      timeoutMs: retries === undefined ? undefined : (retries + 1) * answerMs,
      token: this.#tokens && (() => this.#token(user, expired)),
      look: (room) => this.#look(room),
    });
    this.#clients.push(client);
    return client;
  }

  /** Two streams that present one client's right to come back, at the same time. The one they copy is gone. */
  async twins(former) {
    const right = former.right();
    await former.cut();
    await former.close();
    await pause(200);
    const twins = await Promise.all([0, 1].map(() => Twin.open(this.#library, { user: former.user, port: this.#port, right })));
    this.#clients.push(...twins);
    await pause(300);
    return twins.map((client) => ({ client, recovered: client.resumed && client.closed === "", told: client.closed }));
  }

  /** Says something to a room, for the application. Waits for its turn and not for the answer: `said` does. */
  async broadcast(room, text, { volatile = false, sender = 0 } = {}) {
    const target = this.#speakers[sender].namespace(NAMESPACE).room(room);
    await this.#say(target.emit("message", text, { volatile }));
  }

  /** Says something to one client. */
  async direct(client, text) {
    await this.#say(this.#speakers[0].namespace(NAMESPACE).to({ sessions: [client.id] }).emit("message", text));
  }

  /** Resolves when the node has taken all that was said. */
  async said() {
    await Promise.all(this.#underWay);
    if (this.#failed) throw this.#failed;
  }

  /** From now on a user is not admitted. */
  refuse(user) {
    this.#refused.add(user);
  }

  /** The port of the node. */
  port() {
    return this.#port;
  }

  /** Ends clients and node. */
  async close() {
    await Promise.all(this.#clients.map((client) => client.close()));
    await Promise.all(this.#speakers.map((speaker) => speaker.close()));
    await this.#program.stop();
    if (this.#failed) throw this.#failed;
  }

  async #speaker() {
    const who = this.#tokens ? { token: this.#tokens.make("application", "1h") } : { user: "application" };
    const session = await this.#library.connect(`http://127.0.0.1:${this.#port}`, who);
    await session.namespace(NAMESPACE).enter();
    return session;
  }

  async #say(answer) {
    const settled = answer.catch((error) => (this.#failed ??= error)).finally(() => this.#underWay.delete(settled));
    this.#underWay.add(settled);
    while (this.#underWay.size >= UNDER_WAY_MAX) await Promise.race(this.#underWay);
    if (this.#failed) throw this.#failed;
  }

  #token(user, expired) {
    this.admissions.push(user);
    return this.#refused.has(user) ? expired : this.#tokens.make(user, "1h");
  }

  /** The members of a room and what is noted there, as somebody else is told. */
  async #look(name) {
    const room = this.#speakers[0].namespace(NAMESPACE).room(name);
    return { members: (await room.presence.members()).entries, notes: await room.state.all() };
  }
}
