// A bounded queue between a callback and an async iterator. When its reader is behind, either the owner is to wait, which its
// gate says, or the oldest entries go and are counted; memory never grows with the sender's speed.

import { deferred, type Deferred } from "./time.js";

/** What holds up whoever fills queues: those that are full. */
export class Gate {
  readonly #full = new Set<object>();
  #passable: Deferred<void> | undefined;

  /** Resolves when no queue is full; absent when none is. */
  get passable(): Promise<void> | undefined {
    return this.#passable?.promise;
  }

  /** A queue is full, or is not any more. */
  set(queue: object, full: boolean): void {
    if (full) this.#full.add(queue);
    else this.#full.delete(queue);
    if (this.#full.size > 0) return void (this.#passable ??= deferred());
    this.#passable?.resolve();
    this.#passable = undefined;
  }
}

/** What becomes of a queue. */
export interface QueueOptions {
  /** Is shut while the queue is full. Without it the oldest entries go when there are too many. */
  gate?: Gate | undefined;
  /** Entries were dropped. */
  dropped?: ((count: number) => void) | undefined;
  /** It is over. */
  ended?: () => void;
}

/** A queue of at most `limit` entries, read by one `for await`. */
export class BoundedQueue<T> implements AsyncIterableIterator<T> {
  readonly #entries: T[] = [];
  readonly #limit: number;
  readonly #options: QueueOptions;
  #waiting: { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void } | undefined;
  #over: { error?: unknown } | undefined;

  constructor(limit: number, options: QueueOptions = {}) {
    this.#limit = Math.max(1, limit);
    this.#options = options;
  }

  /** Appends an entry; nothing happens after the end. */
  push(entry: T): void {
    if (this.#over) return;
    if (this.#waiting) {
      const { resolve } = this.#waiting;
      this.#waiting = undefined;
      resolve({ done: false, value: entry });
      return;
    }
    const { gate, dropped } = this.#options;
    this.#entries.push(entry);
    if (gate) {
      if (this.#entries.length >= this.#limit) gate.set(this, true);
    } else if (this.#entries.length > this.#limit) {
      this.#entries.shift();
      dropped?.(1);
    }
  }

  /** Ends the iteration after what waits; with an error it throws that instead of ending. */
  end(error?: unknown): void {
    if (this.#over) return;
    this.#over = error === undefined ? {} : { error };
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) {
      if (error === undefined) waiting.resolve({ done: true, value: undefined });
      else waiting.reject(error);
    }
    this.#options.gate?.set(this, false);
    this.#options.ended?.();
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#entries.length > 0) {
      const value = this.#entries.shift() as T;
      if (this.#entries.length < this.#limit) this.#options.gate?.set(this, false);
      return Promise.resolve({ done: false, value });
    }
    if (this.#over) {
      const { error } = this.#over;
      if (error === undefined) return Promise.resolve({ done: true, value: undefined });
      this.#over = {};
      return Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      this.#waiting?.resolve({ done: true, value: undefined });
      this.#waiting = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<T>> {
    this.#entries.length = 0;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
