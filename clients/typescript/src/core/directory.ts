// Looking at namespaces, rooms and sessions, and acting on the sessions of others. For operators and backends; needs rights that
// users seldom have. Answers name the nodes that were not heard.

import { timestampDate } from "../wire/wellknown.js";
import { Then } from "../gen/rialto/v1/code_pb.js";
import {
  createNamespaceMethod, deleteNamespaceMethod, disconnectMembersMethod, getNamespaceMethod, getRoomMethod, getSessionMethod, joinMembersMethod, listMembersMethod, listNamespacesMethod, listRoomsMethod, partMembersMethod, updateAttributesMethod, updateNamespaceMethod, watchRoomsMethod,
  FallingBehind,
  History,
  NamespaceOrigin,
  RoomEventKind,
  type Namespace as WireNamespace,
  type NamespaceSettings as WireSettings,
  type WatchRoomsResponse,
} from "../gen/rialto/v1/directory_pb.js";
import { single } from "./calls.js";
import { ending, type Caller } from "./caller.js";
import { duration, target, type TargetOptions } from "./command.js";
import { millis, RialtoError } from "./errors.js";
import { who, type Who } from "./event.js";
import type { Ask, CallWait } from "./kept.js";
import { Listing, type Page } from "./listing.js";
import { toMember, type Member } from "./presence.js";

/** How a list is asked for. */
export interface ListOptions extends CallWait {
  /** Most entries in a page. Default 100, at most 1,000. */
  pageSize?: number;
}

/** Which rooms are asked for. */
export interface RoomsOptions extends ListOptions {
  /** Only those whose name begins so. */
  prefix?: string;
  /** From the page before. */
  pageToken?: string;
}

/** A page of what is spread over nodes. */
export interface NodesPage<T> extends Page<T> {
  /** How many there are in all. */
  readonly total: number;
  /** Nodes that did not answer: what is with them is missing. */
  readonly nodesMissing: readonly string[];
}

/** What may be set for a namespace; what is absent has its default, or stays. */
export interface NamespaceSettings {
  /** What becomes of events for a receiver that is behind. */
  fallingBehind?: "close" | "drop" | "latest";
  emitRequiresMember?: boolean;
  payloadBytesMax?: number;
  roomsMax?: number;
  roomEmitsPerSecond?: number;
  deliveryWindowMs?: number;
  /** Whether rooms keep a history, and where. */
  history?: "off" | "memory" | "durable";
  historyEventsMax?: number;
  historyBytesMax?: bigint;
  historyAgeMaxMs?: number;
  stateKeysMax?: number;
  natsIn?: boolean;
  natsOut?: boolean;
  keysShared?: boolean;
}

/** A namespace as the directory shows it. */
export interface NamespaceStatus {
  readonly name: string;
  /** Where it comes from. */
  readonly origin: "config" | "pattern" | "api" | "unspecified";
  /** What is in force. */
  readonly settings: NamespaceSettings;
  readonly sessions: number;
  readonly rooms: number;
  readonly nodesMissing: readonly string[];
}

/** A room with members. */
export interface RoomEntry {
  readonly name: string;
  readonly memberCount: number;
}

/** A session as the directory shows it. */
export interface SessionStatus extends Member {
  /** The program at its other end. */
  readonly program: { readonly name: string; readonly version: string };
  readonly node: string;
  readonly since: Date;
  /** Its rooms by namespace. */
  readonly rooms: ReadonlyMap<string, readonly string[]>;
  /** What waits in its outbox. */
  readonly outboxFrames: number;
  readonly outboxBytes: number;
}

/** What was done to sessions. */
export interface MembersChanged {
  /** How many have changed. */
  readonly count: number;
  /** How many could not, because they are at a limit. */
  readonly refused: number;
  readonly nodesMissing: readonly string[];
}

/** What happened in a namespace. */
export interface RoomEvent {
  readonly kind: "watching" | "created" | "joined" | "left" | "deleted" | "missed" | "unspecified";
  readonly room: string;
  /** Who has joined or left. */
  readonly who: Who;
  /** How many members the room has now. */
  readonly memberCount: number;
  /** How many events were not told, of the kind `missed`. */
  readonly missed: number;
  /** Nodes that have not answered, when the watch begins: what happens there is told when they do. */
  readonly nodesMissing: readonly string[];
}

/** How a session is ended. */
export interface DisconnectOptions extends CallWait {
  /** Text for the client, at most 256 bytes. */
  reason?: string;
  /** What it does next. Default: it stays away. */
  then?: "stay-away" | "reconnect" | "resume";
}

