// What goes up in a call that streams upwards, one message at a time: the next one is handed over when the transport has
// asked for it, and that is all the backpressure there is. Knows nothing of what it carries.

import { RialtoError } from "./errors.js";

/** The requests of one call. */
export class Upstream<T> implements AsyncIterable<T> {
  #offer: { request: T; taken: () => void; lost: (error: unknown) => void } | undefined;
  #demand: ((result: IteratorResult<T>) => void) | undefined;
  #over = false;

  constructor(signal: AbortSignal) {
    if (signal.aborted) this.#end();
    else signal.addEventListener("abort", () => this.#end(), { once: true });
  }

  /** Resolves when the next one may be sent. Not called again before that. */
  send(request: T): Promise<void> {
    if (this.#over) return Promise.reject(new RialtoError("CONNECTION_LOST", "the stream is over"));
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

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return {
      next: () => this.#next(),
      return: () => Promise.resolve(this.#end()),
    };
  }

  #next(): Promise<IteratorResult<T>> {
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

  #end(): IteratorResult<T> {
    this.#over = true;
    this.#demand?.({ done: true, value: undefined });
    this.#offer?.lost(new RialtoError("CONNECTION_LOST", "the stream is over"));
    this.#demand = this.#offer = undefined;
    return { done: true, value: undefined };
  }
}
