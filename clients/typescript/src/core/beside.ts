// What is asked beside the session, by calls of their own with its credentials: answers of one session, lists of rooms, and
// what rooms keep: history, presence, keyed state. Services that most pages never ask are described in chunks of their own,
// fetched when first needed.

import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Transport } from "@connectrpc/connect";
import type { Event } from "../gen/rialto/v1/event_pb.js";
import { MessagingService } from "../gen/rialto/v1/messaging_pb.js";
import { unary, type CallLimits } from "./calls.js";
import { content, duration } from "./command.js";
import { failure, RialtoError } from "./errors.js";
import { RialtoEvent, type Payload } from "./event.js";
import { History, type HistoryOptions, type HistoryPage } from "./history.js";
import type { Settings } from "./options.js";
import { toMember, type PresencePage, type PresenceQuery } from "./presence.js";
import { toReply, type Reply } from "./replies.js";
import { toEntry, type StateEntry } from "./state.js";

const REPLY_TIMEOUT_MS = 5_000;
/** How much longer than the server this side waits for an answer. */
const REPLY_SLACK_MS = 5_000;
const STATE_PAGE = 1000;

/** Whom to ask: one session, or any one member of a room. */
export type Callee = { readonly session: string } | { readonly anyOf: string };

/** How one session is asked. */
export interface CallOptions {
  headers?: Readonly<Record<string, string>>;
  contentType?: string;
  /** How long to wait for the answer. Default 5 s, at most 60 s. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** Which rooms to list. */
export interface RoomsOptions {
  prefix?: string;
  /** At most this many. Default 100. */
  limit?: number;
  /** From the page before. */
  pageToken?: string;
  signal?: AbortSignal;
}

/** Rooms that have members. */
export interface RoomsPage {
  readonly rooms: readonly { readonly name: string; readonly memberCount: number }[];
  readonly total: number;
  /** Set when there are more. */
  readonly nextPageToken: string;
}

/** A room by its names. */
export interface RoomName {
  readonly namespace: string;
  readonly room: string;
}

/** Calls beside one session. */
export class Beside {
  readonly #transport: Transport;
  readonly #settings: Settings;
  readonly #assertOpen: () => void;

  constructor(transport: Transport, settings: Settings, assertOpen: () => void) {
    this.#transport = transport;
    this.#settings = settings;
    this.#assertOpen = assertOpen;
  }

  /** Asks one session. */
  async call(namespace: string, callee: Callee, event: string, payload: Payload, options: CallOptions): Promise<Reply> {
    const timeoutMs = options.timeoutMs ?? REPLY_TIMEOUT_MS;
    const request = {
      namespace,
      callee: "session" in callee
        ? { case: "session" as const, value: callee.session }
        : { case: "anyOf" as const, value: callee.anyOf },
      content: content(event, payload, options),
      timeout: duration(timeoutMs),
    };
    const { call } = MessagingService.method;
    const limits = { timeoutMs: timeoutMs + REPLY_SLACK_MS, signal: options.signal };
    const { reply } = await this.#ask(limits, (known) => unary(this.#transport, call, request, known));
    if (!reply) throw new RialtoError("PROTOCOL", "the answer to a call is none");
    return toReply(reply);
  }

  /** Lists rooms that have members. */
  async rooms(namespace: string, { prefix = "", limit = 100, pageToken = "", signal }: RoomsOptions): Promise<RoomsPage> {
    this.#assertOpen();
    const { DirectoryService } = await import("../gen/rialto/v1/directory_pb.js");
    const request = { namespace, prefix, pageSize: limit, pageToken };
    const page = await this.#ask({ signal }, (known) => unary(this.#transport, DirectoryService.method.listRooms, request, known));
    return {
      rooms: page.rooms.map((room) => ({ name: room.room, memberCount: room.memberCount })),
      total: page.totalCount,
      nextPageToken: page.nextPageToken,
    };
  }

  /** Pages of a room's history. */
  history(room: RoomName, options: HistoryOptions): History {
    this.#assertOpen();
    return new History((pageToken, pageSize) => this.#historyPage(room, options, pageToken, pageSize), options);
  }

  async #historyPage(room: RoomName, options: HistoryOptions, pageToken: string, pageSize: number | undefined): Promise<{ page: HistoryPage; next: string }> {
    const { to, epoch = "", timeoutMs, signal } = options;
    const request = {
      ...room,
      epoch,
      pageToken,
      start: start(options),
      ...(to === undefined ? {} : { toOffset: BigInt(to) }),
      ...(pageSize === undefined ? {} : { pageSize }),
    };
    const { getHistory } = (await roomService()).method;
    const answer = await this.#ask({ timeoutMs, signal }, (known) => unary(this.#transport, getHistory, request, known));
    const { nextPageToken: next, firstOffset, nextOffset } = answer;
    return { page: { events: answer.events.map(past), epoch: answer.epoch, firstOffset, nextOffset, more: next !== "" }, next };
  }

  /** Who is in a room. */
  async presence(room: RoomName, query: PresenceQuery): Promise<PresencePage> {
    this.#assertOpen();
    const { by = "session", countsOnly = false, limit = 100, pageToken = "", signal } = query;
    const { PresenceBy, method } = await roomService();
    const request = { ...room, by: by === "user" ? PresenceBy.USER : PresenceBy.SESSION, countsOnly, pageSize: limit, pageToken };
    const answer = await this.#ask({ signal }, (known) => unary(this.#transport, method.getPresence, request, known));
    return {
      count: answer.memberCount,
      users: answer.userCount,
      members: answer.members.map(toMember),
      byUser: answer.users.map(({ user, sessionCount, away }) => ({ user, sessions: sessionCount, away })),
      nextPageToken: answer.nextPageToken,
    };
  }

  /** Keys of a room's state; all of them when none is named. */
  async state(room: RoomName, keys: readonly string[]): Promise<StateEntry[]> {
    this.#assertOpen();
    const { getState } = (await roomService()).method;
    const entries: StateEntry[] = [];
    for (let pageToken = ""; ; ) {
      const request = { ...room, keys: [...keys], pageSize: STATE_PAGE, pageToken };
      const answer = await this.#ask({}, (known) => unary(this.#transport, getState, request, known));
      entries.push(...answer.entries.flatMap((entry) => toEntry(entry) ?? []));
      pageToken = answer.nextPageToken;
      if (pageToken === "") return entries;
    }
  }

  /** Calls with the credentials of the session, within the usual time if nothing else is said. */
  async #ask<T>({ timeoutMs = this.#settings.commandTimeoutMs, signal }: CallLimits, call: (limits: CallLimits) => Promise<T>): Promise<T> {
    this.#assertOpen();
    const { token: source } = this.#settings;
    try {
      const token = typeof source === "string" ? source : await source(signal ?? new AbortController().signal);
      return await call({ timeoutMs, signal, ...(token ? { headers: { authorization: `Bearer ${token}` } } : {}) });
    } catch (error) {
      throw failure(error);
    }
  }
}

async function roomService() {
  const { RoomService, PresenceBy } = await import("../gen/rialto/v1/room_service_pb.js");
  return { method: RoomService.method, PresenceBy };
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
