// What rooms keep, as the server tells it: histories, presence, keyed state, of rooms that were joined and of others. Asked by a
// session beside its stream, which fetches this when it is first needed, and by clients without one.

import type { Init, Method } from "../wire/message.js";
import { timestampFromDate } from "../wire/wellknown.js";
import type { Event } from "../gen/rialto/v1/event_pb.js";
import { PresenceBy, getHistoryMethod, getPresenceMethod, getStateMethod } from "../gen/rialto/v1/room_service_pb.js";
import { RialtoEvent } from "./event.js";
import type { HistoryOptions, LoadPage } from "./history.js";
import type { Page } from "./listing.js";
import { toMember, type AsksPresence, type Counts, type Member, type PresenceQuery, type UserPresence } from "./presence.js";
import { toEntry, type AsksState, type StateEntry, type StateQuery } from "./state.js";

/** A room by its names. */
export interface RoomName {
  readonly namespace: string;
  readonly room: string;
}

/** How one call waits. */
export interface CallWait {
  /** Longest wait for the answer. Default: that of the session or client. */
  deadlineMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** Asks once, with somebody's credentials. */
export type Ask = <I extends object, O extends object>(method: Method<I, O>, input: Init<I>, wait?: CallWait) => Promise<O>;

/** Gives pages of a room's history. */
export function historyOf(ask: Ask, room: RoomName, options: HistoryOptions): LoadPage {
  const { to, epoch = "", deadlineMs, signal } = options;
  const about = { ...room, epoch, start: start(options), ...(to === undefined ? {} : { toOffset: BigInt(to) }) };
  return async (pageToken, pageSize) => {
    const request = { ...about, pageToken, ...(pageSize === undefined ? {} : { pageSize }) };
    const answer = await ask(getHistoryMethod, request, { deadlineMs, signal });
    const { nextPageToken: next, firstOffset, nextOffset } = answer;
    return { page: { events: answer.events.map(past), epoch: answer.epoch, firstOffset, nextOffset, more: next !== "" }, next };
  };
}

function start({ from, before, since }: HistoryOptions) {
  if (from !== undefined) return { case: "fromOffset" as const, value: BigInt(from) };
  if (before !== undefined) return { case: "beforeOffset" as const, value: BigInt(before) };
  if (since !== undefined) return { case: "since" as const, value: timestampFromDate(since) };
  return { case: undefined };
}

/** An event of the past: nobody waits for an answer to it. */
function past(event: Event): RialtoEvent {
  return new RialtoEvent(event, () => Promise.resolve(), true);
}

/** Who is in a room. */
export class RoomPresence implements AsksPresence {
  readonly #ask: Ask;
  readonly #room: RoomName;

  constructor(ask: Ask, room: RoomName) {
    this.#ask = ask;
    this.#room = room;
  }

  async counts(query: PresenceQuery = {}): Promise<Counts> {
    const { memberCount: count, userCount: users } = await this.#page({ countsOnly: true }, query);
    return { count, users };
  }

  async members(query: PresenceQuery = {}): Promise<Page<Member>> {
    const { members, nextPageToken } = await this.#page({ by: PresenceBy.SESSION }, query);
    return { entries: members.map(toMember), nextPageToken };
  }

  async users(query: PresenceQuery = {}): Promise<Page<UserPresence>> {
    const { users, nextPageToken } = await this.#page({ by: PresenceBy.USER }, query);
    return { entries: users.map(({ user, sessionCount, away }) => ({ user, sessions: sessionCount, away })), nextPageToken };
  }

  #page(what: { countsOnly?: boolean; by?: PresenceBy }, { pageSize = 0, pageToken = "", ...wait }: PresenceQuery) {
    return this.#ask(getPresenceMethod, { ...this.#room, ...what, pageSize, pageToken }, wait);
  }
}

/** The keyed state of a room. */
export class RoomState implements AsksState {
  protected readonly ask: Ask;
  protected readonly room: RoomName;

  constructor(ask: Ask, room: RoomName) {
    this.ask = ask;
    this.room = room;
  }

  async get(key: string, wait: CallWait = {}): Promise<StateEntry | undefined> {
    const { entries: [entry] } = await this.ask(getStateMethod, { ...this.room, keys: [key] }, wait);
    return entry && toEntry(entry);
  }

  async page({ pageSize = 0, pageToken = "", ...wait }: StateQuery = {}): Promise<Page<StateEntry>> {
    const { entries, nextPageToken } = await this.ask(getStateMethod, { ...this.room, pageSize, pageToken }, wait);
    return { entries: entries.flatMap((entry) => toEntry(entry) ?? []), nextPageToken };
  }

  async all(wait: CallWait = {}): Promise<ReadonlyMap<string, StateEntry>> {
    const all = new Map<string, StateEntry>();
    for (let pageToken = ""; ; ) {
      const { entries, nextPageToken } = await this.page({ ...wait, pageSize: ALL_PAGE, pageToken } as StateQuery);
      for (const entry of entries) all.set(entry.key, entry);
      if (nextPageToken === "") return all;
      pageToken = nextPageToken;
    }
  }
}

const ALL_PAGE = 1000;
