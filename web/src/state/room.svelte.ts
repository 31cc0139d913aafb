// A room of the chat: its log, who is there, what is unread, what is being written. Translates between events and
// entries. Belongs to a workspace, which binds it to the room of the present session.

import { RialtoError, type Presence, type RialtoEvent, type Room, type RoomStatus } from "@rialto/client/web";
import { sessionName, visible } from "../text/names.ts";
import { clock, counted, lasted } from "../text/times.ts";
import { ASK_SECONDS, readChoices, readResult, readSeconds, writeResult } from "./asking.ts";
import { Ask, Message, Notice, type Author, type Entry } from "./entries.svelte.ts";
import { FLUSH_MS, mark, MarksOut, MEMBERS_MAX, readMark } from "./seen.ts";
import { Typing } from "./typing.svelte.ts";

const ENTRIES_MAX = 500;
const NOBODY: Presence = { members: new Map(), count: 0, users: 0, complete: false };

/** What a room needs to know about the page around it. */
export interface Around {
  /** The name of the person at this page. */
  readonly me: string;
  /** The session's id, empty while there is none. */
  readonly session: string;
  /** True when somebody looks at this room now. */
  watched(room: ChatRoom): boolean;
  /** Tells sessions which of their events were seen in a room. */
  tellSeen(room: ChatRoom, sessions: readonly string[], payload: string): void;
}

/** A room. */
export class ChatRoom {
  readonly workspace: string;
  readonly name: string;
  entries = $state.raw<readonly Entry[]>([]);
  presence = $state.raw<Presence>(NOBODY);
  status = $state.raw<RoomStatus>({ state: "joining" });
  unread = $state(0);
  /** Key of the first entry that was unread when the room was opened; zero for none. */
  newFrom = $state(0);
  draft = $state("");
  readonly typing: Typing;
  readonly #around: Around;
  readonly #marks = new MarksOut();
  #room: Room | undefined;
  #unbind: (() => void)[] = [];
  #lostAt: Date | undefined;
  #flush: ReturnType<typeof setTimeout> | undefined;

  constructor(around: Around, workspace: string, name: string) {
    this.#around = around;
    this.workspace = workspace;
    this.name = name;
    this.typing = new Typing((typing) => {
      this.#room?.emit("typing", typing ? "1" : "0", { volatile: true }).catch(() => {});
    });
  }

