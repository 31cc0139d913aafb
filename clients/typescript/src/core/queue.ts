// A bounded queue between a callback and an async iterator. A reader that is too slow loses the oldest entries, and
// the owner is told how many; memory never grows with the sender's speed. Knows nothing of what it carries.

/** A queue of at most `limit` entries, read by one `for await`. */
export class BoundedQueue<T> implements AsyncIterableIterator<T> {
  readonly #entries: T[] = [];
  readonly #limit: number;
  readonly #dropped: (count: number) => void;
  readonly #ended: () => void;
  #waiting: { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void } | undefined;
  #over: { error?: unknown } | undefined;

  constructor(limit: number, dropped: (count: number) => void = () => {}, ended: () => void = () => {}) {
    this.#limit = Math.max(1, limit);
    this.#dropped = dropped;
    this.#ended = ended;
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
    this.#entries.push(entry);
    if (this.#entries.length > this.#limit) {
      this.#entries.shift();
      this.#dropped(1);
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
    this.#ended();
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#entries.length > 0) return Promise.resolve({ done: false, value: this.#entries.shift() as T });
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
