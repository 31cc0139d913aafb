// How far the history of one room was handed to the application. Never ahead of that: what comes out of turn (answers to
// own emits, events of several rooms during a recovery) is noted by itself and counted when its turn comes. Pure.

import { create } from "../wire/message.js";
import { RoomPositionSchema, type RoomPosition } from "../gen/rialto/v1/event_pb.js";
import { Recovery, type RoomState } from "../gen/rialto/v1/room_pb.js";

/** Most offsets that are noted out of turn. */
const EARLY_MAX = 4096;

/** A place in the history of a room. */
export interface Place {
  /** Which life of the history the offset counts in. */
  readonly epoch: string;
  readonly offset: bigint;
}

/** The position in one room. */
export class Position {
  #epoch = "";
  /** Everything up to here was handed on or is not to be; absent in a room without history. */
  #offset: bigint | undefined;
  /** What is recovered ends here. */
  #recoversTo = 0n;
  /** Handed on, or not to be, before their turn. */
  readonly #early = new Set<bigint>();

  constructor(after?: Place) {
    if (!after) return;
    this.#epoch = after.epoch;
    this.#offset = after.offset;
  }

  /** The position; absent in a room without history. */
  get current(): Place | undefined {
    return this.#offset === undefined ? undefined : { epoch: this.#epoch, offset: this.#offset };
  }

  /** The position in the protocol's form. */
  toRecover(room: string): RoomPosition | undefined {
    const { current } = this;
    return current && create(RoomPositionSchema, { room, ...current });
  }

  /**
   * The session is a new member. False when events since a former membership may be missing although the server did
   * not say so: the room kept no history that could tell.
   */
  joined(state: RoomState, newest: number): boolean {
    const { recovery, epoch, offset = 0n, firstOffset = offset + 1n } = state;
    const known = this.#offset;
    if (known !== undefined && (recovery === Recovery.WHOLE || recovery === Recovery.PARTIAL)) {
      if (this.#epoch === "") this.#epoch = epoch;
      this.#recoversTo = offset;
      return true;
    }
    const lost = known !== undefined && recovery === Recovery.LOST;
    // The same history, and no right to what it keeps: only what is new comes.
    if (lost && state.offset !== undefined && epoch === this.#epoch && offset >= known) return true;
    this.#early.clear();
    this.#epoch = epoch;
    this.#recoversTo = lost || newest > 0 ? offset : 0n;
    const oldest = firstOffset - 1n;
    const after = lost ? oldest : newest > 0 ? later(offset - BigInt(newest), oldest) : offset;
    this.#offset = state.offset === undefined ? undefined : after;
    return lost;
  }

  /** Whether an event was said before the session was a member. */
  isPast(offset: bigint): boolean {
    return offset <= this.#recoversTo;
  }

  /** An event came; `alone` when it is in this room only. True when it is to be handed on, false when it was already. */
  heard(epoch: string, offset: bigint, alone: boolean): boolean {
    this.#begin(epoch);
    if (epoch !== this.#epoch) {
      // Another life of the history began while the session was a member.
      this.#early.clear();
      this.#epoch = epoch;
      this.#offset = offset;
      this.#recoversTo = 0n;
      return true;
    }
    if (this.#early.has(offset) || (this.#offset !== undefined && offset <= this.#offset)) {
      if (alone) this.#moveTo(offset);
      return false;
    }
    const recovering = (this.#offset ?? 0n) < this.#recoversTo && offset !== (this.#offset ?? -1n) + 1n;
    if (alone || !recovering) this.#moveTo(offset);
    else this.#note(offset);
    return true;
  }

  /** An emit of this session was taken at this offset, and does not come to it as an event. */
  accepted(epoch: string, offset: bigint): void {
    this.#begin(epoch);
    if (epoch !== this.#epoch || (this.#offset !== undefined && offset <= this.#offset)) return;
    this.#note(offset);
  }

  /** The server said that events up to this offset do not come. */
  missed(epoch: string, to: bigint): void {
    if (epoch === this.#epoch) this.#moveTo(to);
  }

  /** A history has no epoch before its first event. */
  #begin(epoch: string): void {
    if (this.#epoch === "" && this.#offset !== undefined) this.#epoch = epoch;
  }

  #note(offset: bigint): void {
    this.#early.add(offset);
    if (this.#early.size > EARLY_MAX) this.#early.delete(this.#early.values().next().value as bigint);
    this.#advance();
  }

  #moveTo(offset: bigint): void {
    if (this.#offset !== undefined && offset <= this.#offset) return;
    this.#offset = offset;
    for (const early of this.#early) if (early <= offset) this.#early.delete(early);
    this.#advance();
  }

  #advance(): void {
    while (this.#offset !== undefined && this.#early.delete(this.#offset + 1n)) this.#offset += 1n;
  }
}

function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
