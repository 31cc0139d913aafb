// The part of a room's history that is not on the page yet: how far back the page goes, whether there is more, and getting
// it. The room makes entries of what is got.

import { RialtoError, type Place, type RialtoEvent, type Room } from "@rialto/client/web";

const PAGE = 50;
/** A page of a history may hold other things than messages: so many messages are wanted, within so many pages. */
const WANTED = 20;
const PAGES_MAX = 5;

/** What there is before the first entry. */
export type Older =
  /** Nothing that is known of. */
  | "none"
  | "more"
  | "loading"
  | "failed"
  /** The room begins here. */
  | "start"
  /** There was more, and it is not kept any more. */
  | "gone";

/** What lies before the page of one room. */
export class Past {
  older = $state<Older>("none");
  #first: Place | undefined;

  /** An event came; the first one tells where the page begins. */
  heard({ epoch, offset }: RialtoEvent): void {
    if (offset === undefined) return;
    if (this.#first && this.#first.epoch !== epoch && this.older !== "none") this.older = "gone";
    if (this.#first) return;
    this.#first = { epoch, offset };
    this.older = offset > 1n ? "more" : "start";
  }

  /** The page was cut: it begins here now. */
  cut(first: Place | undefined): void {
    if (!first || first.epoch !== this.#first?.epoch) return;
    this.#first = first;
    this.older = "more";
  }

  /** Gets what comes before the page, in rising order. */
  async load(room: Room, wanted: (event: RialtoEvent) => boolean): Promise<readonly RialtoEvent[]> {
    const first = this.#first;
    if (!first || (this.older !== "more" && this.older !== "failed")) return [];
    this.older = "loading";
    const found: RialtoEvent[] = [];
    try {
      let older: Older = "more";
      let before = first.offset;
      for (let pages = 0; pages < PAGES_MAX && older === "more" && found.filter(wanted).length < WANTED; pages++) {
        const page = await room.history({ before, epoch: first.epoch, pageSize: PAGE }).page();
        found.unshift(...page.events);
        before = page.events[0]?.offset ?? before;
        if (!page.more) older = page.firstOffset > 1n ? "gone" : "start";
      }
      this.#first = { epoch: first.epoch, offset: before };
      this.older = older;
      return found.filter(wanted);
    } catch (error) {
      const code = error instanceof RialtoError ? error.code : "";
      this.older = code === "POSITION_GONE" ? "gone" : code === "FORBIDDEN" ? "none" : "failed";
      return [];
    }
  }
}
