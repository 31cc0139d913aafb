// Who is in a room: a map that follows `Joined` and `Presence`. In rooms too large for names only the count is known.
// Never asks the server by itself; it says when its map has a hole and the room joins again.

import type { Member as WireMember, Presence as WirePresence, RoomState } from "../gen/rialto/v1/room_pb.js";
import { who, type Who } from "./event.js";
import { Value, report, type Observable, type Unsubscribe } from "./observable.js";

/** A session in a room. */
export interface Member extends Who {
  readonly attributes: Readonly<Record<string, string>>;
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
  /** True when `members` names all of them. */
  readonly complete: boolean;
}

/** Who was last seen under a session id, for events of those who have gone. */
const GONE_MAX = 256;

function toMember(member: WireMember): Member {
  return { ...who(member.who), attributes: { ...member.attributes } };
}

/** Follows the members of one room. */
export class PresenceMap implements Observable<Presence> {
  readonly #value = new Value<Presence>({ members: new Map(), count: 0, complete: false });
  readonly #changes = new Set<(change: PresenceChange) => void>();
  readonly #gone = new Map<string, Member>();

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
    this.#set(members, state.memberCount, { joined, left });
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
    this.#set(members, change.memberCount, { joined, left });
    return this.current.complete || change.joined.length + change.left.length === 0;
  }

  /** The session is out of the room. */
  clear(): void {
    this.#set(new Map(), 0, { joined: [], left: [] });
  }

  #set(members: Map<string, Member>, count: number, change: PresenceChange): void {
    for (const gone of change.left as Member[]) this.#remember(gone);
    this.#value.set({ members, count, complete: members.size === count });
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
