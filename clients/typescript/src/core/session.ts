// A session: what an application holds while it is connected, through all reconnects. Ties the connection (`life.ts`),
// the memberships and the objects of the application together. Never touches a transport.

import { create } from "../wire/message.js";
import type { Emit, Event } from "../gen/rialto/v1/event_pb.js";
import { ReplySchema } from "../gen/rialto/v1/event_pb.js";
import type { ServerFrame } from "../gen/rialto/v1/frame_pb.js";
import { Beside } from "./beside.js";
import type { Carrier } from "./carrier.js";
import { byChance } from "./chance.js";
import { emit, toAccepted, weight, type Accepted, type AskOptions, type EmitOptions, type TargetOptions } from "./command.js";
import { Commands, type Waiting } from "./commands.js";
import { Deltas } from "./delta.js";
import { refusal, RialtoError } from "./errors.js";
import { RialtoEvent, toBody, type Answer, type Payload } from "./event.js";
import { Life } from "./life.js";
import { Listeners, type EventsOptions, type Listener } from "./listeners.js";
import { Memberships, type Placed } from "./membership.js";
import { Namespace } from "./namespace.js";
import { report, type Observable, type Unsubscribe } from "./observable.js";
import { settings, type SessionOptions, type Settings } from "./options.js";
import { unsent, type Command } from "./outbox.js";
import { Gate } from "./queue.js";
import type { ReplyStream } from "./replies.js";
import { Reports, type Report } from "./reports.js";
import type { Core, JoinedRoom, JoinOptions, Missed, Room } from "./room.js";
import { toSet, toStateSet, type SetOptions, type StateSet } from "./state.js";
import type { Status } from "./status.js";
import type { Arrival } from "./thread.js";
import { deferred, within } from "./time.js";
import type { Untyped } from "./typed.js";

/** So many ids of former sessions are known. */
const FORMER_MAX = 16;

/** A session. */
export class Session {
  readonly #life: Life;
  readonly #commands: Commands;
  readonly #memberships: Memberships;
  readonly #settings: Settings;
  readonly #carrier: Carrier;
  readonly #namespaces = new Map<string, Namespace>();
  readonly #gate = new Gate();
  readonly #listeners: Listeners;
  readonly #reports = new Reports();
  readonly #core: Core;
  readonly #deltas = new Deltas();
  /** Ids of this client's sessions before the present one. */
  readonly #former = new Set<string>();
  #lastId = "";
  /** The application wants to hear own events, and nobody knows which of those that are recovered. */
  #wantsOwn = false;

