// Pages of a room's history, as an application goes through them. Owns where it begins and when it ends; the pages come
// from `beside.ts`.

import { invalid } from "./errors.js";
import type { RialtoEvent } from "./event.js";

/** Which part of a room's history. One of the first four at most; without any, backward from the newest. */
export interface HistoryOptions {
  /** The newest so many events, backward. */
  newest?: number;
  /** Forward from this event; 0: from the oldest that is kept. */
  from?: bigint | number;
  /** Backward from the event before this one. */
  before?: bigint | number;
  /** Forward from the first event taken at this time or later. */
  since?: Date;
  /** Not beyond this event, when going forward. */
  to?: bigint | number;
  /** Which life of the history offsets count in; another one than the present is refused. */
  epoch?: string;
  /** Most events in a page. Default 50, at most 300. */
  pageSize?: number;
  /** Longest wait for a page. Default: that of the session or client. */
  deadlineMs?: number;
  signal?: AbortSignal;
}

/** A page of a room's history. */
export interface HistoryPage {
  /** The events, by rising offset. */
  readonly events: readonly RialtoEvent[];
  /** Which life of the history offsets count in; empty when the room keeps none or never had an event. */
  readonly epoch: string;
  /** The oldest event that is kept. */
  readonly firstOffset: bigint;
  /** The offset that the next event will have. */
  readonly nextOffset: bigint;
  /** True when there are more in the same direction. */
  readonly more: boolean;
}

/** Asks for one page. */
export type LoadPage = (pageToken: string, pageSize: number | undefined) => Promise<{ page: HistoryPage; next: string }>;

const PAGE_MAX = 300;

/** Pages of a room's history: iterate over them, or take the first. */
export class History implements AsyncIterable<HistoryPage> {
  readonly #load: LoadPage;
  readonly #options: HistoryOptions;

  constructor(load: LoadPage, options: HistoryOptions) {
    const { newest, from, before, since } = options;
    if ([newest, from, before, since].filter((start) => start !== undefined).length > 1) {
      throw invalid("a history begins at one place");
    }
    this.#load = load;
    this.#options = options;
  }

  /** The first page. */
  async page(): Promise<HistoryPage> {
    const { newest, pageSize } = this.#options;
    const { page } = await this.#load("", pageSize ?? (newest === undefined ? undefined : Math.min(newest, PAGE_MAX)));
    return page;
  }

  /** All events from there on, in rising order; with `newest` the newest so many, or all there are. */
  async collect(): Promise<RialtoEvent[]> {
    const { from, since } = this.#options;
    const forward = from !== undefined || since !== undefined;
    const pages: (readonly RialtoEvent[])[] = [];
    for await (const { events } of this) pages.push(events);
    return (forward ? pages : pages.reverse()).flat();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HistoryPage> {
    const { newest = Infinity, pageSize = newest === Infinity ? undefined : Math.min(newest, PAGE_MAX) } = this.#options;
    let left = newest;
    let token = "";
    while (left > 0) {
      const { page, next } = await this.#load(token, pageSize);
      const events = page.events.length > left ? page.events.slice(-left) : page.events;
      left -= events.length;
      yield { ...page, events, more: next !== "" && left > 0 };
      if (next === "") return;
      token = next;
    }
  }
}
