// Socket.IO as its documentation shows it for the best delivery it has: connection state recovery on the server, WebSocket,
// retries on the client where a case asks for them, and an application that enters its rooms again when the server
// says that a session was not recovered. What differs between adapters is given by the two files beside this one.

import { createServer } from "node:http";
import { once } from "node:events";
import { Link } from "../link.mjs";
import { pause, until, within } from "../wait.mjs";
import { load } from "./packages.mjs";

const WINDOW_MS = 120_000;

/** A place for one case: its own servers, rooms and clients. */
export class Site {
  #options;
  #nodes = [];
  #clients = [];
  #refused = new Set();
  /** Users for whom admission was asked, in order. */
  admissions = [];

  /** Starts `nodes` servers; `adapter()` gives `{ adapter, close }` for each. */
  static async start(options, adapter) {
    const site = new Site();
    site.#options = { nodes: 1, windowMs: WINDOW_MS, recovery: true, ...options };
    for (let node = 0; node < site.#options.nodes; node += 1) site.#nodes.push(await site.#node(await adapter()));
    if (site.#options.nodes > 1) await site.#meet();
    return site;
  }

  /** A connected client with a line of its own. `retries` and `answerMs` ask for the client's retries. */
  async client(user, { node = 0, retries, answerMs } = {}) {
    const link = await Link.to(this.#nodes[node].port);
    const client = new Client(user, link, retries === undefined ? {} : { retries, ackTimeout: answerMs });
    this.#clients.push(client);
    await client.connected();
    return client;
  }

  /** Two clients that present one client's right to come back, at the same time. The one they copy is gone. */
  async twins(former) {
    const right = former.right();
    former.link.cut();
    former.close();
    await pause(200);
    const twins = await Promise.all([0, 1].map(async () => new Client(former.user, await Link.to(this.#nodes[0].port), {}, right)));
    this.#clients.push(...twins);
    return Promise.all(twins.map(async (client) => ({ client, recovered: await client.connected() })));
  }

  /** Says something to a room, from a server. */
  broadcast(room, text, { node = 0, volatile = false } = {}) {
    const target = this.#nodes[node].io.to(room);
    (volatile ? target.volatile : target).emit("message", text);
  }

  /** Says something to one client: at its own node through its socket, at another one through its id. */
  direct(client, text, { node = 0 } = {}) {
    const { io } = this.#nodes[node];
    (io.sockets.sockets.get(client.id) ?? io.to(client.id)).emit("message", text);
  }

  /** From now on a user is not admitted. */
  refuse(user) {
    this.#refused.add(user);
  }

  /** The port of a node. */
  port(node) {
    return this.#nodes[node].port;
  }

  /** Ends clients and servers. */
  async close() {
    for (const client of this.#clients) client.close();
    for (const { io, close } of this.#nodes) {
      await within("the server's end", new Promise((resolve) => io.close(resolve)));
      await close();
    }
  }

  async #node({ adapter, close }) {
    const { Server } = load("socket.io");
    const { windowMs, admission, recovery } = this.#options;
    const connectionStateRecovery = { maxDisconnectionDuration: windowMs, ...(admission?.always && { skipMiddlewares: false }) };
    const http = createServer();
    const io = new Server(http, { ...(recovery && { connectionStateRecovery }), ...(adapter && { adapter }) });
    if (admission) io.use((socket, next) => this.#admit(socket.handshake.auth.user, admission, next));
    io.on("connection", (socket) => serve(io, socket));
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    return { io, port: http.address().port, close };
  }

  async #admit(user, { delayMs = 0 }, next) {
    this.admissions.push(user);
    if (delayMs > 0) await pause(delayMs);
    next(this.#refused.has(user) ? new Error("refused") : undefined);
  }

  /** Servers of one site know each other. */
  async #meet() {
    const known = new Set();
    const greet = (from) => this.#nodes[from].io.serverSideEmit("greeting", from);
    this.#nodes.forEach(({ io }, at) => io.on("greeting", (from) => known.add(`${from}-${at}`)));
    const wanted = this.#nodes.length * (this.#nodes.length - 1);
    const meeting = setInterval(() => this.#nodes.forEach((_, from) => greet(from)), 50);
    await until("servers that hear each other", () => known.size >= wanted).finally(() => clearInterval(meeting));
    await pause(200);
  }
}

/** The application on the server: it lets a client join, note something about itself, and speak to a room. */
function serve(io, socket) {
  socket.on("join", (rooms, answer) => {
    socket.join(rooms);
    answer();
  });
  socket.on("note", (value, answer) => {
    socket.data.note = value;
    answer();
  });
  socket.on("self", (answer) => answer({ id: socket.id, rooms: [...socket.rooms].filter((room) => room !== socket.id), note: socket.data.note }));
  socket.on("say", (room, text, answer) => {
    io.to(room).emit("message", text);
    if (typeof answer === "function") answer();
  });
}

/** A client and the application around it. */
class Client {
  #socket;
  #rooms = new Set();
  #retries;
  #endings = [];
  #seen = 0;
  /** What came, in order: `{ text, extra }`, `extra` being arguments that nobody sent. */
  heard = [];

  constructor(user, link, options, right = null) {
    const { io } = load("socket.io-client");
    this.user = user;
    this.link = link;
    this.#retries = options.retries !== undefined;
    this.#socket = io(link.url, {
      transports: ["websocket"],
      forceNew: true,
      reconnectionDelay: 50,
      reconnectionDelayMax: 100,
      auth: { user },
      ...options,
    });
    if (right !== null) Object.assign(this.#socket, { _pid: right.pid, _lastOffset: right.offset });
    this.#socket.on("message", (text, ...extra) => this.heard.push({ text, extra: extra.length }));
    this.#socket.on("connect", () => this.#endings.push(this.#enter()));
    this.#socket.on("connect_error", (error) => {
      if (!this.#socket.active) this.#endings.push(Promise.resolve({ refused: error.message, recovered: false, told: "" }));
    });
  }

  /** The id of the session. */
  get id() {
    return this.#socket.id;
  }

  /** The texts that came. */
  get texts() {
    return this.heard.map(({ text }) => text);
  }

  /** Resolves when it is connected for the first time, to whether it was recovered. */
  async connected() {
    return (await this.back()).recovered;
  }

  /** Enters a room. */
  async join(room) {
    this.#rooms.add(room);
    await this.#socket.emitWithAck("join", [room]);
  }

  /** Notes something in the session. */
  async note(value) {
    await this.#socket.emitWithAck("note", value);
  }

  /** What the server knows of this session: `{ id, rooms, note }`. */
  self() {
    return within("an answer about oneself", this.#socket.emitWithAck("self"));
  }

  /** Says something to a room. With retries: resolves when the server has answered, rejects when it has not. Without: at once. */
  send(room, text) {
    if (this.#retries) return this.#socket.emitWithAck("say", room, text);
    this.#socket.emit("say", room, text);
    return Promise.resolve();
  }

  /** Breaks the line, and waits until the client knows. */
  async cut() {
    this.link.cut();
    await until("a client that knows it is cut off", () => !this.#socket.connected);
    await pause(50);
  }

  /** What came of the next attempt to come back: `{ recovered, told, refused }`. */
  async back(ms = 5_000) {
    await until("a client that is back", () => this.#endings.length > this.#seen, ms);
    return this.#endings[this.#seen++];
  }

  /** What a client presents to come back. */
  right() {
    return { pid: this.#socket._pid, offset: this.#socket._lastOffset };
  }

  /** Comes back with a position that never was. */
  forget() {
    this.#socket._lastOffset = "0-1";
  }

  /** Ends it for good. */
  close() {
    this.#socket.disconnect();
    this.link.close();
  }

  async #enter() {
    const { recovered } = this.#socket;
    if (!recovered && this.#rooms.size > 0) await within("rooms again", this.#socket.emitWithAck("join", [...this.#rooms]));
    return { recovered, told: recovered ? "" : "that the session is new" };
  }
}
