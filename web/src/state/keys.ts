// Keys for lists, which are numbers that never repeat while the page lives, and names that nothing else has anywhere.

/** Counts. */
export class Keys {
  #last = 0;

  /** The next key. */
  next(): number {
    return ++this.#last;
  }
}

/** A name by chance. `crypto.randomUUID` would do, but pages that came over plain HTTP have none. */
export function byChance(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
