// Who is in a room: a map that follows `Joined` and `Presence`. In rooms too large for names only the count is known.
// Never asks the server by itself; it says when its map has a hole and the room joins again.

import type { Member as WireMember, Presence as WirePresence, RoomState } from "../gen/rialto/v1/room_pb.js";
import { who, type Who } from "./event.js";
import type { Page } from "./listing.js";
import { Value, report, type Observable, type Unsubscribe } from "./observable.js";

/** A session in a room. */
export interface Member extends Who {
  readonly attributes: Readonly<Record<string, string>>;
  /** True while its connection is lost; it may come back. */
  readonly away: boolean;
}

/** A user in a room. */
export interface UserPresence {
  readonly user: string;
  readonly sessions: number;
  /** True while the connections of all its sessions are lost. */
  readonly away: boolean;
}

/** How many are in a room. */
export interface Counts {
  /** How many sessions. */
  readonly count: number;
  /** How many users that are: sessions of one user count once, sessions without a user each. */
  readonly users: number;
}

/** Who came, changed or went, and how many there are now. */
export interface PresenceChange extends Counts {
  readonly joined: readonly Member[];
  readonly left: readonly Who[];
}

/** The members of a room now. */
export interface Presence extends Counts {
  /** Members by session id. */
  readonly members: ReadonlyMap<string, Member>;
  /** True when `members` names all of them. */
  readonly complete: boolean;
}

/** Which page of those who are in a room is asked for. */
export interface PresenceQuery {
  /** At most this many. Default 100, at most 1,000. */
  pageSize?: number;
  /** From the page before. */
  pageToken?: string;
  deadlineMs?: number;
  signal?: AbortSignal;
}

/** What the server is asked about who is in a room, whether it was joined or not. */
export interface AsksPresence {
  /** How many. */
  counts(query?: Pick<PresenceQuery, "deadlineMs" | "signal">): Promise<Counts>;
  /** A page of sessions. */
  members(query?: PresenceQuery): Promise<Page<Member>>;
  /** A page of users. */
  users(query?: PresenceQuery): Promise<Page<UserPresence>>;
}

/** Who was last seen under a session id, for events of those who have gone. */
const GONE_MAX = 256;

/** A member as plain data. */
export function toMember(member: WireMember): Member {
  return { ...who(member.who), attributes: { ...member.attributes }, away: member.away };
}

/** Follows the members of one room. */
export class PresenceMap implements Observable<Presence>, AsksPresence {
  readonly #value = new Value<Presence>({ members: new Map(), count: 0, users: 0, complete: false });
  readonly #changes = new Set<(change: PresenceChange) => void>();
  readonly #gone = new Map<string, Member>();
  readonly #asks: () => Promise<AsksPresence>;

  constructor(asks: () => Promise<AsksPresence>) {
    this.#asks = asks;
  }

  async counts(query?: PresenceQuery): Promise<Counts> {
    return (await this.#asks()).counts(query);
  }

  async members(query?: PresenceQuery): Promise<Page<Member>> {
    return (await this.#asks()).members(query);
  }

  async users(query?: PresenceQuery): Promise<Page<UserPresence>> {
    return (await this.#asks()).users(query);
  }

  /** What is known here; filled when the room was joined with `presence`. */
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
  reset({ members, memberCount, userCount }: Pick<RoomState, "members" | "memberCount" | "userCount">): void {
    const before = this.current.members;
    const now = new Map(members.map(toMember).map((member) => [member.session, member]));
    const joined = [...now.values()].filter((member) => JSON.stringify(before.get(member.session)) !== JSON.stringify(member));
    // Where nobody is named nobody is named as gone either.
    const left = [...before.values()].filter((member) => now.size > 0 && !now.has(member.session));
    this.#set(now, { joined, left, count: memberCount, users: userCount });
  }

  /** Members came or went. False when the map has a hole that could be filled. */
  apply({ joined: came, left: went, memberCount: count, userCount: users }: WirePresence): boolean {
    const joined = came.map(toMember);
    // As many as there are: these are all.
    const members = new Map(joined.length === count ? [] : this.current.members);
    const before = this.current.members;
    const left = went.flatMap(({ session }) => before.get(session) ?? []);
    for (const { session } of went) members.delete(session);
    for (const member of joined) members.set(member.session, member);
    this.#set(members, { joined, left, count, users });
    return this.current.complete || joined.length + went.length === 0;
  }

  /** The session is out of the room. */
  clear(): void {
    this.#set(new Map(), { joined: [], left: [], count: 0, users: 0 });
  }

  #set(members: Map<string, Member>, change: PresenceChange): void {
    const { count, users } = change;
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
