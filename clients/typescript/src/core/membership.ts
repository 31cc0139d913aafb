// Which rooms and namespaces a session wants to be in, and which it is in. Composes the joins of a greeting, tells a new
// session what the former one knew, and follows what the server says. Sends through the outbox only.

import type { ServerFrame } from "../gen/rialto/v1/frame_pb.js";
import type { Event } from "../gen/rialto/v1/event_pb.js";
import { Recovery, type Join, type Joined, type RoomState } from "../gen/rialto/v1/room_pb.js";
import { RialtoError, refusal } from "./errors.js";
import type { Command } from "./outbox.js";
import type { Place } from "./position.js";
import type { Report } from "./reports.js";
import type { JoinedRoom, Room } from "./room.js";
import { enterCommand, groups, joinCommand, partCommand, same, Seat, toJoin, toJoined, type Wishes } from "./seat.js";
import { deferred } from "./time.js";

const JOINS_PER_HELLO = 16;
/** Waits of joins that may work later are spread by this much. */
const SPREAD_MS = 1_000;
/** The joins of a greeting are said once more when they are not answered in this time. */
const GREETING_MS = 10_000;
/** More members than this are counted, not named. */
const NAMED_MAX = 256;

/** What becomes of an event. */
export interface Placed {
  /** The rooms that it is handed to. */
  readonly rooms: readonly Room[];
  /** It was handed on before. */
  readonly before: boolean;
  /** It was said before the session was a member. */
  readonly past: boolean;
}

/** What memberships need of their session. */
export interface Around {
  /** Puts commands before all that wait. */
  sendFirst(commands: readonly Command[]): void;
  /** Appends a command. */
  send(command: Command): void;
  /** Takes back a command. */
  drop(command: Command): void;
  /** The room of this name. */
  find(namespace: string, room: string): Room;
  /** Something happened that the application may want to know. */
  report(told: Report): void;
  /** Another session took the place of the former, and events of these rooms in between may be missing. */
  mayMiss(namespace: string, rooms: readonly string[]): void;
}

/** The memberships of one session. */
export class Memberships {
  readonly #around: Around;
  readonly #seats = new Map<Room, Seat>();
  /** Namespaces that the session is to be in, also when it is in none of their rooms. */
  readonly #entered = new Set<string>();
  /** Positions in rooms that are not wanted any more, for those who come back to them. */
  readonly #last = new Map<Room, Place>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  /** There is a session, with or without a stream. */
  #begun = false;
  #greeted: Seat[][] = [];
  #answersDue: Seat[][] = [];

  constructor(around: Around) {
    this.#around = around;
  }

