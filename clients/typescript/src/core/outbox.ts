// Commands on their way out: those that wait to be sent, bounded in number and bytes, and those that wait for an answer.
// Gives each its `ref` when it leaves, so that refs rise on the wire, and knows what is sent again under which number
// when a session goes on or another one begins. Knows no transport and no clock.

import { create } from "../wire/message.js";
import { ClientFrameSchema, type ClientFrame, type ServerFrame } from "../gen/rialto/v1/frame_pb.js";
import type { Welcome } from "../gen/rialto/v1/session_pb.js";
import { RialtoError } from "./errors.js";

/** How long a command makes sense: on the stream it was said on, in the session, or whatever session there is. */
export type Lasts = "stream" | "session" | "always";

/** One command and what becomes of it. */
export interface Command {
  readonly command: ClientFrame["command"];
  /** About how many bytes it takes. */
  readonly bytes: number;
  readonly lasts: Lasts;
  /** It may be sent to another session although a former one may have taken it: it takes effect once all the same. */
  readonly keyed?: boolean;
  /** Counts against the bounds of what waits and of what is under way. */
  readonly bounded?: boolean;
  /** Nothing answers it unless it is refused: it is known to be taken when something after it was answered. */
  readonly silent?: boolean;
  /** Takes an answer; true when it was the last. Absent: no answer is wanted. */
  readonly answer?: (frame: ServerFrame) => boolean;
  /** It leaves. */
  readonly sent?: () => void;
  /** No answer will come. */
  readonly fail: (error: RialtoError) => void;
  /** When it left for the first time, in milliseconds since 1970. Set by the outbox. */
  sentAt?: number;
}

/** What becomes of an emit for which there is no place. */
export type Overflow = "refuse" | "drop-oldest";

/** How much may wait. */
export interface OfflineOptions {
  /** Commands. Default 1,000. */
  countMax: number;
  /** About how many bytes they take. Default 1 MiB. */
  bytesMax: number;
  /** How long an emit may wait to be sent, in milliseconds. Default: as long as its deadline. */
  ageMaxMs: number;
  /** Which one goes when there is no place: the new one, or the oldest that waits. Default: the new one. */
  overflow: Overflow;
}

/** The default. */
export const OFFLINE: OfflineOptions = { countMax: 1000, bytesMax: 1 << 20, ageMaxMs: Infinity, overflow: "refuse" };

/** Most bounded commands under way at once. */
const UNDER_WAY_MAX = 256;
const UNDER_WAY_BYTES_MAX = 1 << 20;
/** After so many commands that nothing answers the server is asked for a sign. */
const SILENT_MAX = 64;
const SIGN: Command = {
  command: { case: "ping", value: {} },
  bytes: 16,
  lasts: "session",
  answer: () => true,
  fail: () => {},
};
/** Servers remember a key for 5 minutes at least; what is older is not sent again. */
const KEY_HELD_MS = 4 * 60_000;
/** Numbers are of 32 bits; so many are left when a session is given up. */
const REFS_MAX = 2 ** 32 - 65_536;

/** Frames that leave together. */
export interface Batch {
  /** Number of the first among all frames of the session. */
  readonly firstSeq: number;
  readonly frames: ClientFrame[];
}

const LATER = { advice: "later" } as const;

/** An emit that was never sent: it may make room, or be cleared away. */
function isUnsentEmit({ command, sentAt }: Command): boolean {
  return command.case === "emit" && sentAt === undefined;
}

function lost(): RialtoError {
  return new RialtoError("CONNECTION_LOST", "the connection broke before the answer; whether the command was carried out is not known");
}

export function unsent(): RialtoError {
  return new RialtoError("OFFLINE", "the connection broke before this was sent", LATER);
}

/** Commands that wait and commands that are under way. */
export class Outbox {
  readonly #limits: OfflineOptions;
  readonly #now: () => number;
  #waiting: Command[] = [];
  #waitingBytes = 0;
  #waitingCount = 0;
  readonly #pending = new Map<number, Command>();
  /** Bytes of bounded commands that were sent and not answered at all. */
  readonly #underWay = new Map<number, number>();
  #underWayBytes = 0;
  #silent = 0;
  /** Frames that go again as they were, before all that waits. */
  #again: ClientFrame[] = [];
  /** What left last and may not have arrived. */
  #last: Batch = { firstSeq: 1, frames: [] };
  #ref = 0;
  #seq = 0;

