// Who is in a room: a map that follows `Joined` and `Presence`. In rooms too large for names only the count is known.
// Never asks the server by itself; it says when its map has a hole and the room joins again.

import type { Member as WireMember, Presence as WirePresence, RoomState } from "../gen/rialto/v1/room_pb.js";
import { who, type Who } from "./event.js";
import { Value, report, type Observable, type Unsubscribe } from "./observable.js";

/** A session in a room. */
export interface Member extends Who {
  readonly attributes: Readonly<Record<string, string>>;
  /** True while its connection is lost; it may come back. */
  readonly away: boolean;
}

/** Who came, changed or went. */
export interface PresenceChange {
  readonly joined: readonly Member[];
  readonly left: readonly Who[];
}

/** The members of a room now. */
export interface Presence {
  /** Members by session id. */
  readonly members: ReadonlyMap<string, Member>;
  /** How many there are, also when they are not named. */
  readonly count: number;
  /** How many users that are: sessions of one user count once, sessions without a user each. */
  readonly users: number;
  /** True when `members` names all of them. */
  readonly complete: boolean;
}

/** What is asked of the server about who is in a room. */
export interface PresenceQuery {
  /** One entry a session, which is the default, or one a user. */
  by?: "session" | "user";
  /** Only how many. */
  countsOnly?: boolean;
  /** At most this many. Default 100, at most 1,000. */
  limit?: number;
  /** From the page before. */
  pageToken?: string;
  signal?: AbortSignal;
}

/** Who is in a room, as the server says. */
export interface PresencePage {
  /** How many sessions. */
  readonly count: number;
  /** How many users: sessions of one user count once, sessions without a user each. */
  readonly users: number;
  /** Asked by session. */
  readonly members: readonly Member[];
  /** Asked by user. */
  readonly byUser: readonly { readonly user: string; readonly sessions: number; readonly away: boolean }[];
  /** Set when there are more. */
  readonly nextPageToken: string;
}

/** Who was last seen under a session id, for events of those who have gone. */
const GONE_MAX = 256;

/** A member as plain data. */
export function toMember(member: WireMember): Member {
  return { ...who(member.who), attributes: { ...member.attributes }, away: member.away };
}

/** Follows the members of one room. */
export class PresenceMap implements Observable<Presence> {
  readonly #value = new Value<Presence>({ members: new Map(), count: 0, users: 0, complete: false });
  readonly #changes = new Set<(change: PresenceChange) => void>();
  readonly #gone = new Map<string, Member>();
  readonly #ask: (query: PresenceQuery) => Promise<PresencePage>;

  constructor(ask: (query: PresenceQuery) => Promise<PresencePage>) {
    this.#ask = ask;
  }

  /** Asks the server, whether the room was joined or not. */
  fetch(query: PresenceQuery = {}): Promise<PresencePage> {
    return this.#ask(query);
  }

  get current(): Presence {
    return this.#value.current;
  }

  subscribe(fn: (presence: Presence) => void): Unsubscribe {
    return this.#value.subscribe(fn);
  }

  /** Hears who comes and goes. */
  onChange(fn: (change: PresenceChange) => void): Unsubscribe {
    this.#changes.add(fn);
    return () => void this.#changes.delete(fn);
  }

  /** A member, or one of the last who have gone. */
  find(session: string): Member | undefined {
    return this.current.members.get(session) ?? this.#gone.get(session);
  }

  /** The room as `Joined` describes it. */
  reset(state: RoomState): void {
    const before = this.current.members;
    const members = new Map(state.members.map(toMember).map((member) => [member.session, member]));
    const joined = [...members.values()].filter((member) => !before.has(member.session));
    const left = [...before.values()].filter((member) => !members.has(member.session));
    this.#set(members, state.memberCount, state.userCount, { joined, left });
  }

  /** Members came or went. False when the map has a hole that could be filled. */
  apply(change: WirePresence): boolean {
    const members = new Map(this.current.members);
    const left: Member[] = [];
    const joined = change.joined.map(toMember);
    for (const sender of change.left) {
      const member = members.get(sender.session);
      if (members.delete(sender.session) && member) left.push(member);
    }
    for (const member of joined) members.set(member.session, member);
    this.#set(members, change.memberCount, change.userCount, { joined, left });
    return this.current.complete || change.joined.length + change.left.length === 0;
  }

  /** The session is out of the room. */
  clear(): void {
    this.#set(new Map(), 0, 0, { joined: [], left: [] });
  }

  #set(members: Map<string, Member>, count: number, users: number, change: PresenceChange): void {
    for (const gone of change.left as Member[]) this.#remember(gone);
    this.#value.set({ members, count, users, complete: members.size === count });
    if (change.joined.length + change.left.length === 0) return;
    for (const fn of [...this.#changes]) {
      try {
        fn(change);
      } catch (error) {
        report(error);
      }
    }
  }

  #remember(member: Member): void {
    this.#gone.delete(member.session);
    this.#gone.set(member.session, member);
    if (this.#gone.size > GONE_MAX) this.#gone.delete(this.#gone.keys().next().value as string);
  }
}
