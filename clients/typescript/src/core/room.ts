// A room as an application holds it: join, part, emit, listen, see who is there. A thin object; the session does the
// work through `Core`. What the server says about the room is kept here by `membership.ts`.

import type { Beside } from "./beside.js";
import type { Accepted, AskOptions, EmitOptions, TargetOptions } from "./command.js";
import type { Payload, RialtoEvent } from "./event.js";
import type { RialtoError } from "./errors.js";
import { History, type HistoryOptions } from "./history.js";
import type { RoomName } from "./kept.js";
import { Listeners, type EventsOptions, type Listener, type Patience } from "./listeners.js";
import { report, Value, type Observable, type Unsubscribe } from "./observable.js";
import type { Place } from "./position.js";
import { PresenceMap } from "./presence.js";
import type { ReplyStream } from "./replies.js";
import { StateMap, type SetOptions, type StateSet } from "./state.js";
import type { EventName, Said, Untyped } from "./typed.js";

/** How a room is joined. */
export interface JoinOptions {
  /** Ask who is there and be told who comes and goes. */
  presence?: boolean;
  /** Hand over the newest so many events of its history first. At most 300. */
  newest?: number;
  /** Hand over what came after this place of its history first, as after a lost connection. */
  recover?: Place;
  /** Follow its keyed state. */
  state?: boolean;
  /** Let payloads come as differences to earlier ones; they are whole again when they are handed over. */
  delta?: boolean;
  /** Longest wait for the server's answer, connecting included. Default: the session's `deadlineMs`. */
  deadlineMs?: number;
  signal?: AbortSignal;
}

/** A room as a new member finds it. */
export interface JoinedRoom {
  /** How many sessions and how many users are in it, this one included. */
  readonly count: number;
  readonly users: number;
  /** Which life of its history offsets count in; empty when it keeps none. */
  readonly epoch: string;
  /** The last event of its history; absent when it keeps none. */
  readonly offset?: bigint;
  /** The oldest event that is kept. */
  readonly firstOffset?: bigint;
}

/** Whether this session is in the room. */
export type RoomStatus =
  /** Not a member; `error` says why when that was not asked for. */
  | { readonly state: "out"; readonly error?: RialtoError }
  | { readonly state: "joining" }
  /** A member; `whole` is false when it was one before, and something of the time between is or may be missing. */
  | { readonly state: "in"; readonly whole: boolean }
  /** The connection was lost; the room is joined again with the next one. */
  | { readonly state: "recovering" };

/** What rooms and namespaces need of their session. */
export interface Core {
  readonly beside: Beside;
  readonly patience: Patience;
  join(room: Room<any>, options: JoinOptions): Promise<JoinedRoom>;
  part(room: Room<any>): Promise<boolean>;
  enter(namespace: string): Promise<void>;
  leave(namespace: string): Promise<void>;
  emit(namespace: string, to: TargetOptions, event: string, payload: Payload, options: EmitOptions): Promise<Accepted>;
  ask(namespace: string, to: TargetOptions, event: string, payload: Payload, options: AskOptions): ReplyStream;
  position(room: Room<any>): Place | undefined;
  setState(room: Room<any>, key: string, value: Payload | undefined, options: SetOptions): Promise<StateSet>;
}

/** Events that should have come and do not, or may not. */
export interface Missed {
  readonly namespace: string;
  /** The rooms they were sent to; empty for events to sessions, users or everyone. */
  readonly rooms: readonly string[];
  /** How many; zero when that is not known. */
  readonly count: number;
  /** The first and the last of them, in rooms with history. */
  readonly fromOffset?: bigint;
  readonly toOffset?: bigint;
  /** Which life of the history offsets count in. */
  readonly epoch: string;
  /** `said`: the server said so. `afresh`: a new session took the place of one that was lost, and there is no history that
   * could tell, so there may have been none. `delta`: an event came that cannot be read. */
  readonly cause: "said" | "afresh" | "delta";
}

