// A list that comes in pages: iterate over its entries, or take one page. Owns where a page begins; the pages come from
// whoever made it.

/** Some entries of a list. */
export interface Page<T> {
  readonly entries: readonly T[];
  /** Set when there may be more. */
  readonly nextPageToken: string;
}

/** Entries to iterate over. Each iteration asks anew. */
export class Listing<T, P extends Page<T> = Page<T>> implements AsyncIterable<T> {
  readonly #load: (pageToken: string) => Promise<P>;

  constructor(load: (pageToken: string) => Promise<P>) {
    this.#load = load;
  }

  /** One page: the first, or the one that another page names. */
  page(pageToken = ""): Promise<P> {
    return this.#load(pageToken);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (let token = ""; ; ) {
      const { entries, nextPageToken } = await this.#load(token);
      for (const entry of entries) yield entry;
      if (nextPageToken === "") return;
      token = nextPageToken;
    }
  }
}
