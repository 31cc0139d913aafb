// A room of the chat: its log, who is there, what is unread, what is being written. Translates between events and
// entries. Belongs to a workspace, which binds it to the room of the present session.

import { RialtoError, type Missed, type Place, type Presence, type RialtoEvent, type Room, type RoomStatus } from "@rialto/client/web";
import { sessionName, visible } from "../text/names.ts";
import { clock, counted, lasted } from "../text/times.ts";
import { ASK_SECONDS, readChoices, readResult, readSeconds, writeResult } from "./asking.ts";
import { Ask, JobLine, Message, Notice, type Author, type Entry } from "./entries.svelte.ts";
import { Past } from "./past.svelte.ts";
import { FLUSH_MS, mark, MarksOut, MEMBERS_MAX, readMark } from "./seen.ts";
import { Typing } from "./typing.svelte.ts";

/** Knows jobs; fetched when it is first needed. */
const imports = () => import("../imports/imports.ts");

const ENTRIES_MAX = 2000;
/** So many of the newest messages are shown at first. */
const NEWEST = 50;
/** How long a message may wait for the connection; less than servers remember what was sent. */
const SEND_TIMEOUT_MS = 4 * 60_000;
const NOBODY: Presence = { members: new Map(), count: 0, users: 0, complete: false };

/** What a room needs to know about the page around it. */
export interface Around {
  /** The name of the person at this page. */
  readonly me: string;
  /** The user, as the server knows this page; empty when it does not. */
  readonly user: string;
  /** What the server knows this page by, if it wants something; empty for nothing. */
  readonly token: string;
  /** The session's id, empty while there is none. */
  readonly session: string;
  /** True while there is a connection. */
  readonly connected: boolean;
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
  /** Counts what others have added at the end. */
  arrived = $state(0);
  readonly past = new Past();
  readonly typing: Typing;
  readonly around: Around;
  readonly #marks = new MarksOut();
  #room: Room | undefined;
  #unbind: (() => void)[] = [];
  #lostAt: Date | undefined;
  #firstUnread = 0;
  /** How far the history was heard, in this session or a former one. */
  #place: Place | undefined;
  #flush: ReturnType<typeof setTimeout> | undefined;

