// A stream in one piece: the bidirectional call `Attach`, for runtimes that can stream upwards. Backpressure is the
// transport's: the next commands are handed over when it has asked for them.

import { create } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { ClientFrameSchema, type ClientFrame } from "../gen/rialto/v1/frame_pb.js";
import { AttachRequestSchema, MessagingService, type AttachRequest } from "../gen/rialto/v1/messaging_pb.js";
import type { Hello } from "../gen/rialto/v1/session_pb.js";
import { stream } from "./calls.js";
import type { Burst, Stream } from "./carrier.js";
import { RialtoError } from "./errors.js";

/** Opens a session in one bidirectional stream. */
export function openWhole(transport: Transport, hello: Hello, signal: AbortSignal): Stream {
  const up = new Upstream(signal);
  const first = create(ClientFrameSchema, { command: { case: "hello", value: hello } });
  void up.send([first]).catch(() => {});
  return { bursts: attach(transport, up, signal), numbered: false, send: ({ frames }) => up.send(frames) };
}

async function* attach(transport: Transport, up: Upstream, signal: AbortSignal): AsyncGenerator<Burst> {
  for await (const response of stream(transport, MessagingService.method.attach, up, signal)) {
    yield { firstSeq: response.firstSeq, frames: response.frames };
  }
}

/** The requests of the call, one at a time. */
class Upstream implements AsyncIterable<AttachRequest> {
  #offer: { request: AttachRequest; taken: () => void; lost: (error: unknown) => void } | undefined;
  #demand: ((result: IteratorResult<AttachRequest>) => void) | undefined;
  #over = false;

  constructor(signal: AbortSignal) {
    if (signal.aborted) this.#end();
    else signal.addEventListener("abort", () => this.#end(), { once: true });
  }

  send(frames: ClientFrame[]): Promise<void> {
    if (this.#over) return Promise.reject(new RialtoError("CONNECTION_LOST", "the stream is over"));
    const request = create(AttachRequestSchema, { frames });
    if (this.#demand) {
      const demand = this.#demand;
      this.#demand = undefined;
      demand({ done: false, value: request });
      return Promise.resolve();
    }
    return new Promise((taken, lost) => {
      this.#offer = { request, taken, lost };
    });
  }

  [Symbol.asyncIterator](): AsyncIterator<AttachRequest> {
    return {
      next: () => this.#next(),
      return: () => Promise.resolve(this.#end()),
      // The transport's way to say that it gave up; it wants the reason back.
      throw: (reason: unknown) => {
        this.#end();
        return Promise.reject(reason);
      },
    };
  }

  #next(): Promise<IteratorResult<AttachRequest>> {
    if (this.#over) return Promise.resolve({ done: true, value: undefined });
    const offer = this.#offer;
    if (offer) {
      this.#offer = undefined;
      offer.taken();
      return Promise.resolve({ done: false, value: offer.request });
    }
    return new Promise((resolve) => {
      this.#demand = resolve;
    });
  }

  #end(): IteratorResult<AttachRequest> {
    this.#over = true;
    this.#demand?.({ done: true, value: undefined });
    this.#offer?.lost(new RialtoError("CONNECTION_LOST", "the stream is over"));
    this.#demand = this.#offer = undefined;
    return { done: true, value: undefined };
  }
}
