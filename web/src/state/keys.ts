// Keys for lists: numbers that never repeat while the page lives.

/** Counts. */
export class Keys {
  #last = 0;

  /** The next key. */
  next(): number {
    return ++this.#last;
  }
}