  constructor(carrier: Carrier, options: SessionOptions = {}) {
    this.#carrier = carrier;
    this.#settings = settings(options);
    this.#listeners = new Listeners(this.#patience);
    this.#life = new Life(carrier, this.#settings, {
      greet: () => this.#memberships.greet(),
      welcomed: (welcome, arrival) => this.#welcomed(welcome.sessionId, arrival),
      heard: (frame) => this.#heard(frame),
      held: () => this.#gate.passable,
      report: (told) => this.#reports.tell(told),
      lost: (mayGoOn) => this.#memberships.lost(mayGoOn),
      closed: (error) => this.#closed(error),
    });
    this.#commands = new Commands(this.#life, this.#settings);
    this.#memberships = new Memberships({
      send: (command) => this.#sendOwn(command),
      sendFirst: (commands) => {
        this.#life.outbox.addFirst(commands);
        this.#life.pump();
      },
      drop: (command) => this.#life.outbox.drop(command),
      find: (namespace, room) => this.namespace(namespace).room(room),
      report: (told) => this.#reports.tell(told),
      mayMiss: (namespace, rooms) => this.#tellMissed({ namespace, rooms, count: 0, epoch: "", cause: "afresh" }),
    });
    this.#core = this.#makeCore();
    options.signal?.addEventListener("abort", () => void this.close(), { once: true });
    this.#life.start();
    if (options.signal?.aborted) void this.close();
  }

  /** The state of the connection. */
  get status(): Observable<Status> {
    return this.#life.status;
  }

  /** The session's id on the server while it is attached, else empty. */
  get id(): string {
    const status = this.status.current;
    return status.state === "attached" ? status.sessionId : "";
  }

  /** A namespace; the same object for the same name. Its events can be declared: `namespace<{ message: string }>("chat")`. */
  namespace<E extends object = Untyped>(name: string): Namespace<E> {
    let namespace = this.#namespaces.get(name);
    if (!namespace) this.#namespaces.set(name, (namespace = new Namespace(this.#core, name)));
    return namespace as unknown as Namespace<E>;
  }

  /** Resolves when the session is attached; rejects when it is closed, the signal fires or the time, if there is one, is up. */
  async ready({ timeoutMs = Infinity, signal }: { timeoutMs?: number; signal?: AbortSignal | undefined } = {}): Promise<void> {
    const end = deferred<void>();
    const stop = this.status.subscribe((status) => {
      if (status.state === "attached") end.resolve();
      else if (status.state === "closed") end.reject(status.error);
    });
    try {
      await within(end.promise, { timeoutMs, signal, what: "connecting" });
    } catch (cause) {
      const error = cause as RialtoError;
      const { current } = this.status;
      if (error.kind !== "timed_out") throw error;
      throw new RialtoError("UNREACHABLE", (current.state === "waiting" ? current.error : error).reason, { advice: "later" });
    } finally {
      stop();
    }
  }

  /** Tries to connect now instead of at `retryAt`. */
  retryNow(): void {
    this.#life.hope();
  }

  /** Doubts the connection: it is given up when the server does not answer in time. */
  probe(timeoutMs = 5_000): void {
    this.#life.doubt(timeoutMs);
  }

  /** Asks the server for a sign of life. */
  async ping(options: Waiting = {}): Promise<void> {
    const value = {};
    await this.#commands.say({ command: { case: "ping", value }, bytes: 16, lasts: "always", keyed: true }, options, "a ping");
  }

  /** Says a new token before the present one expires; sources of tokens are asked by themselves. */
  refresh(token: string, options: Waiting = {}): Promise<void> {
    return this.#life.renew(token, (said) => this.#commands.say(said, options, "a new token"));
  }

  /** Lets go of all emits that wait and were never sent: each of them rejects with `CLEARED`. Says how many there were. */
  clearOfflineBuffer(): number {
    return this.#life.outbox.clearWaiting(new RialtoError("CLEARED", "the buffer was cleared; nothing was sent", { advice: "later" }));
  }

  /** Hears what happens to the session, apart from events. */
  onReport(fn: (told: Report) => void): Unsubscribe {
    return this.#reports.on(fn);
  }

  /** The same to iterate over. A reader that is behind is told how many it has overlooked. */
  reports(): AsyncGenerator<Report> {
    return this.#reports.read();
  }

  /** Hears events of one name, in any namespace. */
  on(event: string, fn: Listener): Unsubscribe {
    return this.#listeners.on(event, fn);
  }

  /** Events of all namespaces to iterate over. */
  events(options: EventsOptions = {}): AsyncIterableIterator<RialtoEvent> {
    return this.#listeners.events(options);
  }

  /** Ends the session: what waits is sent if there is a connection, the server is told, everything is let go. */
  close(): Promise<void> {
    return this.#life.close(new RialtoError("CLOSED", "the session was closed here", { advice: "never" }));
  }

  get #patience() {
    return { gate: this.#gate, eventsWaiting: this.#settings.eventsWaiting };
  }

  #makeCore(): Core {
    return {
      patience: this.#patience,
      join: (room, options) => this.#join(room, options),
      part: (room) => this.#part(room),
      enter: (namespace) => this.#enter(namespace),
      leave: async (namespace) => {
        this.#memberships.leave(namespace);
        await this.#asMember({ case: "leave", value: { namespace } });
      },
      emit: (namespace, to, event, payload, options) => this.#emit(namespace, to, event, payload, options),
      ask: (namespace, to, event, payload, options) => this.#ask(namespace, to, event, payload, options),
      beside: new Beside(this.#carrier.transport, this.#settings, async (limits) => {
        await this.ready(limits);
        return this.#life.token;
      }),
      position: (room) => this.#memberships.position(room),
      setState: (room, key, value, options) => this.#setState(room, key, value, options),
    };
  }

  async #join(room: Room, options: JoinOptions): Promise<JoinedRoom> {
    this.#assertOpen();
    const { presence = false, state = false, newest = 0, recover } = options;
    const delta = (options.delta ?? false) && (await this.#readsDeltas());
    try {
      return await within(this.#memberships.join(room, { presence, state, delta, newest, recover }), this.#commands.bound(options, "joining"));
    } catch (error) {
      const gaveUp = (error as RialtoError).kind === "timed_out" || (error as RialtoError).kind === "cancelled";
      throw gaveUp && this.#memberships.withdraw(room) ? this.#commands.unsent(error as RialtoError) : error;
    }
  }

  /** Fetches what deltas are read with. Without it payloads come whole. */
  async #readsDeltas(): Promise<boolean> {
    try {
      this.#deltas.inflate ??= await this.#carrier.inflate?.();
    } catch (error) {
      report(error);
    }
    return this.#deltas.inflate !== undefined;
  }

  async #part(room: Room): Promise<boolean> {
    this.#assertOpen();
    if (!this.#memberships.part(room)) return false;
    const value = { namespace: room.namespace, rooms: [room.name] };
    const answer = await this.#asMember({ case: "part", value });
    return answer?.frame.case !== "parted" || answer.frame.value.rooms.length > 0;
  }

  async #enter(namespace: string): Promise<void> {
    this.#memberships.enter(namespace);
    try {
      // Before there is a session its greeting says it.
      if (!this.#memberships.begun) return await this.ready({ timeoutMs: this.#settings.deadlineMs });
      const value = { namespace };
      await this.#commands.say({ command: { case: "enter", value }, bytes: 320, lasts: "session" }, {}, "entering");
    } catch (error) {
      if (isLost(error)) return;
      this.#memberships.leave(namespace);
      throw error;
    }
  }

  /** Sends a command about membership, which holds here already. While there is no connection nobody need wait for it: the session
   * is told when it goes on, and another one by its greeting. */
  async #asMember(command: Command["command"]): Promise<ServerFrame | undefined> {
    this.#assertOpen();
    const said = { command, bytes: 320, lasts: "session" } as const;
    if (this.status.current.state !== "attached") {
      this.#sendOwn({ ...said, answer: () => true, fail: () => {} });
      return undefined;
    }
    return this.#commands.say(said, {}, command.case ?? "a command").catch((error: unknown) => {
      if (!isLost(error)) throw error;
      return undefined;
    });
  }

  async #emit(namespace: string, to: TargetOptions, event: string, payload: Payload, options: EmitOptions): Promise<Accepted> {
    const value = emit(namespace, to, event, payload, keyed(options));
    this.#wantsOwn ||= value.target?.includeSender === true;
    const { frame } = await this.#commands.emit(value, options, (frame) => this.#placed(value, frame));
    if (frame.case !== "accepted") throw new RialtoError("PROTOCOL", "the answer to an emit is none");
    return toAccepted(frame.value);
  }

  #ask(namespace: string, to: TargetOptions, event: string, payload: Payload, options: AskOptions): ReplyStream {
    return this.#commands.ask(() => emit(namespace, to, event, payload, keyed(options), this.#commands.replyMs(options)), options);
  }

  /** Notes where own emits stand in the histories: they do not come as events. */
  #placed({ namespace, target }: Emit, { frame }: ServerFrame): void {
    if (frame.case !== "accepted" || target?.includeSender || frame.value.duplicate) return;
    const { offset, epoch, positions } = frame.value;
    const [room] = target?.rooms ?? [];
    if (offset === undefined) this.#memberships.accepted(namespace, positions);
    else if (room !== undefined && target?.rooms.length === 1) this.#memberships.accepted(namespace, [{ room, epoch, offset }]);
  }

  async #setState({ namespace, name }: Room, key: string, given: Payload, options: SetOptions): Promise<StateSet> {
    const value = toSet(namespace, name, key, given, options);
    const entry = { command: { case: "setState", value }, bytes: weight(value.body.value) + 1024, lasts: "always", bounded: true } as const;
    const { frame } = await this.#commands.say(entry, options, `setting "${key}"`);
    if (frame.case !== "stateSet") throw new RialtoError("PROTOCOL", "the answer to a setting is none");
    return toStateSet(frame.value);
  }

  /** A command of the session's own: without a connection it is not needed. */
  #sendOwn(command: Command): void {
    try {
      this.#life.submit(command);
    } catch {
      // The next greeting says the same.
    }
  }

  #welcomed(id: string, arrival: Arrival): void {
    if (arrival === "resumed") return this.#memberships.resumed();
    if (this.#lastId !== "") this.#former.add(this.#lastId);
    if (this.#former.size > FORMER_MAX) this.#former.delete(this.#former.values().next().value as string);
    this.#lastId = id;
    this.#deltas.clear();
    this.#memberships.afresh();
  }

  #heard(frame: ServerFrame): void {
    const { frame: said } = frame;
    if (frame.ref !== 0 && this.#life.outbox.answer(frame)) return;
    if (said.case === "event") this.#event(said.value);
    else if (said.case === "missed") {
      const { namespace, rooms, count, fromOffset, toOffset, epoch } = said.value;
      if (toOffset !== undefined) this.#memberships.missed(namespace, rooms, epoch, toOffset);
      const from = fromOffset === undefined ? {} : { fromOffset };
      this.#tellMissed({ namespace, rooms, count, epoch, ...from, ...(toOffset === undefined ? {} : { toOffset }), cause: "said" });
    } else if (frame.ref === 0) this.#memberships.heard(frame);
  }

  #tellMissed(missed: Missed): void {
    for (const name of missed.rooms) this.namespace(missed.namespace).room(name).tellMissed(missed);
    this.#reports.tell({ kind: "missed", ...missed });
  }

  /** An event has come: made whole, looked at whether it came before, handed over. */
  #event(event: Event): void {
    const whole = this.#deltas.restore(event);
    const own = !this.#wantsOwn && this.#former.has(event.sender?.session ?? "");
    const placed = this.#memberships.place(event, own);
    if (placed.before) return;
    if (whole) return this.#tell(whole, placed);
    const { namespace, rooms, offset, epoch } = event;
    for (const room of rooms) this.#memberships.rejoin(namespace, room);
    const place = offset === undefined ? {} : { fromOffset: offset, toOffset: offset };
    this.#tellMissed({ namespace, rooms, count: 1, epoch, ...place, cause: "delta" });
  }

  #tell(event: Event, { rooms, past }: Placed): void {
    const id = this.#lastId;
    const heard = new RialtoEvent(event, (...said) => this.#former.has(id) ? Promise.reject(unsent()) : this.#answer(...said), past);
    for (const room of rooms) room.tell(heard);
    this.namespace(event.namespace).tell(heard);
    this.#listeners.tell(heard);
  }

  /** Answers an event; resolves when the answer is on its way. */
  readonly #answer: Answer = (replyToken, given) => {
    const said = "error" in given
      ? { body: { case: "error" as const, value: given.error }, contentType: "" }
      : toBody(given.payload, given.contentType);
    const value = create(ReplySchema, { replyToken, ...said });
    const answer = ({ frame }: ServerFrame) => {
      if (frame.case === "refused") this.#reports.tell({ kind: "refused", error: refusal(frame.value) });
      return true;
    };
    const bytes = weight(said.body.value) + 512;
    const { promise, resolve, reject } = deferred<void>();
    // It fails only as long as it was not sent.
    const fail = (error: RialtoError) => reject(isLost(error) ? unsent() : error);
    const entry: Command = { command: { case: "reply", value }, bytes, lasts: "session", bounded: true, silent: true, answer, sent: resolve, fail };
    try {
      this.#life.submit(entry);
    } catch (error) {
      reject(error);
    }
    return promise;
  };

  #closed(error: RialtoError): void {
    this.#memberships.closed(error);
    for (const namespace of this.#namespaces.values()) namespace.end();
    this.#listeners.end();
    this.#reports.end();
  }

  #assertOpen(): void {
    const { current } = this.status;
    if (current.state === "closed") throw current.error;
  }
}

/** An emit has a name, so that it takes effect once however often it is sent. A volatile one is sent once. */
function keyed<O extends EmitOptions>(options: O): O {
  return { ...options, idempotencyKey: options.idempotencyKey ?? (options.volatile ? "" : byChance()) };
}

/** The session was lost with a command that another one does not need: its greeting says the same. */
function isLost(error: unknown): boolean {
  return (error as RialtoError).kind === "unknown_outcome";
}