  /** Joins the room of a session and follows it. */
  bind(room: Room): void {
    this.unbind();
    this.#room = room;
    this.#unbind = [
      room.status.subscribe((status) => this.#become(status)),
      room.presence.subscribe((presence) => (this.presence = presence)),
      room.presence.onChange(({ left }) => left.forEach(({ session }) => this.typing.stopped(session))),
      room.on("message", (event) => this.#heard(event)),
      room.on("typing", (event) => this.#heardTyping(event)),
      room.on("ask", (event) => this.#heardAsk(event)),
      room.on("answers", (event) => this.#heardAnswers(event)),
      room.onMissed(({ count }) => this.#add(new Notice(`${counted(count, "message")} did not reach you: you were behind.`))),
    ];
    this.join();
  }

  /** Follows no room any more. */
  unbind(): void {
    for (const stop of this.#unbind) stop();
    this.#unbind = [];
    this.#room = undefined;
  }

  /** Joins, or tries again. What becomes of it stands in `status`. */
  join(): void {
    this.#room?.join({ presence: true }).catch(() => {});
  }

  /** Leaves for good. */
  leave(): void {
    const room = this.#room;
    this.unbind();
    room?.part().catch(() => {});
  }

  /** Sends a message; its delivery shows what becomes of it. */
  send(text: string): Message {
    const message = new Message(true, { session: this.#around.session, name: this.#around.me }, text, new Date());
    this.typing.sent();
    this.#add(message);
    void this.#deliver(message);
    return message;
  }

  /** Sends a failed message again, as the newest one. */
  retry(message: Message): void {
    this.entries = this.entries.filter((entry) => entry !== message);
    message.at = new Date();
    this.#add(message);
    void this.#deliver(message);
  }

  /** Forgets a failed message. */
  discard(message: Message): void {
    this.entries = this.entries.filter((entry) => entry !== message);
  }

  /** Asks everybody in the room. */
  async ask(question: string, choices: readonly string[]): Promise<void> {
    const room = this.#room;
    if (!room) return;
    const author = { session: this.#around.session, name: this.#around.me };
    const ask = new Ask(true, author, question, choices, ASK_SECONDS, new Date());
    this.#add(ask);
    const headers = { choices: JSON.stringify(choices), seconds: String(ASK_SECONDS) };
    const replies = room.emitWithReplies("ask", question, { headers, timeoutMs: ASK_SECONDS * 1000 });
    try {
      const accepted = await replies.accepted;
      ask.eventId = accepted.eventId;
      ask.asked = accepted.recipients;
      for await (const reply of replies) if (reply.error === undefined) ask.count(reply.text);
      await room.emit("answers", writeResult(ask), { headers: { ask: ask.eventId } });
    } catch (error) {
      ask.failure = words(error);
    } finally {
      ask.over = true;
    }
  }

  /** Answers a question. */
  answer(ask: Ask, choice: string): void {
    if (ask.answer !== "" || ask.over) return;
    ask.answer = choice;
    ask.event?.reply(choice).catch((error: unknown) => {
      ask.answer = "";
      ask.failure = words(error);
    });
  }

  /** Somebody looks at the room: everything is read. */
  read(): void {
    const unread = this.unread;
    this.unread = 0;
    for (const entry of this.entries.slice(unread > 0 ? -unread : this.entries.length)) {
      if (entry.kind === "message" && !entry.own) this.#sawIt(entry.author.session, entry.eventId);
    }
  }

  /** The room is opened: the line "new" goes before the first unread entry. */
  opened(): void {
    this.newFrom = this.unread > 0 ? (this.entries.at(-this.unread)?.key ?? 0) : 0;
  }

  /** Marks from others about messages of this session. */
  heardSeen(event: RialtoEvent): void {
    const eventId = readMark(event.text, this.#around.session);
    if (eventId === "") return;
    mark(this.entries.filter((entry): entry is Message => entry.kind === "message" && entry.own), eventId, event.sender.session);
  }

  async #deliver(message: Message): Promise<void> {
    message.delivery = "sending";
    message.failure = "";
    message.seenBy = new Set();
    try {
      if (!this.#room) throw new RialtoError("CLOSED", "there is no connection");
      const accepted = await this.#room.emit("message", message.text);
      message.eventId = accepted.eventId;
      message.recipients = accepted.recipients;
      message.delivery = "accepted";
    } catch (error) {
      message.failure = words(error);
      message.unsure = error instanceof RialtoError && ["CONNECTION_LOST", "TIMED_OUT"].includes(error.code);
      message.delivery = "failed";
    }
  }

  #become(status: RoomStatus): void {
    if (status.state === "recovering") this.#lostAt ??= new Date();
    if (status.state === "in" && this.#lostAt) {
      const text = `You were disconnected at ${clock(this.#lostAt)} for ${lasted(Date.now() - this.#lostAt.getTime())}. What others wrote meanwhile is not shown.`;
      if (this.entries.length > 0) this.#add(new Notice(text));
      this.#lostAt = undefined;
    }
    this.status = status;
  }

  #author(event: RialtoEvent): Author {
    const { session, user } = event.sender;
    const name = visible(this.#room?.presence.find(session)?.attributes["name"] ?? "") || visible(user);
    return { session, name: name || sessionName(session) };
  }

  #heard(event: RialtoEvent): void {
    const message = new Message(false, this.#author(event), event.text, event.sentAt);
    message.eventId = event.id;
    this.typing.stopped(event.sender.session);
    this.#addUnread(message);
    if (this.unread === 0) this.#sawIt(event.sender.session, event.id);
  }

  #heardTyping(event: RialtoEvent): void {
    if (event.text === "0") this.typing.stopped(event.sender.session);
    else this.typing.heard(event.sender.session, this.#author(event).name);
  }

  #heardAsk(event: RialtoEvent): void {
    const { choices, seconds } = event.headers;
    this.#addUnread(new Ask(false, this.#author(event), event.text, readChoices(choices), readSeconds(seconds), event.sentAt, event));
  }

  #heardAnswers(event: RialtoEvent): void {
    const result = readResult(event.text);
    const ask = this.entries.find((entry): entry is Ask => entry.kind === "ask" && entry.event?.id === event.headers["ask"]);
    // Only who has asked can tell the result.
    if (!result || !ask || ask.author.session !== event.sender.session) return;
    ask.counts = result.counts;
    ask.asked = result.asked;
    ask.over = true;
  }

  #addUnread(entry: Entry): void {
    this.#add(entry);
    if (!this.#around.watched(this)) this.unread++;
  }

  #add(entry: Entry): void {
    this.entries = [...this.entries.slice(-(ENTRIES_MAX - 1)), entry];
  }

  #sawIt(session: string, eventId: string): void {
    if (this.presence.count > MEMBERS_MAX) return;
    this.#marks.note(session, eventId);
    this.#flush ??= setTimeout(() => this.#tellSeen(), FLUSH_MS);
  }

  #tellSeen(): void {
    this.#flush = undefined;
    const marks = this.#marks.take();
    if (!marks || !this.#room) return;
    this.#around.tellSeen(this, marks.sessions, marks.payload);
  }
}

/** An error in words for the person at the page. */
export function words(error: unknown): string {
  if (!(error instanceof RialtoError)) return "It did not work.";
  switch (error.code) {
    case "CONNECTION_LOST":
      return "The connection broke before the answer.";
    case "TIMED_OUT":
      return "No answer from the server in time.";
    case "OFFLINE":
    case "UNREACHABLE":
      return "There is no connection.";
    case "QUEUE_FULL":
      return "Too much is waiting to be sent.";
    case "RATE_LIMITED":
      return "That was too fast; try again in a moment.";
    case "PAYLOAD_TOO_LARGE":
      return "The message is too long.";
    case "NAMESPACE_UNKNOWN":
      return "This server has no workspace of that name.";
    case "FORBIDDEN":
      return "You are not allowed to do that here.";
    default:
      return error.reason === "" ? error.code : error.reason;
  }
}
