// Clients of Rialto: a session of the TypeScript client with the application around it, and a bare stream that presents
// somebody's right to come back.

import { Http2SessionManager } from "@connectrpc/connect-node";
import { Link } from "../link.mjs";
import { pause, until } from "../wait.mjs";

const BACKOFF = { firstMs: 50, maxMs: 100 };
const NEVER_GIVEN = 1 << 30;
/** `CloseCode.REPLACED` of the protocol. */
const REPLACED = 304;

function transport({ http2Transport }, url) {
  const manager = new Http2SessionManager(url);
  return { transport: http2Transport(manager), close: () => manager.abort() };
}

/** A client and the application around it. */
export class Client {
  #session;
  #namespace;
  #timeoutMs;
  #look;
  #rooms = new Map();
  #former = "";
  #right = { seq: 0 };
  #forgets = false;
  #missed = [];
  /** What came, in order: `{ text, extra }`; an event has one payload, so nothing can be added to it. */
  heard = [];

  static async connect(library, { namespace, user, port, lagMs, timeoutMs, token, look }) {
    const client = new Client();
    client.user = user;
    client.link = await Link.to(port);
    if (lagMs > 0) client.link.lag("up", lagMs);
    client.#timeoutMs = timeoutMs;
    client.#look = look;
    const who = token ? { token } : { user };
    client.#session = new library.Session(client.#carrier(library), { ...who, backoff: BACKOFF });
    client.#namespace = client.#session.namespace(namespace);
    client.#namespace.on("message", ({ text }) => client.heard.push({ text, extra: 0 }));
    client.#session.onReport((told) => told.kind === "missed" && client.#missed.push(told));
    await client.#session.ready();
    await client.#namespace.enter();
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
    const room = this.#namespace.room(name);
    this.#rooms.set(name, room);
    await room.join();
  }

  /** Notes something about itself, in the keyed state of its rooms. */
  async note(value) {
    for (const room of this.#rooms.values()) await room.state.set(this.id, value);
  }

  /** What the node tells others of this session: `{ id, rooms, note }`. */
  async self() {
    const { id } = this;
    const rooms = [];
    let note;
    for (const name of this.#rooms.keys()) {
      const { members, notes } = await this.#look(name);
      if (members.some(({ session }) => session === id)) rooms.push(name);
      note ??= notes.get(id)?.text;
    }
    return { id, rooms, note };
  }

  /** Says something to a room; resolves when the node has taken it. */
  send(room, text) {
    const options = this.#timeoutMs === undefined ? {} : { deadlineMs: this.#timeoutMs };
    const answer = this.#namespace.room(room).emit("message", text, options);
    // Whoever looks at it later hears of a failure then.
    answer.catch(() => {});
    return answer;
  }

  /** Breaks the line, and waits until the client knows. */
  async cut() {
    this.#former = this.id;
    this.#missed = [];
    this.link.cut();
    await until("a client that knows it is cut off", () => this.#session.status.current.state !== "attached");
    await pause(50);
  }

  /** What came of the next attempt to come back: `{ recovered, told, gap, refused }`. What it is told may still come. */
  async back(ms = 5_000) {
    const status = () => this.#session.status.current;
    const inRooms = () => [...this.#rooms.values()].every((room) => room.status.current.state === "in");
    await until("a client that is back", () => status().state === "closed" || (this.id !== "" && inRooms()), ms);
    if (status().state === "closed") return { refused: status().error.code, recovered: false, told: "" };
    const missed = () => this.#missed.filter(({ rooms }) => rooms.some((room) => this.#rooms.has(room)));
    const gap = () => missed().reduce((sum, { count }) => sum + count, 0);
    return {
      recovered: this.id === this.#former,
      get gap() {
        return gap();
      },
      get told() {
        if (missed().length === 0) return "";
        return gap() > 0 ? `that ${gap()} are gone` : "that some may be missing";
      },
    };
  }

  /** What a client presents to come back. */
  right() {
    return { ...this.#right };
  }

  /** Comes back with a position that never was. */
  forget() {
    this.#forgets = true;
  }

  /** Ends it for good. */
  async close() {
    await this.#session.close();
    this.link.close();
  }

  /** What `connect` of the client makes for itself, and looks at what goes through it. */
  #carrier(library) {
    const { transport: made, close } = transport(library, this.link.url);
    return {
      transport: made,
      close,
      open: (hello, signal) => {
        if (this.#forgets && hello.resume) hello.resume.seq = NEVER_GIVEN;
        this.#forgets = false;
        const stream = library.openWhole(made, hello, signal);
        return { ...stream, bursts: this.#watch(stream.bursts) };
      },
    };
  }

  async *#watch(bursts) {
    for await (const burst of bursts) {
      for (const { frame } of burst.frames) {
        if (frame.case !== "welcome") continue;
        const { sessionId, sessionSecret, resumed } = frame.value;
        this.#right = { sessionId, sessionSecret, seq: resumed ? this.#right.seq : 0 };
      }
      if (burst.firstSeq > 0) this.#right.seq = burst.firstSeq + burst.frames.length - 1;
      yield burst;
    }
  }
}

/** A bare stream that takes up a session. */
export class Twin {
  #control = new AbortController();
  #close;
  #link;
  id = "";
  resumed = false;
  /** Why the node has ended it, in words; empty while it stands. */
  closed = "";
  texts = [];

  static async open(library, { user, port, right }) {
    const twin = new Twin();
    twin.#link = await Link.to(port);
    const { transport: made, close } = transport(library, twin.#link.url);
    twin.#close = close;
    const hello = { $typeName: "rialto.v1.Hello", token: "", user, attributes: {}, joins: [] };
    const resume = { $typeName: "rialto.v1.Resume", ...right, afresh: true };
    const { bursts } = library.openWhole(made, { ...hello, resume }, twin.#control.signal);
    void twin.#listen(bursts).catch((error) => (twin.closed ||= `told that ${error.message}`));
    await until("a twin that is answered", () => twin.id !== "" || twin.closed !== "");
    return twin;
  }

  /** Ends it for good. */
  async close() {
    this.#control.abort();
    this.#close();
    this.#link.close();
  }

  async #listen(bursts) {
    for await (const { frames } of bursts) for (const { frame } of frames) this.#hear(frame);
  }

  #hear({ case: kind, value }) {
    if (kind === "welcome") [this.id, this.resumed] = [value.sessionId, value.resumed];
    else if (kind === "event") this.texts.push(value.content?.body.value);
    else if (kind === "close") this.closed = `told that ${value.code === REPLACED ? "it was replaced" : `it is over (${value.code})`}`;
  }
}