  /** There is a session to say something to. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Wants to be in a room; the promise settles with the server's answer. */
  join(room: Room, wishes: Wishes): Promise<JoinedRoom> {
    let seat = this.#seats.get(room);
    if (!seat) this.#seats.set(room, (seat = new Seat(room, wishes)));
    else if (!seat.wants(wishes)) return seat.answer.promise;
    const { state } = room.status.current;
    if (state === "in") seat.answer = deferred();
    else if (state === "out") room.become({ state: "joining" });
    if (this.#begun) this.#sendJoin([seat]);
    return seat.answer.promise;
  }

  /** Nobody waits any more for being in a room. True when the server was never asked: then it is not wanted either. */
  withdraw(room: Room): boolean {
    const seat = this.#seats.get(room);
    if (!seat || seat.asked || room.status.current.state !== "joining") return false;
    if (seat.command) this.#around.drop(seat.command);
    this.part(room);
    return true;
  }

  /** Wants to be out of a room. False when there is nothing to tell the server. */
  part(room: Room): boolean {
    const seat = this.#seats.get(room);
    const known = this.#forget(room) && this.#begun;
    seat?.answer.reject(new RialtoError("ABORTED", "the room was parted", { advice: "never" }));
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

  /** The joins of a greeting: of rooms that the application wants to be in. */
  greet(): Join[] {
    this.#greeted = groups([...this.#seats.values()].filter(({ own }) => own)).slice(0, JOINS_PER_HELLO);
    for (const seat of this.#greeted.flat()) seat.asked = true;
    return this.#greeted.map((seats) => toJoin(seats, true));
  }

  /** The session is new and in no room: tells it everything that the greeting did not. */
  afresh(): void {
    this.#begun = true;
    this.#clearTimers();
    for (const seat of [...this.#seats.values()]) {
      seat.member = seat.refilling = false;
      // Somebody else had put the former session there.
      if (!seat.own) this.part(seat.room);
    }
    const told = this.#greeted.flat();
    const seats = [...this.#seats.values()];
    const commands = groups(seats.filter((seat) => !told.includes(seat))).map((group) => this.#joinCommand(group));
    // Parted since the greeting.
    for (const { room } of told.filter((seat) => this.#seats.get(seat.room) !== seat)) commands.unshift(partCommand(room));
    const inRooms = new Set(seats.map(({ room }) => room.namespace));
    for (const namespace of this.#entered) if (!inRooms.has(namespace)) commands.unshift(this.#enterCommand(namespace));
    if (commands.length > 0) this.#around.sendFirst(commands);
    this.#await(this.#greeted);
  }

  /** The session goes on, in the rooms that it was in. */
  resumed(): void {
    for (const { member, room, answer, as } of this.#seats.values()) {
      if (!member || !as) continue;
      room.become({ state: "in", whole: true });
      answer.resolve(as);
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

  /** Which of its rooms an event is to be handed to, and whether it was handed on before. `own`: this side has said it, and
   * hears it only when it comes back in a recovery. */
  place(event: Event, own: boolean): Placed {
    const rooms: Room[] = [];
    let before = false;
    let past = false;
    for (const name of event.rooms) {
      const seat = this.#seats.get(this.#around.find(event.namespace, name));
      if (!seat?.member) continue;
      const { epoch, offset } = (event.offset === undefined ? event.positions.find((place) => place.room === name) : event) ?? {};
      const { position, room } = seat;
      const recovered = offset !== undefined && position.isPast(offset);
      past ||= recovered;
      const fresh = epoch === undefined || offset === undefined || position.heard(epoch, offset, event.rooms.length === 1);
      if (fresh && !(own && recovered)) rooms.push(room);
      else before = true;
    }
    // Of several rooms one that knows it is enough.
    return { rooms: before ? [] : rooms, before, past };
  }

  /** An emit was taken at these places, and does not come to this session as an event. */
  accepted(namespace: string, places: readonly { room: string; epoch: string; offset: bigint }[]): void {
    for (const { room, epoch, offset } of places) this.#at(namespace, room)?.position.accepted(epoch, offset);
  }

  /** The server said that events do not come. */
  missed(namespace: string, rooms: readonly string[], epoch: string, to: bigint): void {
    for (const room of rooms) this.#at(namespace, room)?.position.missed(epoch, to);
  }

  /** Joins a room again, once at a time: what the server has told of it has a hole. */
  rejoin(namespace: string, room: string): void {
    const seat = this.#at(namespace, room);
    if (!seat || seat.refilling) return;
    seat.refilling = true;
    this.#sendJoin([seat]);
  }

  /** The session is over. */
  closed(error: RialtoError): void {
    this.#begun = false;
    this.#clearTimers();
    for (const { room, answer } of [...this.#seats.values()]) {
      this.#forget(room);
      answer.reject(error);
      room.become({ state: "out", error });
    }
  }

  /** Takes a frame about membership that answers no command of this side. */
  heard({ frame: said }: ServerFrame): void {
    if (said.case === "joined") this.#unasked(said.value);
    else if (said.case === "parted" || said.case === "left") {
      if (said.case === "left") this.#entered.delete(said.value.namespace);
      this.#parted(said.value.namespace, said.value.rooms);
    } else if (said.case === "refused" && this.#answersDue.length > 0) {
      this.#refused(this.#answersDue.shift() as Seat[], refusal(said.value));
    } else if (said.case === "presence") {
      const { namespace, room, memberCount } = said.value;
      const seat = this.#at(namespace, room);
      if (seat?.room.presence.apply(said.value) === false && memberCount <= NAMED_MAX) this.rejoin(namespace, room);
    } else if (said.case === "stateChanges") {
      this.#at(said.value.namespace, said.value.room)?.room.state.apply(said.value);
    }
  }

  #at(namespace: string, room: string): Seat | undefined {
    return this.#seats.get(this.#around.find(namespace, room));
  }

  /** What a command of this side did not ask for: the greeting has, or somebody else. */
  #unasked(joined: Joined): void {
    const due = this.#answersDue[0];
    if (due && same(due, joined)) {
      this.#answersDue.shift();
      return this.#joined(joined);
    }
    for (const { room } of joined.rooms) {
      const found = this.#around.find(joined.namespace, room);
      if (!this.#seats.has(found)) this.#seats.set(found, new Seat(found));
    }
    this.#joined(joined);
    this.#around.report({ kind: "joined", namespace: joined.namespace, rooms: joined.rooms.map(({ room }) => room) });
  }

  #joined({ namespace, rooms }: Joined): void {
    const again: string[] = [];
    for (const state of rooms) {
      const seat = this.#at(namespace, state.room);
      // Parted meanwhile: its part is on the way.
      if (!seat) continue;
      const { room } = seat;
      if (seat.own) this.#entered.add(namespace);
      if (room.status.current.state === "recovering") again.push(room.name);
      seat.refilling = false;
      const whole = this.#member(seat, state);
      if (seat.wishes.presence) room.presence.reset(state);
      room.become({ state: "in", whole });
      seat.answer.resolve((seat.as = toJoined(state)));
    }
    if (again.length > 0) this.#around.report({ kind: "rejoined", namespace, rooms: again });
  }

  #forget(room: Room): boolean {
    const place = this.#seats.get(room)?.position.current;
    if (place) this.#last.set(room, place);
    return this.#seats.delete(room);
  }

  /** The session has become a member, unless it was one already. False when it was one before, and something of the time
   * between is or may be missing. */
  #member(seat: Seat, state: RoomState): boolean {
    if (seat.member) return true;
    const { was } = seat;
    const told = seat.position.joined(state, seat.wishes.newest);
    seat.member = seat.was = true;
    // What it has had of the history it is not given again.
    seat.wishes = { ...seat.wishes, newest: 0 };
    if (was && !told) this.#around.mayMiss(seat.room.namespace, [seat.room.name]);
    return !was || (told && state.recovery !== Recovery.PARTIAL && state.recovery !== Recovery.LOST);
  }

  #parted(namespace: string, rooms: readonly string[]): void {
    const error = new RialtoError("PARTED", "the server has taken this session out of the room");
    for (const name of rooms) {
      const room = this.#around.find(namespace, name);
      if (this.#forget(room)) room.become({ state: "out", error });
    }
    this.#around.report({ kind: "parted", namespace, rooms });
  }

  /** A join was refused: all of its rooms or none, so each is tried by itself. Where the session had been, what may work later is
   * tried later; a first join is its caller's to repeat. */
  #refused(seats: Seat[], error: RialtoError): void {
    const wanted = seats.filter((seat) => this.#seats.get(seat.room) === seat);
    if (seats.length > 1) {
      for (const seat of wanted) this.#sendJoin([seat]);
      return;
    }
    for (const seat of wanted) {
      const { room } = seat;
      const { state } = room.status.current;
      seat.refilling = false;
      if (state === "recovering" && error.advice === "later") {
        this.#later(error, () => this.#seats.get(room) === seat && this.#sendJoin([seat]));
        continue;
      }
      seat.answer.reject(error);
      if (state === "in") continue;
      this.#forget(room);
      room.become({ state: "out", error });
      if (state === "recovering") this.#around.report({ kind: "rejoin_refused", namespace: room.namespace, room: room.name, error });
    }
  }

  /** Says the joins of a greeting once more when they are not answered. */
  #await(greeted: Seat[][]): void {
    this.#answersDue = greeted;
    if (greeted.length === 0) return;
    this.#after(GREETING_MS, () => {
      for (const seats of this.#answersDue.splice(0)) this.#sendJoin(seats.filter((seat) => this.#seats.get(seat.room) === seat));
    });
  }

  /** Does something again when the server takes it again, and not at the same moment as everybody. */
  #later({ afterMs = 0 }: RialtoError, again: () => void): void {
    this.#after(afterMs + Math.random() * SPREAD_MS, () => this.#begun && again());
  }

  #after(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms);
    this.#timers.add(timer);
  }

  #clearTimers(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #sendJoin(seats: Seat[]): void {
    if (seats.length > 0) this.#around.send(this.#joinCommand(seats));
  }

  #joinCommand(seats: Seat[]): Command {
    return joinCommand(seats, ({ frame }) => {
      if (frame.case === "joined") this.#joined(frame.value);
      else if (frame.case === "refused") this.#refused(seats, refusal(frame.value));
    });
  }

  #enterCommand(namespace: string): Command {
    return enterCommand(namespace, (error) => {
      if (!this.#entered.has(namespace)) return;
      if (error.advice === "later") return this.#later(error, () => this.#around.send(this.#enterCommand(namespace)));
      this.#entered.delete(namespace);
      this.#around.report({ kind: "rejoin_refused", namespace, room: "", error });
    });
  }
}
