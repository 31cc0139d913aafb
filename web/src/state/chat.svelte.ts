// The chat as a whole: who is here, one session, the workspaces and rooms, which of them is looked at. The root of the
// page's state; components read it and call its verbs.

import { open, type Session } from "@rialto/client/web";
import { Connection } from "./connection.svelte.ts";
import { readName, readWorkspaces, writeName, writeWorkspaces } from "./memory.ts";
import { readPlace, writePlace, type Place } from "./place.ts";
import type { Around, ChatRoom } from "./room.svelte.ts";
import { Workspace } from "./workspace.svelte.ts";

const FIRST_WORKSPACES = [
  { name: "chat", rooms: ["general"] },
  { name: "default", rooms: [] },
];

/** The chat. */
export class Chat implements Around {
  me = $state(readName());
  workspaces = $state.raw<readonly Workspace[]>([]);
  place = $state.raw<Place>({ workspace: "chat", room: "" });
  visible = $state(document.visibilityState === "visible");
  readonly connection = new Connection();
  token = "";
  #session: Session | undefined;

  constructor() {
    const remembered = readWorkspaces() ?? FIRST_WORKSPACES;
    this.workspaces = remembered.map(({ name, rooms }) => new Workspace(this, name, rooms));
    const [first] = this.workspaces;
    const room = first?.rooms.find(({ name }) => name === "general") ?? first?.rooms[0];
    if (first) this.place = { workspace: first.name, room: room?.name ?? "" };
    document.addEventListener("visibilitychange", () => {
      this.visible = document.visibilityState === "visible";
      if (this.visible) this.room?.read();
    });
    window.addEventListener("hashchange", () => this.#follow());
  }

  get session(): string {
    return this.connection.session;
  }

  get user(): string {
    return this.connection.user;
  }

  get connected(): boolean {
    return this.connection.status.state === "attached";
  }

  /** What became of a lost connection, once there is one again: what was missed is being got, all of it is here, or not. */
  get outcome(): "pending" | "whole" | "gaps" {
    if (this.connection.resumed) return "whole";
    const states = this.workspaces.flatMap(({ rooms }) => rooms.map(({ status }) => status));
    if (states.some(({ state }) => state === "recovering" || state === "joining")) return "pending";
    return states.every((status) => status.state !== "in" || status.whole) ? "whole" : "gaps";
  }

  /** How many messages wait to be sent. */
  get waiting(): number {
    return this.workspaces.reduce((sum, { rooms }) => rooms.reduce((count, room) => count + room.waiting, sum), 0);
  }

  /** The workspace that is looked at. */
  get workspace(): Workspace | undefined {
    return this.workspaces.find(({ name }) => name === this.place.workspace);
  }

  /** The room that is looked at. */
  get room(): ChatRoom | undefined {
    return this.place.room === "" ? undefined : this.workspace?.room(this.place.room);
  }

  /** How much is unread everywhere. */
  get unread(): number {
    return this.workspaces.reduce((sum, workspace) => sum + workspace.unread, 0);
  }

  watched(room: ChatRoom): boolean {
    return this.visible && this.room === room;
  }

  tellSeen(room: ChatRoom, sessions: readonly string[], payload: string): void {
    this.workspaces.find(({ name }) => name === room.workspace)?.tellSeen(room, sessions, payload);
  }

  /** Comes in under a name, or changes it: others see the name beside the session, so there is a new session. */
  enter(name: string): void {
    this.me = name;
    writeName(name);
    const former = this.#session;
    this.#follow();
    this.#connect();
    void former?.close();
  }

  /** Comes in again after the session was closed, with another token if the server wants one. */
  reconnect(token = this.token): void {
    this.token = token;
    void this.#session?.close();
    this.#connect();
  }

  /** Looks at a room, which is joined if need be. */
  show(workspace: string, room: string): void {
    const found = this.workspaces.find(({ name }) => name === workspace) ?? this.#add(workspace);
    if (room !== "") found.open(room);
    this.#look({ workspace, room });
    this.#remember();
  }

  /** Looks at a workspace, where it was left. */
  showWorkspace(name: string): void {
    const workspace = this.workspaces.find((other) => other.name === name);
    const room = workspace?.room(workspace.last) ?? workspace?.rooms[0];
    this.show(name, room?.name ?? "");
  }

  /** Adds a workspace and looks at it; fails when the server has none of that name. */
  async addWorkspace(name: string): Promise<void> {
    await this.#session?.namespace(name).enter();
    this.showWorkspace(name);
  }

  /** Leaves a room and looks at another one. */
  leave(room: ChatRoom): void {
    const workspace = this.workspaces.find(({ name }) => name === room.workspace);
    workspace?.close(room);
    if (this.place.room === room.name && this.place.workspace === room.workspace) this.showWorkspace(room.workspace);
    this.#remember();
  }

  /** Leaves a workspace with all its rooms. */
  leaveWorkspace(workspace: Workspace): void {
    workspace.leave();
    this.workspaces = this.workspaces.filter((other) => other !== workspace);
    const [first] = this.workspaces;
    if (first && this.place.workspace === workspace.name) this.showWorkspace(first.name);
    this.#remember();
  }

  #connect(): void {
    const session = open(location.origin, {
      // With a token the server knows who this is.
      ...(this.token === "" ? { user: this.me } : { token: this.token }),
      attributes: { name: this.me },
      program: { name: "rialto-chat", version: "0.1.0" },
    });
    this.#session = session;
    this.connection.follow(session);
    for (const workspace of this.workspaces) workspace.bind(session);
    session.onReport((told) => {
      if (told.kind !== "joined") return;
      const workspace = this.workspaces.find(({ name }) => name === told.namespace);
      for (const room of told.rooms) workspace?.open(room);
    });
  }

  #add(name: string): Workspace {
    const workspace = new Workspace(this, name, []);
    this.workspaces = [...this.workspaces, workspace];
    if (this.#session) workspace.bind(this.#session);
    return workspace;
  }

  #look(place: Place): void {
    const changed = place.room !== this.place.room || place.workspace !== this.place.workspace;
    this.place = place;
    const { workspace, room } = this;
    if (workspace) workspace.last = place.room;
    if (changed) room?.opened();
    room?.read();
    const hash = writePlace(place);
    if (location.hash !== hash) location.hash = hash;
  }

  /** Goes where the address says. */
  #follow(): void {
    const place = readPlace(location.hash);
    if (place) this.show(place.workspace, place.room);
    else this.#look(this.place);
  }

  #remember(): void {
    writeWorkspaces(this.workspaces.map(({ name, rooms }) => ({ name, rooms: rooms.map((room) => room.name) })));
  }
}
