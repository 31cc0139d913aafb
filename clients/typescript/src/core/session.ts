// A session: what an application holds while it is connected, through all reconnects. Ties the connection (`life.ts`),
// the memberships and the objects of the application together. Never touches a transport.

import { create } from "@bufbuild/protobuf";
import type { Event } from "../gen/rialto/v1/event_pb.js";
import { ReplySchema } from "../gen/rialto/v1/event_pb.js";
import type { ServerFrame } from "../gen/rialto/v1/frame_pb.js";
import { MessagingService } from "../gen/rialto/v1/messaging_pb.js";
import { unary, type CallLimits } from "./calls.js";
import type { Carrier } from "./carrier.js";
import { content, duration, emit, toAccepted, weight, type Accepted, type AskOptions, type EmitOptions, type TargetOptions } from "./command.js";
import { failure, refusal, RialtoError } from "./errors.js";
import { RialtoEvent, toBody, type Payload } from "./event.js";
import { Life } from "./life.js";
import { Memberships, type Moved } from "./membership.js";
import { Namespace } from "./namespace.js";
import { report, type Observable, type Unsubscribe } from "./observable.js";
import { settings, type SessionOptions, type Settings } from "./options.js";
import type { Command } from "./outbox.js";
import { ReplyStream, toReply, type Reply } from "./replies.js";
import type { CallOptions, Callee, Core, JoinOptions, Missed, Room, RoomsOptions, RoomsPage } from "./room.js";
import type { Status } from "./status.js";
import { bound, deferred, within, type Bound } from "./time.js";

