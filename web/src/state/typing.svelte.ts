// Who is typing in a room, and telling others that somebody types here. Says it seldom, forgets it soon, and never
// keeps more than a few names.

const SAY_EVERY_MS = 2_500;
const FORGET_MS = 4_500;
const NAMES_MAX = 16;

/** Typing in one room. */
export class Typing {
  /** Names by session. */
  names = $state.raw<ReadonlyMap<string, string>>(new Map());
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #say: (typing: boolean) => void;
  #saidAt = 0;

  constructor(say: (typing: boolean) => void) {
    this.#say = say;
  }

  /** The draft has changed. */
  draft(text: string): void {
    const now = Date.now();
    if (text.trim() === "") {
      if (this.#saidAt > 0) this.#say(false);
      this.#saidAt = 0;
    } else if (now - this.#saidAt > SAY_EVERY_MS) {
      this.#saidAt = now;
      this.#say(true);
    }
  }

  /** The message was sent: that ends the typing without a word. */
  sent(): void {
    this.#saidAt = 0;
  }

  /** Another one types. */
  heard(session: string, name: string): void {
    if (!this.names.has(session) && this.names.size >= NAMES_MAX) return;
    this.names = new Map(this.names).set(session, name);
    clearTimeout(this.#timers.get(session));
    this.#timers.set(session, setTimeout(() => this.stopped(session), FORGET_MS));
  }

  /** Another one has stopped. */
  stopped(session: string): void {
    clearTimeout(this.#timers.get(session));
    this.#timers.delete(session);
    if (!this.names.has(session)) return;
    const names = new Map(this.names);
    names.delete(session);
    this.names = names;
  }
}