  constructor(limits: Partial<OfflineOptions> = {}, now: () => number = Date.now) {
    this.#limits = { ...OFFLINE, ...limits };
    this.#now = now;
  }

  /** How many commands wait to be sent. */
  get waiting(): number {
    return this.#waiting.length + this.#again.length;
  }

  /** Whether there are no numbers left for another session's worth of commands. */
  get exhausted(): boolean {
    return this.#ref > REFS_MAX;
  }

  /** How many commands wait for an answer. */
  get pending(): number {
    let silent = 0;
    for (const command of this.#pending.values()) if (command.silent) silent++;
    return this.#pending.size - silent;
  }

  /** Appends a command. While there is no stream too much may wait: then it throws, unless others make room. */
  add(command: Command, attached: boolean): void {
    if (command.bounded && !attached) this.#makeRoom(command.bytes);
    this.#waiting.push(command);
    this.#count(command, 1);
  }

  /** Puts commands before all that wait, in their order. They are the session's own and always fit. */
  addFirst(commands: readonly Command[]): void {
    this.#waiting.unshift(...commands);
    for (const command of commands) this.#count(command, 1);
  }

  /** Takes back a command that was given up, whether it waits or is under way. True when it was never sent. */
  drop(command: Command): boolean {
    const place = this.#waiting.indexOf(command);
    if (place >= 0) {
      this.#waiting.splice(place, 1);
      this.#count(command, -1);
      return command.sentAt === undefined;
    }
    for (const [ref, pending] of this.#pending) if (pending === command) this.#settle(ref);
    return false;
  }

  /** Takes back all emits that wait and were never sent; each fails with this error. */
  clearWaiting(error: RialtoError): number {
    const cleared = this.#keep((command) => !isUnsentEmit(command));
    for (const command of cleared) command.fail(error);
    return cleared.length;
  }

  /** The next frames to send: none when nothing waits, or when what waits has to wait for answers or for its `turn`. */
  take(countMax: number, bytesMax: number, turn: (command: Command) => boolean = () => true): Batch {
    const frames = this.#again.splice(0, countMax);
    const firstSeq = this.#seq + 1;
    let bytes = 0;
    while (frames.length < countMax) {
      const next = this.#waiting[0];
      if (!next || (frames.length > 0 && bytes + next.bytes > bytesMax) || this.#full(next) || !turn(next)) break;
      this.#waiting.shift();
      this.#count(next, -1);
      bytes += next.bytes;
      frames.push(this.#frame(next));
    }
    this.#seq += frames.length;
    this.#last = { firstSeq, frames };
    return this.#last;
  }

  /** What left last and may not have arrived, and all that waits, for a page that goes and cannot wait for answers. */
  takeAll(countMax: number): Batch {
    const { firstSeq, frames } = this.#last;
    const rest = [...frames, ...this.#again];
    while (rest.length < countMax && this.#waiting.length > 0) rest.push(this.#frame(this.#waiting.shift() as Command));
    return { firstSeq, frames: rest };
  }

  /** Hands an answer to its command; false when nobody waits for it. */
  answer(frame: ServerFrame): boolean {
    this.#taken(frame.ref - 1);
    const command = this.#pending.get(frame.ref);
    if (!command?.answer) return false;
    this.#arrived(frame.ref);
    if (command.answer(frame)) this.#pending.delete(frame.ref);
    return true;
  }

  /** The stream is gone; what was under way may have arrived, which the next welcome tells. */
  lose(): void {
    const error = unsent();
    for (const command of this.#keep(({ lasts }) => lasts !== "stream")) command.fail(error);
  }

  /**
   * The session goes on: what it has not taken is sent again under its numbers; what it has taken is answered again.
   * Where frames are numbered, those that left last go again as they were, because the lost call may still arrive.
   */
  resumed({ lastRef, pushedSeq }: Pick<Welcome, "lastRef" | "pushedSeq">, numbered: boolean): void {
    this.#taken(lastRef);
    const { firstSeq, frames } = this.#last;
    const left = numbered ? [...frames, ...this.#again].slice(Math.max(0, pushedSeq - firstSeq + 1)) : [];
    this.#seq = numbered ? pushedSeq : 0;
    const refs = new Set(left.map(({ ref }) => ref));
    const rest: ClientFrame[] = [];
    for (const [ref, command] of [...this.#pending].sort(([a], [b]) => a - b)) {
      if (ref <= lastRef) continue;
      if (command.lasts === "stream") {
        this.#settle(ref);
        command.fail(numbered && refs.has(ref) ? lost() : unsent());
      } else if (!refs.has(ref)) {
        rest.push(create(ClientFrameSchema, { ref, command: command.command }));
      }
    }
    // What does not outlive its stream leaves its number behind, with a harmless word in its place.
    const stale = ({ ref }: ClientFrame) => !this.#pending.has(ref);
    const word = () => create(ClientFrameSchema, { command: { case: "pong", value: {} } });
    this.#again = [...left.map((frame) => (stale(frame) ? word() : frame)), ...rest];
    this.#last = { firstSeq: this.#seq + 1, frames: [] };
  }

  /** Another session has begun: emits that can be known again are sent again, what belonged to the former one fails. */
  afresh(): void {
    const error = lost();
    const failed = this.#keep(({ lasts }) => lasts === "always");
    const keyHeldSince = this.#now() - KEY_HELD_MS;
    const again: Command[] = [];
    for (const [ref, command] of [...this.#pending].sort(([a], [b]) => a - b)) {
      // A question that was taken had its answers sent to the session before.
      const taken = command.bounded && !this.#underWay.has(ref);
      this.#settle(ref);
      if (command.keyed && !taken && (command.sentAt ?? 0) >= keyHeldSince) again.push(command);
      else failed.push(command);
    }
    this.addFirst(again);
    this.#again = [];
    this.#ref = 0;
    this.#seq = 0;
    this.#last = { firstSeq: 1, frames: [] };
    for (const command of failed) command.fail(error);
  }

  /** Nothing will ever be sent again. */
  clear(error: RialtoError): void {
    const all = [...this.#pending.values(), ...this.#keep(() => false)];
    this.#pending.clear();
    this.#again = [];
    this.#underWay.clear();
    this.#underWayBytes = 0;
    for (const command of all) command.fail(error);
  }

  /** A place for a new command, or an error. */
  #makeRoom(bytes: number): void {
    const { countMax, bytesMax, overflow } = this.#limits;
    // One alone may have more bytes.
    const full = () => this.#waitingCount >= countMax || (this.#waitingCount > 0 && this.#waitingBytes + bytes > bytesMax);
    while (full()) {
      const oldest = overflow === "drop-oldest" ? this.#waiting.find(isUnsentEmit) : undefined;
      if (!oldest) throw new RialtoError("FULL", "too many commands wait for the connection", LATER);
      this.drop(oldest);
      oldest.fail(new RialtoError("MADE_ROOM", "newer commands took its place; nothing was sent", LATER));
    }
  }

  /** Whether a command has to wait until others were answered. */
  #full({ bounded, bytes }: Command): boolean {
    if (!bounded || this.#underWay.size === 0) return false;
    return this.#underWay.size >= UNDER_WAY_MAX || this.#underWayBytes + bytes > UNDER_WAY_BYTES_MAX;
  }

  #frame(command: Command): ClientFrame {
    let ref = 0;
    command.sentAt ??= this.#now();
    command.sent?.();
    if (command.answer || command.silent) {
      ref = ++this.#ref;
      this.#pending.set(ref, command);
      if (command.bounded) {
        this.#underWay.set(ref, command.bytes);
        this.#underWayBytes += command.bytes;
      }
      if (command.silent && ++this.#silent % SILENT_MAX === 0) this.addFirst([{ ...SIGN }]);
    }
    return create(ClientFrameSchema, { ref, command: command.command });
  }

  /** Nothing more is expected for a number. */
  #settle(ref: number): void {
    this.#arrived(ref);
    this.#pending.delete(ref);
  }

  /** A command is known to have arrived: the next may leave. */
  #arrived(ref: number): void {
    this.#underWayBytes -= this.#underWay.get(ref) ?? 0;
    this.#underWay.delete(ref);
  }

  /** The server has carried out everything up to this number. */
  #taken(ref: number): void {
    for (const [other, command] of [...this.#pending]) {
      if (command.silent && other <= ref) this.#settle(other);
    }
  }

  #count({ bytes, bounded }: Command, sign: 1 | -1): void {
    if (!bounded) return;
    this.#waitingCount += sign;
    this.#waitingBytes += sign * bytes;
  }

  /** Keeps what fulfils a condition; returns what waited and does not. */
  #keep(condition: (command: Command) => boolean): Command[] {
    const gone = this.#waiting.filter((command) => !condition(command));
    this.#waiting = this.#waiting.filter(condition);
    for (const command of gone) this.#count(command, -1);
    return gone;
  }
}
