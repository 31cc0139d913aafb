// A namespace as an application holds it: its rooms, events to any target, calls, and everything that is heard in it.
// A thin object; the session does the work through `Core`.

import type { CallOptions, Callee } from "./calling.js";
import { onlyAnswer } from "./calling.js";
import type { Accepted, AskOptions, TargetOptions } from "./command.js";
import type { Payload, RialtoEvent } from "./event.js";
import type { NodesPage, RoomEntry, RoomsOptions } from "./directory.js";
import { Listeners, type EventsOptions, type Listener } from "./listeners.js";
import type { Unsubscribe } from "./observable.js";
import type { Reply, ReplyStream } from "./replies.js";
import { Room, type Core, type JoinedRoom, type JoinOptions } from "./room.js";
import type { EventName, Said, Untyped } from "./typed.js";

/** Something to emit to. */
export interface Destination<E extends object = Untyped> {
  /** Sends an event; resolves when the server has taken it. */
  emit<K extends EventName<E>>(event: K, ...said: Said<E[K]>): Promise<Accepted>;
  /** Sends an event and gathers answers. */
  emitWithReplies<K extends EventName<E>>(event: K, ...said: Said<E[K], AskOptions>): ReplyStream;
}

/** A namespace. `E` declares its events: what each of them says, by name. */
export class Namespace<E extends object = Untyped> {
  readonly name: string;
  readonly #core: Core;
  readonly #rooms = new Map<string, Room>();
  readonly #listeners: Listeners;

  constructor(core: Core, name: string) {
    this.#core = core;
    this.#listeners = new Listeners(core.patience);
    this.name = name;
  }

  /** A room; the same object for the same name. To reach many rooms without joining them, use `to`. */
  room(name: string): Room<E> {
    let room = this.#rooms.get(name);
    if (!room) this.#rooms.set(name, (room = new Room(this.#core, this.name, name)));
    return room as unknown as Room<E>;
  }

  /** Joins several rooms; each is what it is when it is joined alone. Rejects with the first that is refused. */
  join(rooms: readonly string[], options: JoinOptions = {}): Promise<JoinedRoom[]> {
    return Promise.all(rooms.map((name) => this.room(name).join(options)));
  }

  /** Parts several rooms; says which of them the session was in. */
  async part(rooms: readonly string[]): Promise<string[]> {
    const parted = await Promise.all(rooms.map((name) => this.room(name).part()));
    return rooms.filter((_, index) => parted[index]);
  }

  /** Enters the namespace without joining a room. Joining a room enters it too. */
  enter(): Promise<void> {
    return this.#core.enter(this.name);
  }

  /** Leaves the namespace and parts all its rooms. */
  leave(): Promise<void> {
    return this.#core.leave(this.name);
  }

  /** A destination: rooms, sessions, users, everyone, with exceptions. */
  to(target: TargetOptions): Destination<E> {
    return {
      emit: (event, ...[payload, options = {}]) => this.#core.emit(this.name, target, event, payload, options),
      emitWithReplies: (event, ...[payload, options = {}]) => this.#core.ask(this.name, target, event, payload, options),
    };
  }

  /** Asks one session, or any one member of a room, and returns the answer. */
  call(callee: Callee, event: string, payload?: Payload, options: CallOptions = {}): Promise<Reply> {
    const to = "session" in callee ? { sessions: [callee.session] } : callee;
    return onlyAnswer(this.#core.ask(this.name, to, event, payload, options));
  }

  /** A page of the rooms that have members. Needs the right to look inside. */
  rooms(options: RoomsOptions = {}): Promise<NodesPage<RoomEntry>> {
    return this.#core.beside.rooms(this.name, options);
  }

  /** Hears events of one name, from any room of the namespace and from none. */
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

  /** Hands over an event. Called by the session. */
  tell(event: RialtoEvent): void {
    this.#listeners.tell(event);
  }

  /** Ends all iterators. Called by the session. */
  end(): void {
    this.#listeners.end();
    for (const room of this.#rooms.values()) room.end();
  }
}
