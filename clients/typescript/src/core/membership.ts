// Which rooms and namespaces a session wants to be in, and which it is in. Composes the joins of a greeting, tells a new
// session what the former one knew, and follows what the server says. Sends through the outbox only.

import { create } from "@bufbuild/protobuf";
import type { ServerFrame } from "../gen/rialto/v1/frame_pb.js";
import type { Event } from "../gen/rialto/v1/event_pb.js";
import { JoinSchema, Recovery, type Join, type Joined, type RoomState } from "../gen/rialto/v1/room_pb.js";
import { RialtoError, refusal } from "./errors.js";
import type { Command } from "./outbox.js";
import { Position, type Place } from "./position.js";
import type { Room } from "./room.js";
import { deferred, type Deferred } from "./time.js";

const ROOMS_PER_JOIN = 64;
const JOINS_PER_HELLO = 16;

/** What is asked for in a room. */
export interface Wishes {
  presence: boolean;
  state: boolean;
  delta: boolean;
  newest: number;
  recover?: Place | undefined;
}

/** What becomes of an event. */
export interface Placed {
  /** The rooms that it is handed to. */
  readonly rooms: readonly Room[];
  /** It was handed on before. */
  readonly before: boolean;
  /** It was said before the session was a member. */
  readonly past: boolean;
}

/** A room that is wanted. */
interface Seat {
  readonly room: Room;
  readonly position: Position;
  wishes: Wishes;
  /** Settled when the server has answered the join. */
  answer: Deferred<void>;
  /** A member in the present session; and in any. */
  member: boolean;
  was: boolean;
  /** A presence map with a hole is filled by joining again, once at a time. */
  refilling: boolean;
  /** Joins again later, when the server has said that it may work then. */
  later?: ReturnType<typeof setTimeout> | undefined;
}

/** Waits of joins that may work later are spread by this much. */
const SPREAD_MS = 500;

/** What memberships need of their session. */
export interface Around {
  /** Puts commands before all that wait. */
  sendFirst(commands: readonly Command[]): void;
  /** Appends a command. */
  send(command: Command): void;
  /** The room of this name. */
  find(namespace: string, room: string): Room;
  /** A membership that nobody here asked for has begun or ended. */
  moved(change: "joined" | "parted", room: Room): void;
  /** Another session took the place of the former, and events of these rooms in between may be missing. */
  mayMiss(namespace: string, rooms: readonly string[]): void;
}

/** Told of memberships that nobody here asked for. */
export type Moved = Around["moved"];

/** The memberships of one session. */
export class Memberships {
  readonly #around: Around;
  readonly #seats = new Map<Room, Seat>();
  readonly #entered = new Set<string>();
  /** Positions in rooms that are not wanted any more, for those who come back to them. */
  readonly #last = new Map<Room, Place>();
  /** There is a session, with or without a stream. */
  #begun = false;
  #greeted: Seat[][] = [];
  #answersDue: Seat[][] = [];

  constructor(around: Around) {
    this.#around = around;
  }

