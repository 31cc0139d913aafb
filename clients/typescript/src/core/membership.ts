// Which rooms and namespaces a session wants to be in, and which it is in. Composes the joins of a greeting, repeats
// what a new connection has to be told, and follows what the server says. Sends through the outbox only.

import { create } from "@bufbuild/protobuf";
import type { ServerFrame } from "../gen/rialto/v1/frame_pb.js";
import { JoinSchema, type Join, type Joined } from "../gen/rialto/v1/room_pb.js";
import { RialtoError, refusal } from "./errors.js";
import type { Command } from "./outbox.js";
import type { Room } from "./room.js";
import { deferred, type Deferred } from "./time.js";

const ROOMS_PER_JOIN = 64;
const JOINS_PER_HELLO = 16;

/** What a room wants. */
interface Seat {
  readonly room: Room;
  presence: boolean;
  /** Settled when the server has answered the join. */
  answer: Deferred<void>;
  /** A presence map with a hole is filled by joining again, once at a time. */
  refilling: boolean;
  /** Joins again later, when the server has said that it may work then. */
  later?: ReturnType<typeof setTimeout> | undefined;
}

/** Waits of joins that may work later are spread by this much. */
const SPREAD_MS = 500;

/** How commands leave. */
export interface Sender {
  /** Puts commands before all that wait, if there is a connection. */
  sendFirst(commands: readonly Command[]): void;
  /** Appends a command, if there is a connection. */
  send(command: Command): void;
}

/** Told of memberships that nobody here asked for. */
export type Moved = (change: "joined" | "parted", room: Room) => void;

/** The memberships of one session. */
export class Memberships {
  readonly #sender: Sender;
  readonly #find: (namespace: string, room: string) => Room;
  readonly #moved: Moved;
  readonly #seats = new Map<Room, Seat>();
  readonly #entered = new Set<string>();
  #attached = false;
  #greeted: Seat[][] = [];
  #answersDue: Seat[][] = [];

  constructor(sender: Sender, find: (namespace: string, room: string) => Room, moved: Moved) {
    this.#sender = sender;
    this.#find = find;
    this.#moved = moved;
  }

