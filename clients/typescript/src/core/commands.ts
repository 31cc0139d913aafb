// Commands of a session and their ends: an answer, a refusal, the end of their time, or the caller's. Bounds each by its
// deadline, and knows what an asking waits for. What waits and what is sent again is in `outbox.ts`.

import { encode } from "../wire/encode.js";
import { Delivery, type Emit } from "../gen/rialto/v1/event_pb.js";
import { ClientFrameSchema, type ServerFrame } from "../gen/rialto/v1/frame_pb.js";
import { toAccepted, weight, type AskOptions } from "./command.js";
import { refusal, RialtoError, tooLarge } from "./errors.js";
import type { Life } from "./life.js";
import type { Settings } from "./options.js";
import type { Command } from "./outbox.js";
import { ReplyStream } from "./replies.js";
import { bound, deferred, type Bound } from "./time.js";

const REPLY_TIMEOUT_MS = 5_000;
/** How much longer than the server this side waits for the end of an asking. */
const REPLY_SLACK_MS = 5_000;
/** What is larger would cost the session. */
const COMMAND_BYTES_MAX = (1 << 20) + (60 << 10);

/** How a command waits. */
export interface Waiting {
  /** Longest wait for the answer, connecting included. Default: the session's `deadlineMs`. */
  deadlineMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

type Said = Omit<Command, "answer" | "fail">;

/** The commands of one session. */
export class Commands {
  readonly #life: Life;
  readonly #settings: Settings;

  constructor(life: Life, settings: Settings) {
    this.#life = life;
    this.#settings = settings;
  }

  /** What bounds a command. */
  bound({ deadlineMs = this.#settings.deadlineMs, signal }: Waiting, what: string): Bound {
    return { timeoutMs: deadlineMs, signal, what };
  }

  /** How long an asking is answered. */
  replyMs({ timeoutMs = REPLY_TIMEOUT_MS }: AskOptions): number {
    return timeoutMs;
  }

  /** Sends a command and waits for its answer, within bounds. `heard` is called at the answer's place in the stream. */
  say(said: Said, waiting: Waiting, what: string, heard: (frame: ServerFrame) => void = () => {}): Promise<ServerFrame> {
    const { promise, resolve, reject } = deferred<ServerFrame>();
    const answer = (frame: ServerFrame) => {
      heard(frame);
      if (frame.frame.case === "refused") reject(refusal(frame.frame.value));
      else resolve(frame);
      return true;
    };
    const clear = this.#begin({ ...said, answer, fail: reject }, this.bound(waiting, what));
    return promise.finally(clear);
  }

  /** Sends an emit. */
  emit(value: Emit, waiting: Waiting, heard: (frame: ServerFrame) => void): Promise<ServerFrame> {
    const lasts = value.delivery === Delivery.VOLATILE ? "stream" : "always";
    return this.say({ ...emitted(value), lasts }, waiting, `emitting "${value.content?.event}"`, heard);
  }

  /** Sends an emit that asks, and gathers its answers. */
  ask(make: () => Emit, options: AskOptions): ReplyStream {
    const stream = new ReplyStream();
    let clear = () => {};
    const fail = (error: RialtoError) => {
      clear();
      stream.fail(error);
    };
    const answer = ({ frame }: ServerFrame) => {
      if (frame.case === "accepted") {
        // Its answers go to the session that has asked before.
        if (frame.value.duplicate) return ended(new RialtoError("CONNECTION_LOST", "it was asked before, and the answers are lost"));
        clear();
        const timeoutMs = this.replyMs(options) + REPLY_SLACK_MS;
        clear = bound({ timeoutMs, signal: options.signal, what: "the end of the answers" }, (error) => {
          this.#life.outbox.drop(entry);
          stream.fail(error);
        });
        stream.accept(toAccepted(frame.value));
      } else if (frame.case === "replies") stream.add(frame.value.items);
      else if (frame.case === "refused") return ended(refusal(frame.value));
      else if (frame.case === "repliesDone") {
        clear();
        stream.done(frame.value);
        return true;
      }
      return false;
    };
    const ended = (error: RialtoError) => {
      fail(error);
      return true;
    };
    let entry: Command;
    try {
      const value = make();
      entry = { ...emitted(value), lasts: "always", answer, fail };
      clear = this.#begin(entry, this.bound(options, `asking "${value.content?.event}"`));
    } catch (error) {
      fail(error as RialtoError);
    }
    return stream;
  }

  /** The error of a command that was given up before it was sent: it has certainly had no effect. */
  unsent(error: RialtoError): RialtoError {
    if (error.kind !== "timed_out") return error;
    return new RialtoError("OFFLINE", "there was no connection in time; nothing was sent", { advice: "later" });
  }

  /** Hands a command over, and has it fail when its time is up. Returns what ends that. */
  #begin(entry: Command, limits: Bound): () => void {
    const late = (error: RialtoError) => {
      const sent = !this.#life.outbox.drop(entry) && entry.sentAt !== undefined;
      entry.fail(sent ? sentAlready(error) : this.unsent(error));
    };
    const clear = bound(limits, late);
    const unage = entry.bounded ? this.#age(entry, limits.timeoutMs) : () => {};
    const end = () => {
      clear();
      unage();
    };
    try {
      fits(entry);
      this.#life.submit(entry);
    } catch (error) {
      end();
      entry.fail(error as RialtoError);
    }
    return end;
  }

  /** A command that was not sent within the age that waiting ones may have is given up. */
  #age(entry: Command, timeoutMs: number): () => void {
    const { ageMaxMs } = this.#settings.offlineBuffer;
    if (ageMaxMs >= timeoutMs) return () => {};
    const timer = setTimeout(() => {
      if (entry.sentAt !== undefined || !this.#life.outbox.drop(entry)) return;
      entry.fail(new RialtoError("TOO_OLD", "it waited too long for the connection; nothing was sent", { advice: "later" }));
    }, ageMaxMs);
    return () => clearTimeout(timer);
  }
}

/** What every emit is. */
function emitted(value: Emit) {
  const to = value.target;
  const names = (to?.rooms.length ?? 0) + (to?.sessions.length ?? 0) + (to?.users.length ?? 0);
  const bytes = weight(value.content?.body.value) + 2048 + names * 130;
  return { command: { case: "emit" as const, value }, bytes, keyed: value.idempotencyKey !== "", bounded: true };
}

/** Throws when a command is larger than any that is taken. */
function fits({ command, bytes }: Command): void {
  if (bytes <= COMMAND_BYTES_MAX) return;
  const { length } = encode(ClientFrameSchema, { command });
  if (length > COMMAND_BYTES_MAX) throw tooLarge(`a command has at most ${COMMAND_BYTES_MAX} bytes`);
}

/** Of what was sent it is not known whether it happens, also when the caller gives up. */
function sentAlready(error: RialtoError): RialtoError {
  if (error.kind !== "cancelled") return error;
  return new RialtoError(error.code, error.reason, { kind: "cancelled", advice: error.advice, mayHaveHappened: true });
}