const THEN = { "stay-away": Then.STAY_AWAY, reconnect: Then.RECONNECT, resume: Then.RESUME };
/** A page of the rooms that have members, by name. */
export async function roomsOf(ask: Ask, namespace: string, options: RoomsOptions): Promise<NodesPage<RoomEntry>> {
  const { prefix = "", pageSize = 0, pageToken = "", ...wait } = options;
  const answer = await ask(listRoomsMethod, { namespace, prefix, pageSize, pageToken }, wait);
  return page(answer, answer.rooms.map(({ room, memberCount }) => ({ name: room, memberCount })));
}

/** Namespaces, rooms and sessions. */
export class Directory {
  readonly #client: Caller;

  constructor(client: Caller) {
    this.#client = client;
  }

  /** All namespaces. */
  namespaces({ pageSize = 0, ...wait }: ListOptions = {}): Listing<NamespaceStatus, NodesPage<NamespaceStatus>> {
    return new Listing(async (pageToken) => {
      const answer = await this.#client.ask(listNamespacesMethod, { pageSize, pageToken }, wait);
      return page(answer, answer.namespaces.map((namespace) => toNamespace(namespace, answer.nodesMissing)));
    });
  }

  /** One namespace. */
  async namespace(namespace: string, wait: CallWait = {}): Promise<NamespaceStatus> {
    const answer = await this.#client.ask(getNamespaceMethod, { namespace }, wait);
    return toNamespace(answer.namespace, answer.nodesMissing);
  }

