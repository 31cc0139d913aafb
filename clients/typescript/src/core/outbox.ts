// Commands on their way out: those that wait for a connection, bounded in number and bytes, and those that wait for an
// answer. Gives each its `ref` when it leaves, so that refs rise on the wire. Knows no transport.

import { create } from "@bufbuild/protobuf";
import { ClientFrameSchema, type ClientFrame, type ServerFrame } from "../gen/rialto/v1/frame_pb.js";
import { RialtoError } from "./errors.js";

/** One command and what becomes of it. */
export interface Command {
  readonly command: ClientFrame["command"];
  /** About how many bytes it takes. */
  readonly bytes: number;
  /** True when it makes sense on a later stream too; otherwise it fails with its stream. */
  readonly waits: boolean;
  /** Takes an answer; true when it was the last. Absent: no answer is wanted. */
  readonly answer?: (frame: ServerFrame) => boolean;
  /** No answer will come. */
  readonly fail: (error: RialtoError) => void;
}

/** How much may wait for a connection. */
export interface OfflineOptions {
  /** Commands. Default 256. */
  countMax: number;
  /** Bytes of their payloads. Default 1 MiB. */
  bytesMax: number;
}

/** The default. */
export const OFFLINE: OfflineOptions = { countMax: 256, bytesMax: 1 << 20 };

/** Commands that wait and commands that are under way. */
export class Outbox {
  readonly #limits: OfflineOptions;
  #waiting: Command[] = [];
  #waitingBytes = 0;
  readonly #pending = new Map<number, Command>();
  #ref = 0;

  constructor(limits: OfflineOptions) {
    this.#limits = limits;
  }

  /** How many commands wait to be sent. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** How many commands wait for an answer. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Appends a command; throws when too much waits. */
  add(command: Command): void {
    if (this.#waiting.length >= this.#limits.countMax || this.#waitingBytes + command.bytes > this.#limits.bytesMax) {
      throw new RialtoError("QUEUE_FULL", "too many commands wait for the connection", { retry: { advice: "later" } });
    }
    this.#waiting.push(command);
    this.#waitingBytes += command.bytes;
  }

  /** Puts commands before all that wait, in their order. They are the session's own and always fit. */
  addFirst(commands: readonly Command[]): void {
    this.#waiting.unshift(...commands);
    for (const command of commands) this.#waitingBytes += command.bytes;
  }

  /** Takes back a command that was given up, whether it waits or is under way. True when it was never sent. */
  drop(command: Command): boolean {
    const place = this.#waiting.indexOf(command);
    if (place >= 0) {
      this.#waiting.splice(place, 1);
      this.#waitingBytes -= command.bytes;
      return true;
    }
    for (const [ref, pending] of this.#pending) {
      if (pending === command) this.#pending.delete(ref);
    }
    return false;
  }

  /** The next frames to send, at least one if any waits. */
  take(countMax: number, bytesMax: number): ClientFrame[] {
    const frames: ClientFrame[] = [];
    let bytes = 0;
    for (;;) {
      const next = this.#waiting[0];
      if (!next || frames.length >= countMax) break;
      if (frames.length > 0 && bytes + next.bytes > bytesMax) break;
      this.#waiting.shift();
      this.#waitingBytes -= next.bytes;
      bytes += next.bytes;
      let ref = 0;
      if (next.answer) {
        ref = ++this.#ref;
        this.#pending.set(ref, next);
      }
      frames.push(create(ClientFrameSchema, { ref, command: next.command }));
    }
    return frames;
  }

  /** Hands an answer to its command; false when nobody waits for it. */
  answer(frame: ServerFrame): boolean {
    const command = this.#pending.get(frame.ref);
    if (!command?.answer) return false;
    if (command.answer(frame)) this.#pending.delete(frame.ref);
    return true;
  }

  /** The stream is gone: what was under way fails, what can wait goes on waiting. */
  lose(): void {
    const error = new RialtoError(
      "CONNECTION_LOST",
      "the connection broke before the answer; whether the command was carried out is not known",
    );
    const lost = [...this.#pending.values(), ...this.#waiting.filter((command) => !command.waits)];
    this.#pending.clear();
    this.#waiting = this.#waiting.filter((command) => command.waits);
    this.#waitingBytes = this.#waiting.reduce((sum, command) => sum + command.bytes, 0);
    for (const command of lost) command.fail(error);
  }

  /** Nothing will ever be sent again. */
  clear(error: RialtoError): void {
    const all = [...this.#pending.values(), ...this.#waiting];
    this.#pending.clear();
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const command of all) command.fail(error);
  }
}
