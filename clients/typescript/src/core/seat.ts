// A room that a session wants to be in or is in, and the commands about it. Decides nothing; `membership.ts` does.

import { create } from "../wire/message.js";
import type { ServerFrame } from "../gen/rialto/v1/frame_pb.js";
import { JoinSchema, type Join, type Joined, type RoomState } from "../gen/rialto/v1/room_pb.js";
import { refusal, type RialtoError } from "./errors.js";
import type { Command } from "./outbox.js";
import { Position, type Place } from "./position.js";
import type { JoinedRoom, Room } from "./room.js";
import { deferred } from "./time.js";

const ROOMS_PER_JOIN = 64;

/** What is asked for in a room. */
export interface Wishes {
  presence: boolean;
  state: boolean;
  delta: boolean;
  newest: number;
  recover?: Place | undefined;
}

const NONE: Wishes = { presence: false, state: false, delta: false, newest: 0 };

/** A room that is wanted, or that somebody else has put the session into. */
export class Seat {
  readonly room: Room;
  readonly position: Position;
  wishes: Wishes;
  /** The application wants it, not only somebody else. */
  own: boolean;
  /** Settled when the server has answered the join. */
  answer = deferred<JoinedRoom>();
  /** The room as the server has described it. */
  as: JoinedRoom | undefined;
  /** A join of it has left, with or without the answer. */
  asked = false;
  /** The join that waits to leave. */
  command: Command | undefined;
  /** A member in the present session; and in any. */
  member = false;
  was: boolean;
  /** A hole in what is known is filled by joining again, once at a time. */
  refilling = false;

  constructor(room: Room, wishes?: Wishes) {
    this.room = room;
    this.own = wishes !== undefined;
    this.wishes = wishes ?? NONE;
    this.was = wishes?.recover !== undefined;
    this.position = new Position(wishes?.recover);
  }

  /** Adds wishes; false when the server knows all of them. */
  wants(more: Wishes): boolean {
    const { presence, state, delta } = this.wishes;
    if (this.own && (presence || !more.presence) && (state || !more.state) && (delta || !more.delta)) return false;
    this.own = true;
    this.wishes = { ...this.wishes, presence: presence || more.presence, state: state || more.state, delta: delta || more.delta };
    return true;
  }
}

/** Seats that can share a join: of one namespace, with the same wishes. */
export function groups(seats: Seat[]): Seat[][] {
  const all = new Map<string, Seat[][]>();
  for (const seat of seats) {
    const { presence, state, delta, newest } = seat.wishes;
    const key = `${presence}\0${state}\0${delta}\0${newest}\0${seat.room.namespace}`;
    const chunks = all.get(key) ?? [];
    all.set(key, chunks);
    const last = chunks.at(-1);
    if (last && last.length < ROOMS_PER_JOIN) last.push(seat);
    else chunks.push([seat]);
  }
  return [...all.values()].flat();
}

/** A join in the protocol's form; `anew`: to a session that is in none of the rooms. */
export function toJoin(seats: Seat[], anew: boolean): Join {
  const { room, wishes } = seats[0] as Seat;
  const rooms = seats.map((seat) => seat.room.name);
  const { presence, state, delta } = wishes;
  // A member that joins again hears nothing twice.
  const fresh = seats.filter(({ member }) => anew || !member);
  const recover = fresh.flatMap((seat) => seat.position.toRecover(seat.room.name) ?? []);
  const newest = fresh.length > 0 ? wishes.newest : 0;
  return create(JoinSchema, { namespace: room.namespace, rooms, presence, state, delta, newest, recover });
}

/** A room as plain data. */
export function toJoined({ memberCount, userCount, epoch, offset, firstOffset }: RoomState): JoinedRoom {
  return {
    count: memberCount,
    users: userCount,
    epoch,
    ...(offset === undefined ? {} : { offset }),
    ...(firstOffset === undefined ? {} : { firstOffset }),
  };
}

/** A command about membership: another greeting says the same, so nothing is lost with it. */
function command(said: Command["command"], rooms: number, answer: (frame: ServerFrame) => void = () => {}): Command {
  const answered = (frame: ServerFrame) => {
    answer(frame);
    return true;
  };
  return { command: said, bytes: 160 * (rooms + 1), lasts: "session", answer: answered, fail: () => {} };
}

/** A join of rooms that can share one. */
export function joinCommand(seats: Seat[], answer: (frame: ServerFrame) => void): Command {
  const join = command({ case: "join", value: toJoin(seats, false) }, seats.length, answer);
  const sent = () => seats.forEach((seat) => (seat.asked = true));
  const whole = { ...join, sent };
  for (const seat of seats) seat.command = whole;
  return whole;
}

/** Parts a room. */
export function partCommand({ namespace, name }: Room): Command {
  return command({ case: "part", value: { namespace, rooms: [name] } }, 1);
}

/** Enters a namespace; `refused` hears that it cannot. */
export function enterCommand(namespace: string, refused: (error: RialtoError) => void): Command {
  return command({ case: "enter", value: { namespace } }, 0, ({ frame }) => {
    if (frame.case === "refused") refused(refusal(frame.value));
  });
}

/** Whether a join was answered by this. */
export function same(seats: Seat[], joined: Joined): boolean {
  return (
    seats[0]?.room.namespace === joined.namespace &&
    seats.length === joined.rooms.length &&
    seats.every((seat, index) => seat.room.name === joined.rooms[index]?.room)
  );
}
