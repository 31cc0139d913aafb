// A session: what an application holds while it is connected, through all reconnects. Ties the connection (`life.ts`),
// the memberships and the objects of the application together. Never touches a transport.

import { create } from "@bufbuild/protobuf";
import type { Emit, Event } from "../gen/rialto/v1/event_pb.js";
import { ReplySchema } from "../gen/rialto/v1/event_pb.js";
import type { ServerFrame } from "../gen/rialto/v1/frame_pb.js";
import { SetStateSchema } from "../gen/rialto/v1/state_pb.js";
import { Beside } from "./beside.js";
import type { Carrier } from "./carrier.js";
import { duration, emit, toAccepted, toDurability, weight, type Accepted, type AskOptions, type EmitOptions, type TargetOptions } from "./command.js";
import { Deltas } from "./delta.js";
import { refusal, RialtoError } from "./errors.js";
import { bodyBytes, RialtoEvent, toBody, type Payload } from "./event.js";
import { Life } from "./life.js";
import { Memberships, type Moved, type Placed } from "./membership.js";
import { Namespace } from "./namespace.js";
import { report, type Observable, type Unsubscribe } from "./observable.js";
import { settings, type SessionOptions, type Settings } from "./options.js";
import type { Command } from "./outbox.js";
import { ReplyStream } from "./replies.js";
import type { Core, JoinOptions, Missed, Room } from "./room.js";
import type { SetOptions, StateSet } from "./state.js";
import type { Status } from "./status.js";
import type { Arrival } from "./thread.js";
import { bound, deferred, within, type Bound } from "./time.js";

const REPLY_TIMEOUT_MS = 5_000;
/** So many ids of former sessions are known. */
const FORMER_MAX = 16;
/** How much longer than the server this side waits for the end of an asking. */
const REPLY_SLACK_MS = 5_000;

/** A session. */
export class Session {
  readonly #life: Life;
  readonly #memberships: Memberships;
  readonly #settings: Settings;
  readonly #carrier: Carrier;
  readonly #namespaces = new Map<string, Namespace>();
  readonly #missed = new Set<(missed: Missed) => void>();
  readonly #moved = new Set<Moved>();
  readonly #core: Core;
  readonly #beside: Beside;
  readonly #deltas = new Deltas();
  /** Ids of this client's sessions before the present one. */
  readonly #former = new Set<string>();
  #lastId = "";
  /** Idempotency keys of this client begin so. */
  readonly #keys = [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  #keyCount = 0;

