// Who has seen what, with little traffic: a receiver tells each sender only the newest of its events that it has seen,
// all senders in one event, at most every `FLUSH_MS`. Pure bookkeeping; rooms send and feed it.

/** How long marks are gathered. */
export const FLUSH_MS = 400;
/** Rooms with more members exchange no marks. */
export const MEMBERS_MAX = 50;
/** Most senders in one event. */
const SENDERS_MAX = 64;

/** Marks that wait to be told. */
export class MarksOut {
  readonly #marks = new Map<string, string>();

  /** The newest event of `session` that was seen here. */
  note(session: string, eventId: string): void {
    if (session === "" || eventId === "") return;
    this.#marks.delete(session);
    this.#marks.set(session, eventId);
    if (this.#marks.size > SENDERS_MAX) this.#marks.delete(this.#marks.keys().next().value as string);
  }

  /** All marks, which are then forgotten; `undefined` when there are none. */
  take(): { sessions: string[]; payload: string } | undefined {
    if (this.#marks.size === 0) return undefined;
    const sessions = [...this.#marks.keys()];
    const payload = JSON.stringify(Object.fromEntries(this.#marks));
    this.#marks.clear();
    return { sessions, payload };
  }
}

/** The mark for `session` in a payload of `MarksOut`; empty when there is none. */
export function readMark(payload: string, session: string): string {
  try {
    const marks: unknown = JSON.parse(payload);
    if (typeof marks !== "object" || marks === null || !Object.hasOwn(marks, session)) return "";
    const mark = (marks as Record<string, unknown>)[session];
    return typeof mark === "string" ? mark : "";
  } catch {
    return "";
  }
}

/** A message of ours that others may have seen. */
export interface Markable {
  readonly eventId: string;
  seenBy: ReadonlySet<string>;
}

/** Marks everything up to an event as seen by a session. Messages are in the order they were sent. */
export function mark(messages: readonly Markable[], eventId: string, session: string): void {
  const last = messages.findLastIndex((message) => message.eventId === eventId);
  for (let index = last; index >= 0; index--) {
    const message = messages[index] as Markable;
    // What lies before was marked with this one.
    if (message.seenBy.has(session)) return;
    if (message.seenBy.size < MEMBERS_MAX) message.seenBy = new Set(message.seenBy).add(session);
  }
}