const REPLY_TIMEOUT_MS = 5_000;
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

  constructor(carrier: Carrier, options: SessionOptions = {}) {
    this.#carrier = carrier;
    this.#settings = settings(options);
    this.#life = new Life(carrier, this.#settings, {
      greet: () => this.#memberships.greet(),
      welcomed: () => this.#memberships.welcomed(),
      heard: (frame) => this.#heard(frame),
      lost: () => this.#memberships.lost(),
      closed: (error) => this.#closed(error),
    });
    const sender = {
      send: (command: Command) => this.#sendOwn(command),
      sendFirst: (commands: readonly Command[]) => {
        this.#life.outbox.addFirst(commands);
        this.#life.pump();
      },
    };
    const find = (namespace: string, room: string) => this.namespace(namespace).room(room);
    this.#memberships = new Memberships(sender, find, (change, room) => tellAll(this.#moved, change, room));
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

  /** Hears of events that were dropped on their way to this session, in any namespace. */
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
      call: (namespace, callee, event, payload, options) => this.#call(namespace, callee, event, payload, options),
      rooms: (namespace, options) => this.#rooms(namespace, options),
    };
  }

  #limits(options: { timeoutMs?: number; signal?: AbortSignal }, what: string): Bound {
    return { timeoutMs: options.timeoutMs ?? this.#settings.commandTimeoutMs, signal: options.signal, what };
  }

  async #join(room: Room, options: JoinOptions): Promise<void> {
    this.#assertOpen();
    await within(this.#memberships.join(room, options.presence ?? false), this.#limits(options, "joining"));
  }

  async #part(room: Room): Promise<void> {
    this.#assertOpen();
    if (!this.#memberships.part(room)) return;
    const value = { $typeName: "rialto.v1.Part" as const, namespace: room.namespace, rooms: [room.name] };
    await this.#whenAttached({ case: "part", value });
  }

  /** Sends a command about membership; without a connection the next greeting says it. */
  async #whenAttached(command: Command["command"]): Promise<void> {
    this.#assertOpen();
    if (this.status.current.state !== "attached") return;
    try {
      await this.#command(command, 320, false, this.#limits({}, command.case ?? "a command"));
    } catch (error) {
      if ((error as RialtoError).code !== "CONNECTION_LOST") throw error;
    }
  }

  async #emit(namespace: string, to: TargetOptions, event: string, payload: Payload, options: EmitOptions): Promise<Accepted> {
    const value = emit(namespace, to, event, payload, options);
    const limits = this.#limits(options, `emitting "${event}"`);
    const frame = await this.#command({ case: "emit", value }, weight(value), !options.volatile, limits);
    if (frame.frame.case !== "accepted") throw new RialtoError("PROTOCOL", "the answer to an emit is none");
    return toAccepted(frame.frame.value);
  }

  /** Sends a command and waits for its answer, within bounds. */
  #command(command: Command["command"], bytes: number, waits: boolean, limits: Bound): Promise<ServerFrame> {
    const { promise, resolve, reject } = deferred<ServerFrame>();
    const entry: Command = {
      command,
      bytes,
      waits,
      answer: (frame) => {
        if (frame.frame.case === "refused") reject(refusal(frame.frame.value));
        else resolve(frame);
        return true;
      },
      fail: reject,
    };
    const clear = bound(limits, (error) => reject(this.#givenUp(entry, error)));
    try {
      this.#life.submit(entry);
    } catch (error) {
      reject(error);
    }
    return promise.finally(clear);
  }

  /** The error of a command whose time is up: one that was never sent has certainly had no effect. */
  #givenUp(entry: Command, error: RialtoError): RialtoError {
    const unsent = this.#life.outbox.drop(entry);
    if (!unsent || error.code !== "TIMED_OUT") return error;
    return new RialtoError("OFFLINE", "there was no connection in time; nothing was sent", { retry: { advice: "later" } });
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
        waits: true,
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

  async #call(namespace: string, callee: Callee, event: string, payload: Payload, options: CallOptions): Promise<Reply> {
    this.#assertOpen();
    const timeoutMs = options.timeoutMs ?? REPLY_TIMEOUT_MS;
    const request = {
      namespace,
      callee: "session" in callee
        ? { case: "session" as const, value: callee.session }
        : { case: "anyOf" as const, value: callee.anyOf },
      content: content(event, payload, options),
      timeout: duration(timeoutMs),
    };
    const { transport } = this.#carrier;
    const limits = { timeoutMs: timeoutMs + REPLY_SLACK_MS, signal: options.signal };
    const response = await this.#beside(limits, (call) => unary(transport, MessagingService.method.call, request, call));
    if (!response.reply) throw new RialtoError("PROTOCOL", "the answer to a call is none");
    return toReply(response.reply);
  }

  async #rooms(namespace: string, options: RoomsOptions): Promise<RoomsPage> {
    this.#assertOpen();
    const request = {
      namespace,
      prefix: options.prefix ?? "",
      pageSize: options.limit ?? 100,
      pageToken: options.pageToken ?? "",
    };
    // Fetched when first needed: most pages never look inside.
    const { DirectoryService } = await import("../gen/rialto/v1/directory_pb.js");
    const { transport } = this.#carrier;
    const limits = { timeoutMs: this.#settings.commandTimeoutMs, signal: options.signal };
    const page = await this.#beside(limits, (call) => unary(transport, DirectoryService.method.listRooms, request, call));
    return {
      rooms: page.rooms.map((room) => ({ name: room.room, memberCount: room.memberCount })),
      total: page.totalCount,
      nextPageToken: page.nextPageToken,
    };
  }

  /** A call beside the session, with its credentials. */
  async #beside<T>(limits: CallLimits, call: (limits: CallLimits) => Promise<T>): Promise<T> {
    const { token: source } = this.#settings;
    try {
      const token = typeof source === "string" ? source : await source(limits.signal ?? new AbortController().signal);
      return await call(token ? { ...limits, headers: { authorization: `Bearer ${token}` } } : limits);
    } catch (error) {
      throw failure(error);
    }
  }

  /** A command of the session's own: without a connection it is not needed. */
  #sendOwn(command: Command): void {
    try {
      this.#life.submit(command);
    } catch {
      // The next greeting says the same.
    }
  }

  #heard(frame: ServerFrame): void {
    const { frame: said } = frame;
    if (frame.ref !== 0 && this.#life.outbox.answer(frame)) return;
    if (said.case === "event") this.#tell(said.value);
    else if (said.case === "missed") {
      const missed: Missed = { namespace: said.value.namespace, rooms: [...said.value.rooms], count: said.value.count };
      for (const name of missed.rooms) this.namespace(missed.namespace).room(name).tellMissed(missed);
      tellAll(this.#missed, missed);
    } else if (frame.ref === 0) this.#memberships.heard(frame);
  }

  #tell(event: Event): void {
    const answer = async (replyToken: string, given: { payload: Payload; contentType?: string } | { error: string }) => {
      const said = "error" in given
        ? { body: { case: "error" as const, value: given.error }, contentType: "" }
        : toBody(given.payload, given.contentType);
      const value = create(ReplySchema, { replyToken, ...said });
      const bytes = (typeof said.body.value === "string" ? said.body.value.length * 3 : said.body.value?.length ?? 0) + 512;
      const entry: Command = { command: { case: "reply", value }, bytes, waits: false, fail: () => {} };
      this.#life.submit(entry);
    };
    this.namespace(event.namespace).tell(new RialtoEvent(event, answer));
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

function tellAll<A extends unknown[]>(listeners: Iterable<(...args: A) => void>, ...args: A): void {
  for (const fn of [...listeners]) {
    try {
      fn(...args);
    } catch (error) {
      report(error);
    }
  }
}