  /** Wants to be in a room; the promise settles with the server's answer. */
  join(room: Room, presence: boolean): Promise<void> {
    let seat = this.#seats.get(room);
    if (seat && (seat.presence || !presence)) return seat.answer.promise;
    if (seat) seat.presence = true;
    else this.#seats.set(room, (seat = { room, presence, answer: deferred(), refilling: false }));
    if (room.status.current.state === "in") seat.answer = deferred();
    else room.become({ state: "joining" });
    if (this.#attached) this.#sender.send(this.#joinCommand([seat]));
    return seat.answer.promise;
  }

  /** Wants to be out of a room. False when there is nothing to tell the server. */
  part(room: Room): boolean {
    const seat = this.#seats.get(room);
    clearTimeout(seat?.later);
    const known = this.#seats.delete(room) && this.#attached;
    seat?.answer.reject(new RialtoError("ABORTED", "the room was parted", { retry: { advice: "never" } }));
    room.become({ state: "out" });
    return known;
  }

  /** Wants to be in a namespace. */
  enter(namespace: string): void {
    this.#entered.add(namespace);
  }

  /** Wants to be out of a namespace. */
  leave(namespace: string): void {
    this.#entered.delete(namespace);
    for (const { room } of [...this.#seats.values()]) if (room.namespace === namespace) this.part(room);
  }

  /** The joins of a greeting. */
  greet(): Join[] {
    this.#greeted = this.#groups([...this.#seats.values()]).slice(0, JOINS_PER_HELLO);
    return this.#greeted.map(toJoin);
  }

  /** The session is new and in no room: tells it everything that the greeting did not. */
  welcomed(): void {
    this.#attached = true;
    this.#answersDue = this.#greeted;
    const told = new Set(this.#greeted.flat());
    const rest = [...this.#seats.values()].filter((seat) => !told.has(seat));
    const commands = this.#groups(rest).map((seats) => this.#joinCommand(seats));
    for (const namespace of this.#entered) {
      const command: Command["command"] = { case: "enter", value: { $typeName: "rialto.v1.Enter", namespace } };
      commands.unshift({ command, bytes: 160, waits: false, answer: () => true, fail: () => {} });
    }
    if (commands.length > 0) this.#sender.sendFirst(commands);
  }

  /** The stream is gone. */
  lost(): void {
    this.#attached = false;
    this.#answersDue = [];
    for (const seat of this.#seats.values()) {
      seat.refilling = false;
      clearTimeout(seat.later);
      if (seat.room.status.current.state === "in") {
        seat.answer = deferred();
        seat.room.become({ state: "recovering" });
      }
    }
  }

  /** The session is over. */
  closed(error: RialtoError): void {
    this.#attached = false;
    for (const { room, answer, later } of this.#seats.values()) {
      clearTimeout(later);
      answer.reject(error);
      room.become({ state: "out", error });
    }
    this.#seats.clear();
  }

  /** Takes a frame about membership that answers no command of this side. False when it is not one. */
  heard(frame: ServerFrame): boolean {
    const { frame: said } = frame;
    if (said.case === "joined") this.#joined(said.value, true);
    else if (said.case === "parted" || said.case === "left") this.#parted(said.value.namespace, said.value.rooms);
    else if (said.case === "refused" && this.#answersDue.length > 0) {
      this.#refused(this.#answersDue.shift() as Seat[], refusal(said.value));
    } else if (said.case === "presence") {
      const seat = this.#seats.get(this.#find(said.value.namespace, said.value.room));
      if (seat?.room.presence.apply(said.value) === false) this.#refill(seat);
    } else return false;
    return true;
  }

  #joined(joined: Joined, mayBeGreeting: boolean): void {
    const due = this.#answersDue[0];
    if (mayBeGreeting && due && same(due, joined)) this.#answersDue.shift();
    for (const state of joined.rooms) {
      const room = this.#find(joined.namespace, state.room);
      let seat = this.#seats.get(room);
      if (!seat) {
        // An answer to a join that was taken back meanwhile: its part is on the way.
        if (!mayBeGreeting) continue;
        this.#seats.set(room, (seat = { room, presence: false, answer: deferred(), refilling: false }));
        room.become({ state: "in" });
        this.#moved("joined", room);
      }
      seat.refilling = false;
      if (seat.presence) room.presence.reset(state);
      room.become({ state: "in" });
      seat.answer.resolve();
    }
  }

  #parted(namespace: string, rooms: readonly string[]): void {
    for (const name of rooms) {
      const room = this.#find(namespace, name);
      const seat = this.#seats.get(room);
      if (!seat) continue;
      this.#seats.delete(room);
      room.become({ state: "out", error: new RialtoError("PARTED", "the server has taken this session out of the room") });
      this.#moved("parted", room);
    }
  }

  /** A join was refused: all of its rooms or none, so each is tried by itself. What may work later is tried later. */
  #refused(seats: Seat[], error: RialtoError): void {
    const wanted = seats.filter((seat) => this.#seats.get(seat.room) === seat);
    if (seats.length > 1) {
      for (const seat of wanted) this.#sender.send(this.#joinCommand([seat]));
      return;
    }
    for (const seat of wanted) {
      if (error.retry.advice === "later") {
        const waitMs = (error.retry.afterMs ?? 1000) + Math.random() * SPREAD_MS;
        seat.later = setTimeout(() => this.#attached && this.#sender.send(this.#joinCommand([seat])), waitMs);
        continue;
      }
      if (seat.room.status.current.state === "in") {
        seat.answer.reject(error);
        continue;
      }
      this.#seats.delete(seat.room);
      seat.room.become({ state: "out", error });
      seat.answer.reject(error);
    }
  }

  #refill(seat: Seat): void {
    if (seat.refilling || seat.room.presence.current.count > 256) return;
    seat.refilling = true;
    this.#sender.send(this.#joinCommand([seat]));
  }

  #joinCommand(seats: Seat[]): Command {
    return {
      command: { case: "join", value: toJoin(seats) },
      bytes: 160 * (seats.length + 1),
      waits: false,
      answer: ({ frame }) => {
        if (frame.case === "joined") this.#joined(frame.value, false);
        else if (frame.case === "refused") this.#refused(seats, refusal(frame.value));
        return true;
      },
      // The next greeting joins again.
      fail: () => {},
    };
  }

  #groups(seats: Seat[]): Seat[][] {
    const groups = new Map<string, Seat[][]>();
    for (const seat of seats) {
      const key = `${seat.presence}\0${seat.room.namespace}`;
      const chunks = groups.get(key) ?? [];
      groups.set(key, chunks);
      const last = chunks.at(-1);
      if (last && last.length < ROOMS_PER_JOIN) last.push(seat);
      else chunks.push([seat]);
    }
    return [...groups.values()].flat();
  }
}

function toJoin(seats: Seat[]): Join {
  const first = seats[0] as Seat;
  const rooms = seats.map((seat) => seat.room.name);
  return create(JoinSchema, { namespace: first.room.namespace, rooms, presence: first.presence });
}

function same(seats: Seat[], joined: Joined): boolean {
  return (
    seats[0]?.room.namespace === joined.namespace &&
    seats.length === joined.rooms.length &&
    seats.every((seat, index) => seat.room.name === joined.rooms[index]?.room)
  );
}
