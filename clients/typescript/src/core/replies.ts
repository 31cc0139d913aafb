// Answers to an emit that asked for answers: an async iterable that ends with a summary of who answered and who did
// not. One object per emit; the session feeds it.

import type { RepliesDone, ReplyItem } from "../gen/rialto/v1/event_pb.js";
import type { Accepted } from "./command.js";
import { bodyBytes, bodyText, who, type Who } from "./event.js";
import { RialtoError } from "./errors.js";
import { BoundedQueue } from "./queue.js";
import { deferred } from "./time.js";

/** Most answers that wait for a slow reader. */
const WAITING_MAX = 65_536;

/** One answer. */
export interface Reply {
  readonly from: Who;
  /** The answer as it was given: text, bytes or nothing. */
  readonly payload: string | Uint8Array | undefined;
  /** The answer as text; empty for bytes that are no text. */
  readonly text: string;
  /** The answer as bytes. */
  readonly bytes: Uint8Array;
  readonly contentType: string;
  /** Set when the receiver could not do what was asked. */
  readonly error?: string;
}

/** How the asking ended. */
export interface Summary {
  readonly answered: number;
  /** Those that did not answer; at most 256 are named. */
  readonly missing: readonly { readonly from: Who; readonly left: boolean }[];
  /** How many did not answer. */
  readonly missingCount: number;
  /** True when the timeout ended the wait. */
  readonly timedOut: boolean;
  /** Nodes of the server that were asked and did not say how it went. Whom they have asked is not known. */
  readonly nodesMissing: readonly string[];
}

/** Everything about one asking. */
export interface Answers extends Summary {
  readonly replies: readonly Reply[];
  readonly accepted: Accepted;
}

/** An answer as plain data. */
export function toReply(item: ReplyItem): Reply {
  const known = { from: who(item.from), contentType: item.contentType };
  if (item.body.case === "error") return { ...known, payload: undefined, text: "", bytes: new Uint8Array(), error: item.body.value };
  return { ...known, payload: item.body.value, text: bodyText(item.body), bytes: bodyBytes(item.body) };
}

/** Answers as they come in. */
export class ReplyStream implements AsyncIterable<Reply> {
  readonly #queue = new BoundedQueue<Reply>(WAITING_MAX);
  readonly #accepted = deferred<Accepted>();
  readonly #summary = deferred<Summary>();

  /** The event was taken, and how many sessions it went to. */
  get accepted(): Promise<Accepted> {
    return this.#accepted.promise;
  }

  /** How the asking ended. */
  get summary(): Promise<Summary> {
    return this.#summary.promise;
  }

  /** Waits for the end and returns everything. */
  async collect(): Promise<Answers> {
    const replies: Reply[] = [];
    for await (const reply of this) replies.push(reply);
    return { replies, accepted: await this.accepted, ...(await this.summary) };
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Reply> {
    return this.#queue;
  }

  /** The event was taken. Called by the session. */
  accept(accepted: Accepted): void {
    this.#accepted.resolve(accepted);
  }

  /** Answers have come. Called by the session. */
  add(items: readonly ReplyItem[]): void {
    for (const item of items) this.#queue.push(toReply(item));
  }

  /** No more answers will come. Called by the session. */
  done(done: RepliesDone): void {
    this.#summary.resolve({
      answered: done.answered,
      missing: done.missing.map((missing) => ({ from: who(missing.from), left: missing.left })),
      missingCount: done.missingCount,
      timedOut: done.timedOut,
      nodesMissing: done.nodesMissing,
    });
    this.#queue.end();
  }

  /** It failed. Called by the session. */
  fail(error: RialtoError): void {
    this.#accepted.reject(error);
    this.#summary.reject(error);
    this.#queue.end(error);
  }
}