  /** Makes a namespace. */
  async createNamespace(namespace: string, settings: NamespaceSettings = {}, wait: CallWait = {}): Promise<NamespaceStatus> {
    const request = { namespace, settings: fromSettings(settings) };
    return toNamespace((await this.#client.ask(createNamespaceMethod, request, wait)).namespace);
  }

  /** Changes a namespace; what is not named stays. */
  async updateNamespace(namespace: string, settings: NamespaceSettings, wait: CallWait = {}): Promise<NamespaceStatus> {
    const request = { namespace, settings: fromSettings(settings) };
    return toNamespace((await this.#client.ask(updateNamespaceMethod, request, wait)).namespace);
  }

  /** Deletes a namespace; says how many sessions have left it. */
  async deleteNamespace(namespace: string, wait: CallWait = {}): Promise<number> {
    return (await this.#client.ask(deleteNamespaceMethod, { namespace }, wait)).sessionsChanged;
  }

  /** Rooms that have members, by name. */
  rooms(namespace: string, options: RoomsOptions = {}): Listing<RoomEntry, NodesPage<RoomEntry>> {
    return new Listing((pageToken) => roomsOf(this.#client.ask, namespace, { ...options, pageToken }));
  }

  /** One room; without members its count is zero. */
  async room(namespace: string, room: string, wait: CallWait = {}): Promise<RoomEntry & { nodesMissing: readonly string[] }> {
    const { room: found, nodesMissing } = await this.#client.ask(getRoomMethod, { namespace, room }, wait);
    return { name: room, memberCount: found?.memberCount ?? 0, nodesMissing };
  }

  /** Members of a room; of the whole namespace when the room is empty. */
  members(namespace: string, room = "", { pageSize = 0, ...wait }: ListOptions = {}): Listing<Member, NodesPage<Member>> {
    return new Listing(async (pageToken) => {
      const answer = await this.#client.ask(listMembersMethod, { namespace, room, pageSize, pageToken }, wait);
      return page(answer, answer.members.map(toMember));
    });
  }

  /** One session with its rooms. */
  async session(sessionId: string, wait: CallWait = {}): Promise<SessionStatus> {
    const { session } = await this.#client.ask(getSessionMethod, { sessionId }, wait);
    if (!session?.member) throw new RialtoError("PROTOCOL", "the answer to a question about a session is none");
    const { member, client, node, since, memberships, outboxFrames, outboxBytes } = session;
    return {
      ...toMember(member),
      program: { name: client?.name ?? "", version: client?.version ?? "" },
      node,
      since: since ? timestampDate(since) : new Date(0),
      rooms: new Map(memberships.map(({ namespace, rooms }) => [namespace, rooms])),
      outboxFrames,
      outboxBytes,
    };
  }

  /** Makes sessions join rooms, 1 to 64. */
  async joinMembers(namespace: string, to: TargetOptions, rooms: readonly string[], wait: CallWait = {}): Promise<MembersChanged> {
    return changed(await this.#client.ask(joinMembersMethod, { namespace, target: target(to), rooms: [...rooms] }, wait));
  }

  /** Makes sessions part rooms, 1 to 64. */
  async partMembers(namespace: string, to: TargetOptions, rooms: readonly string[], wait: CallWait = {}): Promise<MembersChanged> {
    return changed(await this.#client.ask(partMembersMethod, { namespace, target: target(to), rooms: [...rooms] }, wait));
  }

  /** Ends sessions. */
  async disconnectMembers(namespace: string, to: TargetOptions, options: DisconnectOptions = {}): Promise<MembersChanged> {
    const { reason = "", then, ...wait } = options;
    const request = { namespace, target: target(to), reason, then: then ? THEN[then] : Then.UNSPECIFIED };
    return changed(await this.#client.ask(disconnectMembersMethod, request, wait));
  }

  /** Sets and removes attributes of sessions. */
  async updateAttributes(
    namespace: string,
    to: TargetOptions,
    { set = {}, remove = [], ...wait }: CallWait & { set?: Readonly<Record<string, string>>; remove?: readonly string[] },
  ): Promise<MembersChanged> {
    const request = { namespace, target: target(to), set: { ...set }, remove: [...remove] };
    return changed(await this.#client.ask(updateAttributesMethod, request, wait));
  }

  /** What happens to the rooms of a namespace, or to one of them, from now on. Ends with an error when the stream is lost: nobody
   * could tell what happened meanwhile. */
  async *watchRooms(namespace: string, { room = "", signal }: { room?: string; signal?: AbortSignal } = {}): AsyncGenerator<RoomEvent> {
    const control = new AbortController();
    const stop = () => control.abort(signal?.reason);
    signal?.addEventListener("abort", stop, { once: true });
    try {
      if (signal?.aborted) return;
      for await (const event of await this.#client.open(watchRoomsMethod, single({ namespace, room }), control)) yield toRoomEvent(event);
    } catch (error) {
      if (!signal?.aborted) throw ending(error, control.signal);
    } finally {
      signal?.removeEventListener("abort", stop);
      control.abort();
    }
  }
}

function page<T>(answer: { nextPageToken: string; totalCount: number; nodesMissing: readonly string[] }, entries: T[]): NodesPage<T> {
  return { entries, nextPageToken: answer.nextPageToken, total: answer.totalCount, nodesMissing: answer.nodesMissing };
}

function changed(answer: { sessionsChanged: number; sessionsRefused?: number; nodesMissing: readonly string[] }): MembersChanged {
  return { count: answer.sessionsChanged, refused: answer.sessionsRefused ?? 0, nodesMissing: answer.nodesMissing };
}

/** The name of an enum's value as a word. */
function word<T extends string>(names: Record<number, string>, value: number): T {
  return (names[value] ?? "unspecified").toLowerCase() as T;
}

function toRoomEvent({ kind, room, who: whom, memberCount, missedCount, nodesMissing }: WatchRoomsResponse): RoomEvent {
  return { kind: word(RoomEventKind, kind), room, who: who(whom), memberCount, missed: missedCount, nodesMissing };
}

function fromSettings(settings: NamespaceSettings) {
  const { fallingBehind, history, deliveryWindowMs, historyAgeMaxMs, ...plain } = settings;
  return {
    ...plain,
    ...(fallingBehind && { fallingBehind: FallingBehind[fallingBehind.toUpperCase() as keyof typeof FallingBehind] }),
    ...(history && { history: History[history.toUpperCase() as keyof typeof History] }),
    ...(deliveryWindowMs !== undefined && { deliveryWindow: duration(deliveryWindowMs) }),
    ...(historyAgeMaxMs !== undefined && { historyAgeMax: duration(historyAgeMaxMs) }),
  };
}

function toNamespace(namespace: WireNamespace | undefined, nodesMissing: readonly string[] = []): NamespaceStatus {
  if (!namespace) throw new RialtoError("PROTOCOL", "the answer to a question about a namespace is none");
  const { namespace: name, origin, settings, sessionCount, roomCount } = namespace;
  return { name, origin: word(NamespaceOrigin, origin), settings: toSettings(settings), sessions: sessionCount, rooms: roomCount, nodesMissing };
}

function toSettings(settings: WireSettings | undefined): NamespaceSettings {
  if (!settings) return {};
  const { fallingBehind, history, deliveryWindow, historyAgeMax, ...plain } = settings;
  return {
    ...(plain as NamespaceSettings),
    ...(fallingBehind && { fallingBehind: word<"close">(FallingBehind, fallingBehind) }),
    ...(history && { history: word<"off">(History, history) }),
    ...(deliveryWindow && { deliveryWindowMs: millis(deliveryWindow) }),
    ...(historyAgeMax && { historyAgeMaxMs: millis(historyAgeMax) }),
  };
}
