// Who wants to hear which event: by name, by prefix, any, once, and as a bounded async iterator. A room and a
// namespace each own one of these. Never throws what a listener throws into the session.

import type { RialtoEvent } from "./event.js";
import { report, type Unsubscribe } from "./observable.js";
import { BoundedQueue } from "./queue.js";

/** Hears events. */
export type Listener = (event: RialtoEvent) => void;

/** How `events()` buffers. */
export interface EventsOptions {
  /** Events that may wait for the reader; the oldest are dropped beyond. Default 1,024. */
  limit?: number;
  /** Only events of this name. */
  event?: string;
  /** Ends the iteration. */
  signal?: AbortSignal;
  /** Told when events were dropped because the reader was behind. */
  onDropped?: (count: number) => void;
}

/** A set of listeners. */
export class Listeners {
  readonly #entries = new Map<symbol, { wants: (name: string) => boolean; fn: Listener; once: boolean }>();
  readonly #ends = new Set<() => void>();

  /** True when nobody listens. */
  get idle(): boolean {
    return this.#entries.size === 0;
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
  events(options: EventsOptions = {}): AsyncIterableIterator<RialtoEvent> {
    let stop: Unsubscribe = () => {};
    const end = () => queue.end();
    const queue = new BoundedQueue<RialtoEvent>(options.limit ?? 1024, options.onDropped, () => {
      stop();
      this.#ends.delete(end);
      options.signal?.removeEventListener("abort", end);
    });
    this.#ends.add(end);
    stop = options.event === undefined
      ? this.onAny((event) => queue.push(event))
      : this.on(options.event, (event) => queue.push(event));
    if (options.signal?.aborted) queue.end();
    else options.signal?.addEventListener("abort", end, { once: true });
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
