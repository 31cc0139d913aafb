// Calls without a session: a transport, credentials and a deadline. Clients, jobs and workers ask through it. Says nothing again
// by itself, and knows nothing of what is asked.

import type { Init, Method } from "../wire/message.js";
import type { Transport } from "../wire/transport.js";
import { stream, unary } from "./calls.js";
import { failure, RialtoError } from "./errors.js";
import type { Ask } from "./kept.js";
import { aborted, bound } from "./time.js";
import { tokenFrom, type TokenSource } from "./token.js";

/** What a client can be told. */
export interface ClientOptions {
  /** JWT or API key, or what gives one; it is asked before each call. */
  token?: TokenSource;
  /** Longest time for a call, connecting included. Default 10 s. */
  deadlineMs?: number;
}

/** What a client speaks through. */
export interface ClientLine {
  readonly transport: Transport;
  /** Whether a call can stream upwards, which browsers cannot. */
  readonly streamsUp: boolean;
  /** Lets go of connections. */
  close?(): void;
}

const DEADLINE_MS = 10_000;

/** What clients, jobs and workers ask through. */
export class Caller {
  /** Longest time for a call. */
  readonly deadlineMs: number;
  /** Whether a call can stream upwards. */
  readonly streamsUp: boolean;
  /** Whether a token that is not accepted any more can be followed by another one. */
  readonly renewsToken: boolean;
  readonly #line: ClientLine;
  readonly #token: TokenSource;
  /** What ends each call and each stream that is under way. */
  readonly #underWay = new Set<AbortController>();
  #closed = false;

  constructor(line: ClientLine, { token = "", deadlineMs = DEADLINE_MS }: ClientOptions = {}) {
    this.#line = line;
    this.#token = token;
    this.deadlineMs = deadlineMs;
    this.streamsUp = line.streamsUp;
    this.renewsToken = typeof token === "function";
  }

  /** One question, one answer. Used by what is built on this. */
  readonly ask: Ask = async (method, input, { deadlineMs = this.deadlineMs, signal } = {}) => {
    const control = new AbortController();
    const clear = bound({ timeoutMs: deadlineMs, signal, what: "the answer" }, (error) => control.abort(error));
    this.#underWay.add(control);
    try {
      const headers = await this.#credentials(deadlineMs, control.signal);
      return await unary(this.#line.transport, method, input, { timeoutMs: deadlineMs, signal: control.signal, headers });
    } catch (cause) {
      throw ending(cause, control.signal);
    } finally {
      clear();
      this.#underWay.delete(control);
    }
  };

  /** Opens a stream of answers, which lasts until `control` ends it. Rejects when it is not open within the client's time.
   * Used by what is built on this. */
  async open<I extends object, O extends object>(
    method: Method<I, O>,
    input: AsyncIterable<Init<I>>,
    control: AbortController,
  ): Promise<AsyncIterable<O>> {
    const { signal } = control;
    const clear = bound({ timeoutMs: this.deadlineMs, what: "connecting" }, (error) => control.abort(error));
    this.#underWay.add(control);
    signal.addEventListener("abort", () => this.#underWay.delete(control), { once: true });
    try {
      const headers = await this.#credentials(this.deadlineMs, signal);
      return await stream(this.#line.transport, method, input, { signal, headers });
    } catch (cause) {
      throw ending(cause, signal);
    } finally {
      clear();
    }
  }

  /** Lets go of connections. Calls that are under way fail, and so does each one after that. */
  close(): void {
    this.#closed = true;
    for (const control of [...this.#underWay]) control.abort(closedHere());
    this.#line.close?.();
  }

  async #credentials(timeoutMs: number, signal: AbortSignal): Promise<Record<string, string>> {
    if (this.#closed) throw closedHere();
    if (signal.aborted) throw aborted(signal);
    const { token } = await tokenFrom(this.#token, { timeoutMs, signal });
    return token === "" ? {} : { authorization: `Bearer ${token}` };
  }
}

function closedHere(): RialtoError {
  return new RialtoError("CLOSED", "the client was closed here", { advice: "never" });
}

/** Whether a token is not accepted any more, and there can be another one. */
export function isLapsed({ code }: RialtoError, { renewsToken }: Caller): boolean {
  return code === "UNAUTHENTICATED" && renewsToken;
}

/** Why a call has failed, or a stream ended: what its signal says counts more than what the transport made of that. */
export function ending(cause: unknown, signal: AbortSignal | undefined): RialtoError {
  if (signal?.aborted) return aborted(signal);
  const error = failure(cause);
  // Nobody here has given up: so the connection is gone, which some transports call cancelled.
  return error.kind === "cancelled" ? new RialtoError("CONNECTION_LOST", error.reason) : error;
}