  constructor(around: Around, workspace: string, name: string) {
    this.around = around;
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
      room.onPrefix("job.", (event) => this.#heardJob(event)),
      room.onMissed((missed) => this.#missed(missed)),
    ];
    this.join();
  }

  /** Follows no room any more. */
  unbind(): void {
    this.#place = this.#room?.position ?? this.#place;
    for (const stop of this.#unbind) stop();
    this.#unbind = [];
    this.#room = undefined;
  }

  /** Joins, or tries again. What becomes of it stands in `status`. */
  join(): void {
    const recover = this.#room?.position ?? this.#place;
    this.#room?.join({ presence: true, newest: NEWEST, ...(recover ? { recover } : {}) }).catch(() => {});
  }

  /** Leaves for good. */
  leave(): void {
    const room = this.#room;
    this.unbind();
    room?.part().catch(() => {});
  }

  /** True while there is a connection. */
  get connected(): boolean {
    return this.around.connected;
  }

  /** Messages that wait to be sent. */
  get waiting(): number {
    return this.entries.filter((entry) => entry.kind === "message" && entry.waits).length;
  }

  /** Gets earlier messages; returns what puts them before the others, if there are any. */
  async older(): Promise<(() => void) | undefined> {
    if (!this.#room || this.entries.length >= ENTRIES_MAX) return undefined;
    const isMessage = ({ name }: RialtoEvent) => name === "message";
    const events = await this.past.load(this.#room, (event) => isMessage(event) || event.name.startsWith("job."));
    const fresh = events.filter(({ id }) => !this.#has(id));
    const found = await Promise.all(fresh.map((event) => (isMessage(event) ? this.#message(event) : this.#shown(new JobLine(event.sentAt, event)))));
    const entries = found.filter((entry) => entry.kind === "message" || entry.card);
    return entries.length === 0 ? undefined : () => (this.entries = [...entries, ...this.entries]);
  }

  /** Sends a message; its delivery shows what becomes of it. */
  send(text: string): Message {
    const message = new Message(true, { session: this.around.session, name: this.around.me }, text, new Date());
    this.typing.sent();
    this.#send(message);
    return message;
  }

  /** Sends a failed message again, as the newest one. */
  retry(message: Message): void {
    this.discard(message);
    message.at = new Date();
    this.#send(message);
  }

  /** Takes an entry away. */
  discard(entry: Entry): void {
    this.entries = this.entries.filter((other) => other !== entry);
  }

  /** Has a file imported, in view of everybody here. */
  async import(file: File): Promise<void> {
    try {
      (await imports()).begin(this, file);
    } catch {
      this.add(new Notice("The import did not begin: the server cannot be reached."));
    }
  }

  /** Asks everybody in the room. */
  async ask(question: string, choices: readonly string[]): Promise<void> {
    const room = this.#room;
    if (!room) return;
    const author = { session: this.around.session, name: this.around.me };
    const ask = new Ask(true, author, question, choices, ASK_SECONDS, new Date());
    this.add(ask);
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
    const first = this.#firstUnread === 0 ? -1 : this.entries.findIndex(({ key }) => key === this.#firstUnread);
    this.unread = this.#firstUnread = 0;
    for (const entry of first < 0 ? [] : this.entries.slice(first)) {
      if (entry.kind === "message" && !entry.own) this.#sawIt(entry.author.session, entry.eventId);
    }
  }

  /** The room is opened: the line "new" goes before the first unread entry. */
  opened(): void {
    this.newFrom = this.#firstUnread;
  }

  /** Marks from others about messages of this session. */
  heardSeen(event: RialtoEvent): void {
    const eventId = readMark(event.text, this.around.session);
    if (eventId === "") return;
    mark(this.entries.filter((entry): entry is Message => entry.kind === "message" && entry.own), eventId, event.sender.session);
  }

  #send(message: Message): void {
    message.delivery = "sending";
    this.add(message);
    void this.#deliver(message);
  }

  async #deliver(message: Message): Promise<void> {
    message.failure = "";
    message.seenBy = new Set();
    try {
      if (!this.#room) throw new RialtoError("CLOSED", "there is no connection");
      const { idempotencyKey } = message;
      const accepted = await this.#room.emit("message", message.text, { idempotencyKey, deadlineMs: SEND_TIMEOUT_MS });
      message.eventId = accepted.eventId;
      // The server counts those at its own node; there may be others.
      message.recipients = Math.max(accepted.recipients, this.presence.count - 1);
      message.delivery = "accepted";
      if (accepted.offset !== undefined) message.place = { epoch: accepted.epoch, offset: accepted.offset };
      this.#settle(message);
    } catch (error) {
      message.failure = words(error);
      message.unsure = error instanceof RialtoError && ["CONNECTION_LOST", "TIMED_OUT", "NODES_UNREACHABLE"].includes(error.code);
      message.delivery = "failed";
    }
  }

  #become(status: RoomStatus): void {
    if (status.state === "recovering") this.#lostAt = new Date();
    this.status = status;
  }

  #missed({ cause, count }: Missed): void {
    if (cause !== "afresh") {
      const gone = `Up to ${counted(count, "message")} did not reach you and cannot be had any more.`;
      return this.add(new Notice(count > 0 ? gone : "Some of what was written while you were away may be gone: what this room keeps began anew."));
    }
    if (this.entries.length === 0) return;
    const since = this.#lostAt ? ` at ${clock(this.#lostAt)} for ${lasted(Date.now() - this.#lostAt.getTime())}` : "";
    this.add(new Notice(`You were disconnected${since}. This room keeps no messages: what others wrote meanwhile may be missing.`));
  }

  #author(event: RialtoEvent): Author {
    const { session, user } = event.sender;
    const name = visible(this.#room?.presence.find(session)?.attributes["name"] ?? "") || visible(user);
    return { session, name: name || sessionName(session) };
  }

  #message(event: RialtoEvent): Message {
    // Of the past only the user is known for sure: sessions come and go.
    const own = event.past && event.sender.user !== "" && event.sender.user === this.around.user;
    const message = new Message(own, this.#author(event), event.text, event.sentAt);
    message.eventId = event.id;
    if (event.offset !== undefined) message.place = { epoch: event.epoch, offset: event.offset };
    return message;
  }

  #has(eventId: string): boolean {
    return this.entries.some((entry) => entry.kind === "message" && entry.eventId === eventId);
  }

  /** What stood here when this page was opened has been read, as far as anybody knows. */
  #isKnown(event: RialtoEvent): boolean {
    return event.past && this.#lostAt === undefined && this.#place === undefined;
  }

  #heard(event: RialtoEvent): void {
    const known = this.#isKnown(event);
    this.past.heard(event);
    if (event.past && this.#has(event.id)) return;
    const message = this.#message(event);
    this.typing.stopped(event.sender.session);
    if (known || message.own) return this.add(message);
    this.#addUnread(message);
    if (this.unread === 0) this.#sawIt(event.sender.session, event.id);
  }

  #heardTyping(event: RialtoEvent): void {
    if (event.past) return;
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

  #heardJob(event: RialtoEvent): void {
    const line = new JobLine(event.sentAt, event, this.#isKnown(event));
    this.past.heard(event);
    this.add(line);
    void this.#shown(line);
  }

  /** A place for a job, once it is known what stands there. */
  async #shown(line: JobLine): Promise<JobLine> {
    // Without the part that knows, nothing does.
    await imports().then(({ hear }) => hear(this, line), () => {});
    return line;
  }

  #addUnread(entry: Entry): void {
    this.add(entry);
    this.news(entry);
  }

  /** An entry is news for whoever does not look at the room. */
  news(entry: Entry): void {
    this.arrived++;
    if (this.around.watched(this)) return;
    this.unread++;
    this.#firstUnread ||= entry.key;
  }

  /** Adds an entry at the end, but before what waits to be sent. */
  add(entry: Entry): void {
    const waits = (other: Entry | undefined) => other?.kind === "message" && other.waits;
    let end = this.entries.length;
    while (!waits(entry) && end > 0 && waits(this.entries[end - 1])) end--;
    this.entries = this.entries.toSpliced(end, 0, entry);
    if (this.entries.length <= ENTRIES_MAX) return;
    this.entries = this.entries.slice(-ENTRIES_MAX);
    this.past.cut(this.entries.find((other): other is Message => other.kind === "message" && other.place !== undefined)?.place);
  }

  /** A message of ours was taken: it stands where the history has it, once. */
  #settle(message: Message): void {
    const rest = this.entries.filter((entry) => entry !== message && (entry.kind !== "message" || entry.eventId !== message.eventId));
    let at = Math.min(this.entries.indexOf(message), rest.length);
    const after = (entry: Entry | undefined) =>
      entry?.kind === "message" && entry.place !== undefined && entry.place.epoch === message.place?.epoch && entry.place.offset > message.place.offset;
    if (at < 0) return;
    while (after(rest[at - 1])) at--;
    this.entries = rest.toSpliced(at, 0, message);
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
    this.around.tellSeen(this, marks.sessions, marks.payload);
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
    case "FULL":
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
