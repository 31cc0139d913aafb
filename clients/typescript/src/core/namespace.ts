// A namespace as an application holds it: its rooms, events to any target, calls, and everything that is heard in it.
// A thin object; the session does the work through `Core`.

import type { CallOptions, Callee, RoomsOptions, RoomsPage } from "./beside.js";
import type { Accepted, AskOptions, EmitOptions, TargetOptions } from "./command.js";
import type { Payload, RialtoEvent } from "./event.js";
import { Listeners, type EventsOptions, type Listener } from "./listeners.js";
import type { Unsubscribe } from "./observable.js";
import type { Reply, ReplyStream } from "./replies.js";
import { Room, type Core } from "./room.js";

/** Something to emit to. */
export interface Destination {
  /** Sends an event; resolves when the server has taken it. */
  emit(event: string, payload?: Payload, options?: EmitOptions): Promise<Accepted>;
  /** Sends an event and gathers answers. */
  emitWithReplies(event: string, payload?: Payload, options?: AskOptions): ReplyStream;
}

/** A namespace. */
export class Namespace {
  readonly name: string;
  readonly #core: Core;
  readonly #rooms = new Map<string, Room>();
  readonly #listeners = new Listeners();

  constructor(core: Core, name: string) {
    this.#core = core;
    this.name = name;
  }

  /** A room; the same object for the same name. To reach many rooms without joining them, use `to`. */
  room(name: string): Room {
    let room = this.#rooms.get(name);
    if (!room) this.#rooms.set(name, (room = new Room(this.#core, this.name, name)));
    return room;
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
  to(target: TargetOptions): Destination {
    return {
      emit: (event, payload, options = {}) => this.#core.emit(this.name, target, event, payload, options),
      emitWithReplies: (event, payload, options = {}) => this.#core.ask(this.name, target, event, payload, options),
    };
  }

  /** Asks one session, or any one member of a room, and returns the answer. */
  call(callee: Callee, event: string, payload?: Payload, options: CallOptions = {}): Promise<Reply> {
    return this.#core.beside.call(this.name, callee, event, payload, options);
  }

  /** Lists rooms that have members. Needs the right to look inside. */
  rooms(options: RoomsOptions = {}): Promise<RoomsPage> {
    return this.#core.beside.rooms(this.name, options);
  }

  /** Hears events of one name, from any room of the namespace and from none. */
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

  /** Hands over an event: in these rooms, and here unless it was handed over before. Called by the session. */
  tell(event: RialtoEvent, rooms: readonly Room[], before: boolean): void {
    for (const room of rooms) room.tell(event);
    if (!before) this.#listeners.tell(event);
  }

  /** Ends all iterators. Called by the session. */
  end(): void {
    this.#listeners.end();
    for (const room of this.#rooms.values()) room.end();
  }
}
