// Calls without a session, for services and scripts: a transport, credentials and a deadline. Jobs and workers ask through
// it. Says nothing again by itself, and knows nothing of what is asked.

import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { unary } from "./calls.js";
import { failure, RialtoError } from "./errors.js";
import type { TokenSource } from "./options.js";
import { aborted, bound, within } from "./time.js";

/** What a client can be told. */
export interface ClientOptions {
  /** JWT or API key, or what gives one; it is asked before each call. */
  token?: TokenSource;
  /** Longest time for a call, connecting included. Default 10 s. */
  timeoutMs?: number;
}

/** What a client speaks through. */
export interface ClientLine {
  readonly transport: Transport;
  /** Whether a call can stream upwards, which browsers cannot. */
  readonly streamsUp: boolean;
  /** Lets go of connections. */
  close?(): void;
}

/** How one call waits. */
export interface CallWait {
  /** Longest wait for the answer. Default: the client's `timeoutMs`. */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

const TIMEOUT_MS = 10_000;

/** A client without a session. `createClient` makes one. */
export class Client {
  /** Longest time for a call. */
  readonly timeoutMs: number;
  /** Whether a call can stream upwards. */
  readonly streamsUp: boolean;
  /** Whether a token that is not accepted any more can be followed by another one. */
  readonly renewsToken: boolean;
  readonly #line: ClientLine;
  readonly #token: TokenSource;
  #closed = false;

  constructor(line: ClientLine, { token = "", timeoutMs = TIMEOUT_MS }: ClientOptions = {}) {
    this.#line = line;
    this.#token = token;
    this.timeoutMs = timeoutMs;
    this.streamsUp = line.streamsUp;
    this.renewsToken = typeof token === "function";
  }

  /** One question, one answer. Used by what is built on the client. */
  async ask<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    input: MessageInitShape<I>,
    { timeoutMs = this.timeoutMs, signal }: CallWait = {},
  ): Promise<MessageShape<O>> {
    try {
      const headers = await this.#credentials(timeoutMs, signal);
      // Deadlines travel in whole milliseconds.
      return await unary(this.#line.transport, method, input, { timeoutMs: Math.ceil(timeoutMs), signal, headers });
    } catch (cause) {
      throw ending(cause, signal);
    }
  }

  /** Opens a stream of answers, which lasts until `control` ends it. Rejects when it is not open within the client's time.
   * Used by what is built on the client. */
  async open<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    input: AsyncIterable<MessageInitShape<I>>,
    control: AbortController,
  ): Promise<AsyncIterable<MessageShape<O>>> {
    const { signal } = control;
    const clear = bound({ timeoutMs: this.timeoutMs, what: "connecting" }, (error) => control.abort(error));
    try {
      const headers = await this.#credentials(this.timeoutMs, signal);
      return (await this.#line.transport.stream(method, signal, undefined, headers, input)).message;
    } catch (cause) {
      throw ending(cause, signal);
    } finally {
      clear();
    }
  }

  /** Lets go of connections. Calls that are under way fail, and so does each one after that. */
  close(): void {
    this.#closed = true;
    this.#line.close?.();
  }

  async #credentials(timeoutMs: number, signal: AbortSignal | undefined): Promise<Record<string, string>> {
    if (this.#closed) throw new RialtoError("CLOSED", "the client was closed here", { retry: { advice: "never" } });
    if (signal?.aborted) throw aborted(signal);
    const source = this.#token;
    const token = typeof source === "string" ? source
      : await within(Promise.resolve(source(signal ?? new AbortController().signal)), { timeoutMs, signal, what: "getting a token" });
    return token === "" ? {} : { authorization: `Bearer ${token}` };
  }
}

/** Whether a token is not accepted any more, and there can be another one. */
export function isLapsed({ code }: RialtoError, { renewsToken }: Client): boolean {
  return code === "UNAUTHENTICATED" && renewsToken;
}

/** Why a call has failed, or a stream ended: what its signal says counts more than what the transport made of that. */
export function ending(cause: unknown, signal: AbortSignal | undefined): RialtoError {
  if (signal?.aborted) return aborted(signal);
  const error = failure(cause);
  // Nobody here has given up: so the connection is gone, which some transports call cancelled.
  return error.code === "ABORTED" && !error.said ? new RialtoError("CONNECTION_LOST", error.reason) : error;
}
