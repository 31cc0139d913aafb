// Who wants to hear which event: by name, by prefix, any, once, and as a bounded async iterator. A session, a namespace and a
// room each own one of these. Never throws what a listener throws into the session.

import type { RialtoEvent } from "./event.js";
import { report, type Unsubscribe } from "./observable.js";
import { BoundedQueue, type Gate } from "./queue.js";

/** Hears events. */
export type Listener<T = any> = (event: RialtoEvent<T>) => void;

/** How `events()` buffers. */
export interface EventsOptions<Name extends string = string> {
  /** Events that may wait for the reader; beyond, the session waits. Default: the session's `eventsWaiting`. */
  limit?: number;
  /** Has the oldest events go instead, and is told how many. */
  onDropped?: (count: number) => void;
  /** Only events of this name. */
  event?: Name;
  /** Ends the iteration. */
  signal?: AbortSignal;
}

/** How much waits for readers, and what is shut when that is too much. */
export interface Patience {
  readonly eventsWaiting: number;
  readonly gate: Gate;
}

/** A set of listeners. */
export class Listeners {
  readonly #patience: Patience;
  readonly #entries = new Map<symbol, { wants: (name: string) => boolean; fn: Listener; once: boolean }>();
  readonly #ends = new Set<() => void>();

  constructor(patience: Patience) {
    this.#patience = patience;
  }

  /** Hears events of one name. */
  on(event: string, fn: Listener): Unsubscribe {
    return this.#add((name) => name === event, fn, false);
  }

  /** Hears the next event of one name. */
  once(event: string, fn: Listener): Unsubscribe {
    return this.#add((name) => name === event, fn, true);
  }

  /** Hears events whose name begins so. */
  onPrefix(prefix: string, fn: Listener): Unsubscribe {
    return this.#add((name) => name.startsWith(prefix), fn, false);
  }

  /** Hears all events. */
  onAny(fn: Listener): Unsubscribe {
    return this.#add(() => true, fn, false);
  }

  /** Events to iterate over; leaving the loop ends the listening. */
  events<T = any>({ event, limit, onDropped, signal }: EventsOptions = {}): AsyncIterableIterator<RialtoEvent<T>> {
    let stop: Unsubscribe = () => {};
    const end = () => queue.end();
    const { gate, eventsWaiting } = this.#patience;
    const ended = () => {
      stop();
      this.#ends.delete(end);
      signal?.removeEventListener("abort", end);
    };
    const queue = new BoundedQueue<RialtoEvent<T>>(limit ?? eventsWaiting, { gate: onDropped ? undefined : gate, dropped: onDropped, ended });
    this.#ends.add(end);
    const push: Listener = (heard) => queue.push(heard);
    stop = event === undefined ? this.onAny(push) : this.on(event, push);
    if (signal?.aborted) queue.end();
    else signal?.addEventListener("abort", end, { once: true });
    return queue;
  }

  /** Hands an event to everybody who wants it. */
  tell(event: RialtoEvent): void {
    for (const [key, entry] of [...this.#entries]) {
      if (!entry.wants(event.name)) continue;
      if (entry.once) this.#entries.delete(key);
      try {
        entry.fn(event);
      } catch (error) {
        report(error);
      }
    }
  }

  /** Ends all iterators. */
  end(): void {
    for (const end of [...this.#ends]) end();
  }

  #add(wants: (name: string) => boolean, fn: Listener, once: boolean): Unsubscribe {
    const key = Symbol();
    this.#entries.set(key, { wants, fn, once });
    return () => void this.#entries.delete(key);
  }
}
