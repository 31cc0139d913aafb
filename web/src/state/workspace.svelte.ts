// A workspace of the chat: one namespace with the rooms this person has opened in it. All workspaces share the one
// session of the page; this binds their rooms to it.

import type { Namespace, Session } from "@rialto/client/web";
import { ChatRoom, type Around } from "./room.svelte.ts";

/** A workspace. */
export class Workspace {
  readonly name: string;
  rooms = $state.raw<readonly ChatRoom[]>([]);
  /** The room that was looked at last. */
  last = $state("");
  readonly #around: Around;
  #namespace: Namespace | undefined;
  #unhear: () => void = () => {};

  constructor(around: Around, name: string, rooms: readonly string[]) {
    this.#around = around;
    this.name = name;
    this.rooms = rooms.map((room) => new ChatRoom(around, name, room));
  }

  /** How much is unread in all rooms. */
  get unread(): number {
    return this.rooms.reduce((sum, room) => sum + room.unread, 0);
  }

  /** Follows a session: joins all rooms in it. */
  bind(session: Session): void {
    this.#unhear();
    this.#namespace = session.namespace(this.name);
    this.#unhear = this.#namespace.on("seen", (event) => this.room(event.headers["room"] ?? "")?.heardSeen(event));
    for (const room of this.rooms) room.bind(this.#namespace.room(room.name));
  }

  /** Leaves everything. */
  leave(): void {
    this.#unhear();
    for (const room of this.rooms) room.unbind();
    this.#namespace?.leave().catch(() => {});
  }

  /** A room that is open here. */
  room(name: string): ChatRoom | undefined {
    return this.rooms.find((room) => room.name === name);
  }

  /** Opens a room, which makes it if nobody is there. */
  open(name: string): ChatRoom {
    let room = this.room(name);
    if (room) return room;
    room = new ChatRoom(this.#around, this.name, name);
    this.rooms = [...this.rooms, room].sort((a, b) => a.name.localeCompare(b.name));
    if (this.#namespace) room.bind(this.#namespace.room(name));
    return room;
  }

  /** Leaves a room. */
  close(room: ChatRoom): void {
    room.leave();
    this.rooms = this.rooms.filter((other) => other !== room);
  }

  /** Tells sessions which of their events were seen in a room. */
  tellSeen(room: ChatRoom, sessions: readonly string[], payload: string): void {
    this.#namespace?.to({ sessions }).emit("seen", payload, { headers: { room: room.name }, volatile: true }).catch(() => {});
  }

  /** Rooms that have members, whether open here or not. */
  async list(prefix: string, signal: AbortSignal): Promise<readonly { name: string; memberCount: number }[]> {
    const page = await this.#namespace?.rooms({ prefix, pageSize: 50, signal });
    return page?.entries ?? [];
  }
}
