// What happens to a session apart from events, for those who want to know. Tells, and never slows the session.

import type { RialtoError } from "./errors.js";
import { report, type Unsubscribe } from "./observable.js";
import { BoundedQueue } from "./queue.js";
import type { Missed } from "./room.js";

/** Something that happened to a session. */
export type Report =
  /** Attached again: `resumed` says whether the session goes on, or another one took its place. */
  | { readonly kind: "reconnected"; readonly before: string; readonly session: string; readonly resumed: boolean; readonly cause: RialtoError }
  /** A new session is in these rooms again. */
  | { readonly kind: "rejoined"; readonly namespace: string; readonly rooms: readonly string[] }
  /** It is not, and will not be; without a room it is the namespace. */
  | { readonly kind: "rejoin_refused"; readonly namespace: string; readonly room: string; readonly error: RialtoError }
  /** Events do not come, or may not. */
  | ({ readonly kind: "missed" } & Missed)
  /** Somebody else has put the session into rooms, or taken it out. */
  | { readonly kind: "joined" | "parted"; readonly namespace: string; readonly rooms: readonly string[] }
  /** Something was refused that nobody waits for. */
  | { readonly kind: "refused"; readonly error: RialtoError }
  /** The source of tokens has failed; it is asked again. */
  | { readonly kind: "token_unavailable"; readonly cause: RialtoError }
  /** The node will stop; the session moves to another one. */
  | { readonly kind: "draining" }
  /** So many reports were not read in time. */
  | { readonly kind: "overlooked"; readonly count: number };

const KEPT = 64;

/** Those who hear reports. */
export class Reports {
  readonly #listeners = new Set<(told: Report) => void>();
  readonly #ends = new Set<() => void>();

  /** Hears of everything. */
  on(fn: (told: Report) => void): Unsubscribe {
    const own = (told: Report) => fn(told);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Reports to iterate over: for a reader that is behind 64 are kept, then the oldest go. */
  read(): AsyncGenerator<Report> {
    let overlooked = 0;
    const ended = () => {
      stop();
      this.#ends.delete(end);
    };
    const queue = new BoundedQueue<Report>(KEPT, { dropped: () => overlooked++, ended });
    const end = () => queue.end();
    const stop = this.on((told) => queue.push(told));
    this.#ends.add(end);
    return (async function* () {
      for await (const told of queue) {
        if (overlooked > 0) yield { kind: "overlooked", count: overlooked };
        overlooked = 0;
        yield told;
      }
    })();
  }

  /** Tells everybody. */
  tell(told: Report): void {
    for (const fn of [...this.#listeners]) {
      try {
        fn(told);
      } catch (error) {
        report(error);
      }
    }
  }

  /** Nothing more will happen. */
  end(): void {
    for (const end of [...this.#ends]) end();
  }
}