  constructor(carrier: Carrier, options: SessionOptions = {}) {
    this.#carrier = carrier;
    this.#settings = settings(options);
    this.#life = new Life(carrier, this.#settings, {
      greet: () => this.#memberships.greet(),
      welcomed: (welcome, arrival) => this.#welcomed(welcome.sessionId, arrival),
      heard: (frame) => this.#heard(frame),
      lost: (mayGoOn) => this.#memberships.lost(mayGoOn),
      closed: (error) => this.#closed(error),
    });
    this.#memberships = new Memberships({
      send: (command) => this.#sendOwn(command),
      sendFirst: (commands) => {
        this.#life.outbox.addFirst(commands);
        this.#life.pump();
      },
      find: (namespace, room) => this.namespace(namespace).room(room),
      moved: (change, room) => tellAll(this.#moved, change, room),
      mayMiss: (namespace, rooms) => this.#tellMissed({ namespace, rooms, count: 0, epoch: "", cause: "afresh" }),
    });
    this.#beside = new Beside(carrier.transport, this.#settings, () => this.#assertOpen());
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

  /** A namespace; the same object for the same name. */
  namespace(name: string): Namespace {
    let namespace = this.#namespaces.get(name);
    if (!namespace) this.#namespaces.set(name, (namespace = new Namespace(this.#core, name)));
    return namespace;
  }

  /** Resolves when the session is attached; rejects when it is closed or the time is up. */
  async ready(options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<void> {
    const end = deferred<void>();
    const stop = this.status.subscribe((status) => {
      if (status.state === "attached") end.resolve();
      else if (status.state === "closed") end.reject(status.error);
    });
    try {
      await within(end.promise, { timeoutMs: options.timeoutMs ?? 30_000, signal: options.signal, what: "connecting" });
    } catch (error) {
      const { current } = this.status;
      throw current.state === "waiting" && (error as RialtoError).code === "TIMED_OUT" ? current.error : error;
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

  /** Lets go of all that waits and was never sent: each of them rejects with `DROPPED`. Says how many there were. */
  clearBuffer(): number {
    const error = new RialtoError("DROPPED", "the buffer was cleared; nothing was sent", { retry: { advice: "later" } });
    return this.#life.outbox.clearWaiting(error);
  }

  /** Hears of events that do not, or may not, come to this session, in any namespace. */
  onMissed(fn: (missed: Missed) => void): Unsubscribe {
    this.#missed.add(fn);
    return () => void this.#missed.delete(fn);
  }

  /** Hears when the server has put this session into a room, or taken it out of one. */
  onMoved(fn: Moved): Unsubscribe {
    this.#moved.add(fn);
    return () => void this.#moved.delete(fn);
  }

  /** Ends the session: what waits is sent if there is a connection, the server is told, everything is let go. */
  close(): Promise<void> {
    return this.#life.close(new RialtoError("CLOSED", "the session was closed here", { retry: { advice: "never" } }));
  }

  #makeCore(): Core {
    return {
      join: (room, options) => this.#join(room, options),
      part: (room) => this.#part(room),
      enter: async (namespace) => {
        this.#memberships.enter(namespace);
        try {
          await this.#whenAttached({ case: "enter", value: { $typeName: "rialto.v1.Enter", namespace } });
        } catch (error) {
          this.#memberships.leave(namespace);
          throw error;
        }
      },
      leave: async (namespace) => {
        this.#memberships.leave(namespace);
        await this.#whenAttached({ case: "leave", value: { $typeName: "rialto.v1.Leave", namespace } });
      },
      emit: (namespace, to, event, payload, options) => this.#emit(namespace, to, event, payload, options),
      ask: (namespace, to, event, payload, options) => this.#ask(namespace, to, event, payload, options),
      beside: this.#beside,
      position: (room) => this.#memberships.position(room),
      setState: (room, key, value, options, expected) => this.#setState(room, key, value, options, expected),
    };
  }

  #limits(options: { timeoutMs?: number; signal?: AbortSignal }, what: string): Bound {
    return { timeoutMs: options.timeoutMs ?? this.#settings.commandTimeoutMs, signal: options.signal, what };
  }

  async #join(room: Room, options: JoinOptions): Promise<void> {
    this.#assertOpen();
    const { presence = false, state = false, newest = 0, recover } = options;
    const delta = (options.delta ?? false) && (await this.#readsDeltas());
    await within(this.#memberships.join(room, { presence, state, delta, newest, recover }), this.#limits(options, "joining"));
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

  async #part(room: Room): Promise<void> {
    this.#assertOpen();
    if (!this.#memberships.part(room)) return;
    const value = { $typeName: "rialto.v1.Part" as const, namespace: room.namespace, rooms: [room.name] };
    await this.#whenAttached({ case: "part", value });
  }

  /** Sends a command about membership. While there is no connection it waits for the session to go on, if it can; another
   * session is told by its greeting. */
  async #whenAttached(command: Command["command"]): Promise<void> {
    this.#assertOpen();
    if (this.status.current.state !== "attached") {
      return this.#sendOwn({ command, bytes: 320, lasts: "session", answer: () => true, fail: () => {} });
    }
    try {
      await this.#command({ command, bytes: 320, lasts: "session" }, this.#limits({}, command.case ?? "a command"));
    } catch (error) {
      if ((error as RialtoError).code !== "CONNECTION_LOST") throw error;
    }
  }

  async #emit(namespace: string, to: TargetOptions, event: string, payload: Payload, options: EmitOptions): Promise<Accepted> {
    const idempotencyKey = options.idempotencyKey ?? (options.volatile ? "" : `${this.#keys}.${(++this.#keyCount).toString(36)}`);
    const value = emit(namespace, to, event, payload, { ...options, idempotencyKey });
    const limits = this.#limits(options, `emitting "${event}"`);
    const lasts = options.volatile ? "stream" : "always";
    const entry = { command: { case: "emit" as const, value }, bytes: weight(value), lasts, keyed: idempotencyKey !== "", bounded: true } as const;
    const { frame } = await this.#command(entry, limits, (frame) => this.#placed(value, frame));
    if (frame.case !== "accepted") throw new RialtoError("PROTOCOL", "the answer to an emit is none");
    return toAccepted(frame.value);
  }

  /** Notes where own emits stand in the histories: they do not come as events. */
  #placed({ namespace, target }: Emit, { frame }: ServerFrame): void {
    if (frame.case !== "accepted" || target?.includeSender) return;
    const { offset, epoch, positions } = frame.value;
    const [room] = target?.rooms ?? [];
    if (offset === undefined) this.#memberships.accepted(namespace, positions);
    else if (room !== undefined && target?.rooms.length === 1) this.#memberships.accepted(namespace, [{ room, epoch, offset }]);
  }

  async #setState(room: Room, key: string, given: Payload, options: SetOptions, expected?: bigint): Promise<StateSet> {
    const { body, contentType } = toBody(given, options.contentType);
    const value = create(SetStateSchema, {
      namespace: room.namespace,
      room: room.name,
      key,
      body,
      contentType,
      ...(expected === undefined ? {} : { expectedRevision: expected }),
      ...(options.expiresInMs === undefined ? {} : { expiresIn: duration(options.expiresInMs) }),
    });
    const bytes = bodyBytes(body).length + 1024;
    const entry = { command: { case: "setState" as const, value }, bytes, lasts: "always", bounded: true } as const;
    const { frame } = await this.#command(entry, this.#limits(options, `setting "${key}"`));
    if (frame.case !== "stateSet") throw new RialtoError("PROTOCOL", "the answer to a setting is none");
    const { revision, epoch, durability } = frame.value;
    return { revision, epoch, durability: toDurability(durability) };
  }

  /** Sends a command and waits for its answer, within bounds. `heard` is called at the answer's place in the stream. */
  #command(said: Omit<Command, "answer" | "fail">, limits: Bound, heard: (frame: ServerFrame) => void = () => {}): Promise<ServerFrame> {
    const { promise, resolve, reject } = deferred<ServerFrame>();
    const entry: Command = {
      ...said,
      answer: (frame) => {
        heard(frame);
        if (frame.frame.case === "refused") reject(refusal(frame.frame.value));
        else resolve(frame);
        return true;
      },
      fail: reject,
    };
    const clear = bound(limits, (error) => reject(this.#givenUp(entry, error)));
    const unage = this.#age(entry, limits.timeoutMs, reject);
    try {
      this.#assertOpen();
      this.#life.submit(entry);
    } catch (error) {
      reject(error);
    }
    return promise.finally(() => {
      clear();
      unage();
    });
  }

  /** A command that was not sent within the age that waiting ones may have is given up. */
  #age(entry: Command, timeoutMs: number, reject: (error: RialtoError) => void): () => void {
    const { ageMaxMs = Infinity } = this.#settings.offline;
    if (ageMaxMs >= timeoutMs) return () => {};
    const timer = setTimeout(() => {
      if (entry.sentAt === undefined && this.#life.outbox.drop(entry)) reject(notSent());
    }, ageMaxMs);
    return () => clearTimeout(timer);
  }

  /** The error of a command whose time is up: one that was never sent has certainly had no effect. */
  #givenUp(entry: Command, error: RialtoError): RialtoError {
    const unsent = this.#life.outbox.drop(entry);
    if (!unsent || error.code !== "TIMED_OUT") return error;
    return notSent();
  }

  #ask(namespace: string, to: TargetOptions, event: string, payload: Payload, options: AskOptions): ReplyStream {
    const stream = new ReplyStream();
    const { timeoutMs = REPLY_TIMEOUT_MS, signal, ...rest } = options;
    const limits: Bound = { timeoutMs: timeoutMs + REPLY_SLACK_MS, signal, what: `asking "${event}"` };
    let clear = () => {};
    const fail = (error: RialtoError) => {
      clear();
      stream.fail(error);
    };
    try {
      const value = emit(namespace, to, event, payload, rest, timeoutMs);
      const entry: Command = {
        command: { case: "emit", value },
        bytes: weight(value),
        lasts: "always",
        bounded: true,
        answer: (frame) => this.#gather(stream, frame, fail, () => clear()),
        fail,
      };
      clear = bound(limits, (error) => stream.fail(this.#givenUp(entry, error)));
      this.#life.submit(entry);
    } catch (error) {
      fail(error as RialtoError);
    }
    return stream;
  }

  #gather(stream: ReplyStream, { frame }: ServerFrame, fail: (error: RialtoError) => void, clear: () => void): boolean {
    if (frame.case === "accepted") stream.accept(toAccepted(frame.value));
    else if (frame.case === "replies") stream.add(frame.value.items);
    else if (frame.case === "repliesDone") {
      clear();
      stream.done(frame.value);
      return true;
    } else if (frame.case === "refused") {
      fail(refusal(frame.value));
      return true;
    }
    return false;
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
    this.#memberships.afresh(arrival === "afresh");
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
    tellAll(this.#missed, missed);
  }

  /** An event has come: made whole, looked at whether it came before, handed over. */
  #event(event: Event): void {
    const whole = this.#deltas.restore(event);
    const placed = this.#memberships.place(event, this.#isEcho(whole ?? event));
    const { rooms, before } = placed;
    if (before && rooms.length === 0) return;
    if (whole) return this.#tell(whole, placed);
    const { namespace, offset, epoch } = event;
    for (const room of rooms) this.#memberships.withoutDelta(room);
    const place = offset === undefined ? {} : { fromOffset: offset, toOffset: offset };
    this.#tellMissed({ namespace, rooms: event.rooms, count: 1, epoch, ...place, cause: "delta" });
  }

  /** Whether a recovered event is one that a former session of this client sent, without hearing that it was taken. */
  #isEcho(event: Event): boolean {
    if (!this.#former.has(event.sender?.session ?? "")) return false;
    return this.#life.outbox.some(({ command }) => command.case === "emit" && isEcho(command.value, event));
  }

  #tell(event: Event, { rooms, before, past }: Placed): void {
    const answer = async (replyToken: string, given: { payload: Payload; contentType?: string } | { error: string }) => {
      const said = "error" in given
        ? { body: { case: "error" as const, value: given.error }, contentType: "" }
        : toBody(given.payload, given.contentType);
      const value = create(ReplySchema, { replyToken, ...said });
      const bytes = (typeof said.body.value === "string" ? said.body.value.length * 3 : said.body.value?.length ?? 0) + 512;
      const entry: Command = { command: { case: "reply", value }, bytes, lasts: "session", bounded: true, silent: true, fail: () => {} };
      this.#life.submit(entry);
    };
    this.namespace(event.namespace).tell(new RialtoEvent(event, answer, past), rooms, before);
  }

  #closed(error: RialtoError): void {
    this.#memberships.closed(error);
    for (const namespace of this.#namespaces.values()) namespace.end();
  }

  #assertOpen(): void {
    const { current } = this.status;
    if (current.state === "closed") throw current.error;
  }
}

function notSent(): RialtoError {
  return new RialtoError("OFFLINE", "there was no connection in time; nothing was sent", { retry: { advice: "later" } });
}

/** Whether an event is what an emit made, which wanted no event for its sender. */
function isEcho({ namespace, target, content }: Emit, event: Event): boolean {
  if (target?.includeSender || namespace !== event.namespace || content?.event !== event.content?.event) return false;
  if (!target?.rooms.some((room) => event.rooms.includes(room)) || content?.key !== event.content?.key) return false;
  const [sent, came] = [bodyBytes(content?.body), bodyBytes(event.content?.body)];
  return sent.length === came.length && sent.every((byte, index) => byte === came[index]);
}

function tellAll<A extends unknown[]>(listeners: Iterable<(...args: A) => void>, ...args: A): void {
  for (const fn of [...listeners]) {
    try {
      fn(...args);
    } catch (error) {
      report(error);
    }
  }
}
