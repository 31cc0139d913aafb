// A room as an application holds it: join, part, emit, listen, see who is there. A thin object; the session does the
// work through `Core`. What the server says about the room is kept here by `membership.ts`.

import type { Accepted, AskOptions, EmitOptions, TargetOptions } from "./command.js";
import type { Payload, RialtoEvent } from "./event.js";
import type { RialtoError } from "./errors.js";
import { Listeners, type EventsOptions, type Listener } from "./listeners.js";
import { Value, type Observable, type Unsubscribe } from "./observable.js";
import { PresenceMap } from "./presence.js";
import type { Reply, ReplyStream } from "./replies.js";

/** How a room is joined. */
export interface JoinOptions {
  /** Ask who is there and be told who comes and goes. */
  presence?: boolean;
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** Whether this session is in the room. */
export type RoomStatus =
  /** Not a member; `error` says why when that was not asked for. */
  | { readonly state: "out"; readonly error?: RialtoError }
  | { readonly state: "joining" }
  | { readonly state: "in" }
  /** The connection was lost; the room is joined again with the next one. */
  | { readonly state: "recovering" };

/** What rooms and namespaces need of their session. */
export interface Core {
  join(room: Room, options: JoinOptions): Promise<void>;
  part(room: Room): Promise<void>;
  enter(namespace: string): Promise<void>;
  leave(namespace: string): Promise<void>;
  emit(namespace: string, to: TargetOptions, event: string, payload: Payload, options: EmitOptions): Promise<Accepted>;
  ask(namespace: string, to: TargetOptions, event: string, payload: Payload, options: AskOptions): ReplyStream;
  call(namespace: string, callee: Callee, event: string, payload: Payload, options: CallOptions): Promise<Reply>;
  rooms(namespace: string, options: RoomsOptions): Promise<RoomsPage>;
}

/** Whom to ask: one session, or any one member of a room. */
export type Callee = { readonly session: string } | { readonly anyOf: string };

/** How one session is asked. */
export interface CallOptions {
  headers?: Readonly<Record<string, string>>;
  contentType?: string;
  /** How long to wait for the answer. Default 5 s, at most 60 s. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** Which rooms to list. */
export interface RoomsOptions {
  prefix?: string;
  /** At most this many. Default 100. */
  limit?: number;
  /** From the page before. */
  pageToken?: string;
  signal?: AbortSignal;
}

/** Rooms that have members. */
export interface RoomsPage {
  readonly rooms: readonly { readonly name: string; readonly memberCount: number }[];
  readonly total: number;
  /** Set when there are more. */
  readonly nextPageToken: string;
}

/** Events for this room were dropped on their way, because this session was behind. */
export interface Missed {
  readonly namespace: string;
  readonly rooms: readonly string[];
  readonly count: number;
}

/** A room. */
export class Room {
  readonly namespace: string;
  readonly name: string;
  /** Who is there; filled when joined with `presence`. */
  readonly presence = new PresenceMap();
  readonly #core: Core;
  readonly #listeners = new Listeners();
  readonly #missed = new Set<(missed: Missed) => void>();
  readonly #status = new Value<RoomStatus>({ state: "out" });

  constructor(core: Core, namespace: string, name: string) {
    this.#core = core;
    this.namespace = namespace;
    this.name = name;
  }

  /** Whether this session is in the room. */
  get status(): Observable<RoomStatus> {
    return this.#status;
  }

  /**
   * Joins; resolves when the session is a member. From then on the room is wanted: it is joined again after a lost
   * connection, and when the server was only too busy, until `part`. A `TIMED_OUT` ends the waiting, not the wanting.
   */
  join(options: JoinOptions = {}): Promise<void> {
    return this.#core.join(this, options);
  }

  /** Parts; after it resolves nothing more from the room is heard. */
  part(): Promise<void> {
    return this.#core.part(this);
  }

  /** Sends an event to the members; resolves when the server has taken it. */
  emit(event: string, payload?: Payload, options: EmitOptions = {}): Promise<Accepted> {
    return this.#core.emit(this.namespace, { rooms: [this.name] }, event, payload, options);
  }

  /** Sends an event to the members and gathers their answers. */
  emitWithReplies(event: string, payload?: Payload, options: AskOptions = {}): ReplyStream {
    return this.#core.ask(this.namespace, { rooms: [this.name] }, event, payload, options);
  }

  /** Hears events of one name. */
  on(event: string, fn: Listener): Unsubscribe {
    return this.#listeners.on(event, fn);
  }

  /** Hears the next event of one name. */
  once(event: string, fn: Listener): Unsubscribe {
    return this.#listeners.once(event, fn);
  }

  /** Hears events whose name begins so. */
  onPrefix(prefix: string, fn: Listener): Unsubscribe {
    return this.#listeners.onPrefix(prefix, fn);
  }

  /** Hears all events. */
  onAny(fn: Listener): Unsubscribe {
    return this.#listeners.onAny(fn);
  }

  /** Events to iterate over. */
  events(options: EventsOptions = {}): AsyncIterableIterator<RialtoEvent> {
    return this.#listeners.events(options);
  }

  /** Hears of events that were dropped on their way to this session. */
  onMissed(fn: (missed: Missed) => void): Unsubscribe {
    this.#missed.add(fn);
    return () => void this.#missed.delete(fn);
  }

  /** Changes the status. Called by the session. */
  become(status: RoomStatus): void {
    if (status.state !== this.#status.current.state || status.state === "out") this.#status.set(status);
    if (status.state === "out") this.presence.clear();
  }

  /** Hands over an event. Called by the session. */
  tell(event: RialtoEvent): void {
    this.#listeners.tell(event);
  }

  /** Hands over a notice. Called by the session. */
  tellMissed(missed: Missed): void {
    for (const fn of [...this.#missed]) fn(missed);
  }

  /** Ends all iterators. Called by the session. */
  end(): void {
    this.#listeners.end();
  }
}
