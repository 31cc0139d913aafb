// A value that can be looked at, subscribed to and waited for. Its shape is the store contract of Svelte, and small
// enough for any other framework. Knows nothing of sessions.

/** Ends a subscription. */
export type Unsubscribe = () => void;

/** A value that changes. */
export interface Observable<T> {
  /** The value now. */
  readonly current: T;
  /** Calls `fn` now and after each change. */
  subscribe(fn: (value: T) => void): Unsubscribe;
}

/** Throws what a listener threw where the runtime reports it, so that one listener cannot stop another. */
export function report(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** An observable that its owner sets. */
export class Value<T> implements Observable<T> {
  #current: T;
  readonly #subscribers = new Set<(value: T) => void>();

  constructor(first: T) {
    this.#current = first;
  }

  get current(): T {
    return this.#current;
  }

  /** Changes the value and tells everybody. */
  set(value: T): void {
    this.#current = value;
    for (const fn of [...this.#subscribers]) this.#tell(fn);
  }

  subscribe(fn: (value: T) => void): Unsubscribe {
    const own = (value: T) => fn(value);
    this.#subscribers.add(own);
    this.#tell(own);
    return () => void this.#subscribers.delete(own);
  }

  #tell(fn: (value: T) => void): void {
    try {
      fn(this.#current);
    } catch (error) {
      report(error);
    }
  }
}
