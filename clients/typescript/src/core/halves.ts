// A stream in two halves: `Listen` comes down, `Push` goes up, for clients that cannot stream upwards. One Push is in
// flight at a time; its frames are numbered, so that a lost call is repeated without doing anything twice.

import { create } from "../wire/message.js";
import type { Transport } from "../wire/transport.js";
import { ListenRequestSchema, listenMethod, pushMethod, PushRequestSchema, type PushRequest } from "../gen/rialto/v1/messaging_pb.js";
import type { Hello, Welcome } from "../gen/rialto/v1/session_pb.js";
import { backoff } from "./backoff.js";
import { single, stream, unary } from "./calls.js";
import type { Burst, Stream } from "./carrier.js";
import { failure, RialtoError } from "./errors.js";
import type { Batch } from "./outbox.js";
import { sleep } from "./time.js";

const PUSH_TIMEOUT_MS = 10_000;
const PUSH_TRIES = 5;

/** Opens a session in two halves over any transport that has unary calls and server streams; `lasting` is one whose
 * calls outlive the page. */
export function openHalves(transport: Transport, hello: Hello, signal: AbortSignal, lasting?: Transport): Stream {
  return new Halves(transport, hello, signal, lasting);
}

class Halves implements Stream {
  readonly bursts: AsyncIterable<Burst>;
  readonly numbered = true;
  readonly #transport: Transport;
  readonly #lasting: Transport | undefined;
  readonly #signal: AbortSignal;
  #welcome: Welcome | undefined;

  constructor(transport: Transport, hello: Hello, signal: AbortSignal, lasting: Transport | undefined) {
    this.#transport = transport;
    this.#lasting = lasting;
    this.#signal = signal;
    this.bursts = this.#listen(hello);
  }

  async *#listen(hello: Hello): AsyncGenerator<Burst> {
    const request = create(ListenRequestSchema, { hello });
    for await (const response of await stream(this.#transport, listenMethod, single(request), { signal: this.#signal })) {
      this.#welcome ??= response.frames.find((frame) => frame.frame.case === "welcome")?.frame.value as Welcome | undefined;
      yield { firstSeq: response.firstSeq, frames: response.frames };
    }
  }

  async send({ firstSeq, frames }: Batch): Promise<void> {
    let next = firstSeq;
    let rest = frames;
    for (let attempt = 0; rest.length > 0; attempt++) {
      if (attempt >= PUSH_TRIES) throw new RialtoError("CONNECTION_LOST", "the node takes no commands");
      const taken = await this.#push({ firstSeq: next, frames: rest }, attempt);
      if (taken > rest.length) throw new RialtoError("PROTOCOL", "the node took frames that were not sent");
      // A call that made progress does not count as a failed try.
      if (taken > 0) attempt = -1;
      next += taken;
      rest = rest.slice(taken);
    }
  }

  farewell(batch: Batch): void {
    if (!this.#welcome || !this.#lasting) return;
    unary(this.#lasting, pushMethod, this.#request(batch, this.#welcome), {}).catch(() => {});
  }

  #request(batch: Batch, { sessionId, sessionSecret }: Welcome): PushRequest {
    return create(PushRequestSchema, { sessionId, sessionSecret, ...batch });
  }

  /** Sends once; says how many frames the node has taken, zero when it has to be tried again. */
  async #push(batch: Batch, attempt: number): Promise<number> {
    if (!this.#welcome) throw new RialtoError("PROTOCOL", "there is no session to push to");
    if (attempt > 0) await sleep(backoff(attempt - 1), this.#signal);
    const request = this.#request(batch, this.#welcome);
    try {
      const limits = { signal: this.#signal, timeoutMs: PUSH_TIMEOUT_MS };
      const response = await unary(this.#transport, pushMethod, request, limits);
      return Math.max(0, response.acceptedSeq - batch.firstSeq + 1);
    } catch (cause) {
      const error = failure(cause);
      const again = !error.said || error.advice === "later";
      if (!again || this.#signal.aborted || attempt + 1 >= PUSH_TRIES) throw error;
      if (error.afterMs) await sleep(error.afterMs, this.#signal);
      return 0;
    }
  }
}