  /** Wants to be in a room; the promise settles with the server's answer. */
  join(room: Room, wishes: Wishes): Promise<void> {
    let seat = this.#seats.get(room);
    if (seat) {
      const { presence, state, delta } = seat.wishes;
      if ((presence || !wishes.presence) && (state || !wishes.state) && (delta || !wishes.delta)) return seat.answer.promise;
      seat.wishes = { ...seat.wishes, presence: presence || wishes.presence, state: state || wishes.state, delta: delta || wishes.delta };
    } else this.#seats.set(room, (seat = this.#seat(room, wishes)));
    if (room.status.current.state === "in") seat.answer = deferred();
    else if (room.status.current.state === "out") room.become({ state: "joining" });
    if (this.#begun) this.#around.send(this.#joinCommand([seat]));
    return seat.answer.promise;
  }

  /** Wants to be out of a room. False when there is nothing to tell the server. */
  part(room: Room): boolean {
    const seat = this.#seats.get(room);
    clearTimeout(seat?.later);
    const known = this.#forget(room) && this.#begun;
    seat?.answer.reject(new RialtoError("ABORTED", "the room was parted", { retry: { advice: "never" } }));
    room.become({ state: "out" });
    return known;
  }

  /** How far the history of a room was handed on. */
  position(room: Room): Place | undefined {
    return this.#seats.get(room)?.position.current ?? this.#last.get(room);
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
    return this.#greeted.map((seats) => toJoin(seats, true));
  }

  /** The session is new and in no room: tells it everything that the greeting did not. */
  afresh(mayMiss: boolean): void {
    this.#begun = true;
    this.#answersDue = this.#greeted;
    const seats = [...this.#seats.values()];
    for (const seat of seats) {
      seat.member = seat.refilling = false;
      clearTimeout(seat.later);
    }
    const told = this.#greeted.flat();
    const commands = this.#groups(seats.filter((seat) => !told.includes(seat))).map((group) => this.#joinCommand(group));
    // Parted since the greeting.
    for (const { room } of told.filter((seat) => this.#seats.get(seat.room) !== seat)) commands.unshift(partCommand(room));
    for (const namespace of this.#entered) {
      const command: Command["command"] = { case: "enter", value: { $typeName: "rialto.v1.Enter", namespace } };
      commands.unshift({ command, bytes: 160, lasts: "session", answer: () => true, fail: () => {} });
    }
    if (commands.length > 0) this.#around.sendFirst(commands);
    if (!mayMiss) return;
    // What was sent to sessions, users or everyone is in no room's history.
    const namespaces = new Set(seats.filter(({ was }) => was).map(({ room }) => room.namespace));
    for (const namespace of new Set([...this.#entered, ...namespaces])) this.#around.mayMiss(namespace, []);
  }

  /** The session goes on, in the rooms that it was in. */
  resumed(): void {
    for (const { member, room, answer } of this.#seats.values()) {
      if (!member) continue;
      room.become({ state: "in", whole: true });
      answer.resolve();
    }
  }

  /** The stream is gone; the session may go on with another one, or is over. */
  lost(mayGoOn: boolean): void {
    this.#begun &&= mayGoOn;
    if (!mayGoOn) this.#answersDue = [];
    for (const seat of this.#seats.values()) {
      if (seat.room.status.current.state === "in") {
        seat.answer = deferred();
        seat.room.become({ state: "recovering" });
      }
    }
  }

  /** Which of its rooms an event is to be handed to, and whether it was handed on before. `own`: it is an echo. */
  place(event: Event, own: boolean): Placed {
    const rooms: Room[] = [];
    let before = own;
    let past = false;
    for (const name of event.rooms) {
      const room = this.#around.find(event.namespace, name);
      const seat = this.#seats.get(room);
      if (!seat?.member) continue;
      const { epoch, offset } = (event.offset === undefined ? event.positions.find((place) => place.room === name) : event) ?? {};
      const fresh = epoch === undefined || offset === undefined || seat.position.heard(epoch, offset, event.rooms.length === 1);
      if (!fresh) before = true;
      else if (!own) rooms.push(room);
      past ||= offset !== undefined && seat.position.isPast(offset);
    }
    return { rooms, before, past };
  }

  /** An emit was taken at these places, and does not come to this session as an event. */
  accepted(namespace: string, places: readonly { room: string; epoch: string; offset: bigint }[]): void {
    for (const { room, epoch, offset } of places) {
      this.#seats.get(this.#around.find(namespace, room))?.position.accepted(epoch, offset);
    }
  }

  /** The server said that events do not come. */
  missed(namespace: string, rooms: readonly string[], epoch: string, to: bigint): void {
    for (const room of rooms) this.#seats.get(this.#around.find(namespace, room))?.position.missed(epoch, to);
  }

  /** A room whose deltas cannot be read is asked for whole payloads. */
  withoutDelta(room: Room): void {
    const seat = this.#seats.get(room);
    if (!seat?.wishes.delta) return;
    seat.wishes = { ...seat.wishes, delta: false };
    this.#around.send(this.#joinCommand([seat]));
  }

  /** The session is over. */
  closed(error: RialtoError): void {
    this.#begun = false;
    for (const { room, answer, later } of [...this.#seats.values()]) {
      clearTimeout(later);
      this.#forget(room);
      answer.reject(error);
      room.become({ state: "out", error });
    }
  }

  /** Takes a frame about membership that answers no command of this side. False when it is not one. */
  heard(frame: ServerFrame): boolean {
    const { frame: said } = frame;
    if (said.case === "joined") this.#joined(said.value, true);
    else if (said.case === "parted" || said.case === "left") this.#parted(said.value.namespace, said.value.rooms);
    else if (said.case === "refused" && this.#answersDue.length > 0) {
      this.#refused(this.#answersDue.shift() as Seat[], refusal(said.value));
    } else if (said.case === "presence") {
      const seat = this.#seats.get(this.#around.find(said.value.namespace, said.value.room));
      if (seat?.room.presence.apply(said.value) === false) this.#refill(seat);
    } else if (said.case === "stateChanges") {
      this.#seats.get(this.#around.find(said.value.namespace, said.value.room))?.room.state.apply(said.value);
    } else return false;
    return true;
  }

  #joined(joined: Joined, mayBeGreeting: boolean): void {
    const due = this.#answersDue[0];
    const greeting = mayBeGreeting && due !== undefined && same(due, joined);
    if (greeting) this.#answersDue.shift();
    for (const state of joined.rooms) {
      const room = this.#around.find(joined.namespace, state.room);
      let seat = this.#seats.get(room);
      if (!seat) {
        // An answer to a join that was taken back meanwhile: its part is on the way.
        if (greeting || !mayBeGreeting) continue;
        this.#seats.set(room, (seat = this.#seat(room, { presence: false, state: false, delta: false, newest: 0 })));
        room.become({ state: "in", whole: this.#member(seat, state) });
        this.#around.moved("joined", room);
      }
      seat.refilling = false;
      const whole = this.#member(seat, state);
      if (seat.wishes.presence) room.presence.reset(state);
      room.become({ state: "in", whole });
      seat.answer.resolve();
    }
  }

  #forget(room: Room): boolean {
    const place = this.#seats.get(room)?.position.current;
    if (place) this.#last.set(room, place);
    return this.#seats.delete(room);
  }

  #seat(room: Room, wishes: Wishes): Seat {
    const position = new Position(wishes.recover);
    return { room, position, wishes, answer: deferred(), member: false, was: wishes.recover !== undefined, refilling: false };
  }

  /** The session has become a member, unless it was one already. False when it was one before, and something of the time
   * between is or may be missing. */
  #member(seat: Seat, state: RoomState): boolean {
    if (seat.member) return true;
    const { was } = seat;
    const told = seat.position.joined(state, seat.wishes.newest);
    seat.member = seat.was = true;
    if (was && !told) this.#around.mayMiss(seat.room.namespace, [seat.room.name]);
    return !was || (told && state.recovery !== Recovery.PARTIAL && state.recovery !== Recovery.LOST);
  }

  #parted(namespace: string, rooms: readonly string[]): void {
    for (const name of rooms) {
      const room = this.#around.find(namespace, name);
      const seat = this.#seats.get(room);
      if (!seat) continue;
      this.#forget(room);
      room.become({ state: "out", error: new RialtoError("PARTED", "the server has taken this session out of the room") });
      this.#around.moved("parted", room);
    }
  }

  /** A join was refused: all of its rooms or none, so each is tried by itself. What may work later is tried later. */
  #refused(seats: Seat[], error: RialtoError): void {
    const wanted = seats.filter((seat) => this.#seats.get(seat.room) === seat);
    if (seats.length > 1) {
      for (const seat of wanted) this.#around.send(this.#joinCommand([seat]));
      return;
    }
    for (const seat of wanted) {
      if (error.retry.advice === "later") {
        const waitMs = (error.retry.afterMs ?? 1000) + Math.random() * SPREAD_MS;
        seat.later = setTimeout(() => this.#begun && this.#around.send(this.#joinCommand([seat])), waitMs);
        continue;
      }
      if (seat.room.status.current.state === "in") {
        seat.answer.reject(error);
        continue;
      }
      this.#forget(seat.room);
      seat.room.become({ state: "out", error });
      seat.answer.reject(error);
    }
  }

  #refill(seat: Seat): void {
    if (seat.refilling || seat.room.presence.current.count > 256) return;
    seat.refilling = true;
    this.#around.send(this.#joinCommand([seat]));
  }

  #joinCommand(seats: Seat[]): Command {
    return {
      command: { case: "join", value: toJoin(seats, false) },
      bytes: 160 * (seats.length + 1),
      lasts: "session",
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
      const { presence, state, delta, newest } = seat.wishes;
      const key = `${presence}\0${state}\0${delta}\0${newest}\0${seat.room.namespace}`;
      const chunks = groups.get(key) ?? [];
      groups.set(key, chunks);
      const last = chunks.at(-1);
      if (last && last.length < ROOMS_PER_JOIN) last.push(seat);
      else chunks.push([seat]);
    }
    return [...groups.values()].flat();
  }
}

function toJoin(seats: Seat[], anew: boolean): Join {
  const { room, wishes } = seats[0] as Seat;
  const rooms = seats.map((seat) => seat.room.name);
  const { presence, state, delta } = wishes;
  // A member that joins again hears nothing twice.
  const fresh = seats.filter(({ member }) => anew || !member);
  const recover = fresh.flatMap((seat) => seat.position.toRecover(seat.room.name) ?? []);
  const newest = fresh.length > 0 ? wishes.newest : 0;
  return create(JoinSchema, { namespace: room.namespace, rooms, presence, state, delta, newest, recover });
}

function partCommand({ namespace, name }: Room): Command {
  const value = { $typeName: "rialto.v1.Part" as const, namespace, rooms: [name] };
  return { command: { case: "part", value }, bytes: 320, lasts: "session", answer: () => true, fail: () => {} };
}

function same(seats: Seat[], joined: Joined): boolean {
  return (
    seats[0]?.room.namespace === joined.namespace &&
    seats.length === joined.rooms.length &&
    seats.every((seat, index) => seat.room.name === joined.rooms[index]?.room)
  );
}