/** A room. `E` declares its events: what each of them says, by name. */
export class Room<E extends object = Untyped> {
  readonly namespace: string;
  readonly name: string;
  /** Who is there; filled when joined with `presence`. */
  readonly presence: PresenceMap;
  /** Its keyed state; followed when joined with `state`. */
  readonly state: StateMap;
  readonly #core: Core;
  readonly #names: RoomName;
  readonly #listeners: Listeners;
  readonly #missed = new Set<(missed: Missed) => void>();
  readonly #status = new Value<RoomStatus>({ state: "out" });

  constructor(core: Core, namespace: string, name: string) {
    this.#core = core;
    this.#listeners = new Listeners(core.patience);
    this.namespace = namespace;
    this.name = name;
    this.#names = { namespace, room: name };
    this.presence = new PresenceMap(() => core.beside.presence(this.#names));
    this.state = new StateMap({
      asks: () => core.beside.state(this.#names),
      set: (key, value, options) => core.setState(this, key, value, options),
      follow: () => core.join(this, { state: true }),
    });
  }

  /** Whether this session is in the room. */
  get status(): Observable<RoomStatus> {
    return this.#status;
  }

  /**
   * Joins; resolves when the session is a member, with the room as it is then. From then on the room is wanted: it is joined again
   * after a lost connection, until `part`. A refusal leaves it out. A `TIMED_OUT` ends the waiting, not the wanting.
   */
  join(options: JoinOptions = {}): Promise<JoinedRoom> {
    return this.#core.join(this, options);
  }

  /** Parts; after it resolves nothing more from the room is heard. False when the session was not in it. */
  part(): Promise<boolean> {
    return this.#core.part(this);
  }

  /** Sends an event to the members; resolves when the server has taken it. */
  emit<K extends EventName<E>>(event: K, ...[payload, options = {}]: Said<E[K]>): Promise<Accepted> {
    return this.#core.emit(this.namespace, { rooms: [this.name] }, event, payload, options);
  }

  /** Sends an event to the members and gathers their answers. */
  emitWithReplies<K extends EventName<E>>(event: K, ...[payload, options = {}]: Said<E[K], AskOptions>): ReplyStream {
    return this.#core.ask(this.namespace, { rooms: [this.name] }, event, payload, options);
  }

  /** Hears events of one name. */
  on<K extends EventName<E>>(event: K, fn: Listener<E[K]>): Unsubscribe {
    return this.#listeners.on(event, fn);
  }

  /** Hears the next event of one name. */
  once<K extends EventName<E>>(event: K, fn: Listener<E[K]>): Unsubscribe {
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
  events<K extends EventName<E>>(options: EventsOptions<K> = {}): AsyncIterableIterator<RialtoEvent<E[K]>> {
    return this.#listeners.events(options);
  }

  /** Pages of its history; the room need not be joined. */
  history(options: HistoryOptions = {}): History {
    return new History(this.#core.beside.history(this.#names, options), options);
  }

  /** How far its history was handed over; absent when it keeps none. Good for `recover`, in another session too. */
  get position(): Place | undefined {
    return this.#core.position(this);
  }

  /** Hears of events that do not, or may not, come. */
  onMissed(fn: (missed: Missed) => void): Unsubscribe {
    this.#missed.add(fn);
    return () => void this.#missed.delete(fn);
  }

  /** Changes the status. Called by the session. */
  become(status: RoomStatus): void {
    if (status.state !== this.#status.current.state || status.state === "out") this.#status.set(status);
    if (status.state !== "out") return;
    this.presence.clear();
    this.state.clear();
  }

  /** Hands over an event. Called by the session. */
  tell(event: RialtoEvent): void {
    this.#listeners.tell(event);
  }

  /** Hands over a notice. Called by the session. */
  tellMissed(missed: Missed): void {
    for (const fn of [...this.#missed]) {
      try {
        fn(missed);
      } catch (error) {
        report(error);
      }
    }
  }

  /** Ends all iterators. Called by the session. */
  end(): void {
    this.#listeners.end();
    this.state.end();
  }
}
