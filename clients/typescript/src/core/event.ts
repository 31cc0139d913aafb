// What an application says and hears: payloads, and an event with the means to answer it. Owns the mapping between
// JavaScript values and the bodies of the protocol. Never sends by itself.

import { timestampDate } from "../wire/wellknown.js";
import type { Event, Sender } from "../gen/rialto/v1/event_pb.js";
import { invalid } from "./errors.js";

/** What can be sent: text, bytes, nothing, or a value that is sent as JSON text. */
export type Payload = string | Uint8Array | undefined | null | number | boolean | object;

/** A body of the protocol. */
export type Body =
  | { case: "text"; value: string }
  | { case: "binary"; value: Uint8Array }
  | { case: undefined; value?: undefined };

/** Body and content type of a payload. */
export function toBody(payload: Payload, contentType?: string): { body: Body; contentType: string } {
  if (payload === undefined) return { body: { case: undefined }, contentType: contentType ?? "" };
  if (typeof payload === "string") return { body: { case: "text", value: payload }, contentType: contentType ?? "" };
  if (payload instanceof Uint8Array) {
    return { body: { case: "binary", value: payload }, contentType: contentType ?? "" };
  }
  return { body: { case: "text", value: JSON.stringify(payload) }, contentType: contentType ?? "application/json" };
}

type AnyBody = { case: string; value: string | Uint8Array } | { case: undefined; value?: undefined } | undefined;

/** The payload as text, whatever it was sent as; empty for bytes that are none. */
export function bodyText(body: AnyBody): string {
  if (body === undefined || body.case === undefined) return "";
  if (typeof body.value === "string") return body.value;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body.value);
  } catch {
    return "";
  }
}

/** The payload as bytes, whatever it was sent as. */
export function bodyBytes(body: AnyBody): Uint8Array {
  if (body === undefined || body.case === undefined) return new Uint8Array();
  return typeof body.value === "string" ? new TextEncoder().encode(body.value) : body.value;
}

/** Who sent something; either field may be empty. */
export interface Who {
  readonly session: string;
  readonly user: string;
}

/** A sender as plain data. */
export function who(sender: Sender | undefined): Who {
  return { session: sender?.session ?? "", user: sender?.user ?? "" };
}

/** A place in the history of a room. */
export interface RoomPlace {
  readonly room: string;
  /** Which life of the history the offset counts in. */
  readonly epoch: string;
  readonly offset: bigint;
}

/** How an event is answered; the session provides it. */
export type Answer = (token: string, answer: { payload: Payload; contentType?: string } | { error: string }) => Promise<void>;

/** An event as it was received. `T` is what its name was declared to say. */
export class RialtoEvent<T = any> {
  readonly #event: Event;
  readonly #answer: Answer;
  /** Who sent it. */
  readonly sender: Who;
  /** True when it comes out of the history of a room: it was said before this session was a member. */
  readonly past: boolean;

  constructor(event: Event, answer: Answer, past = false) {
    this.#event = event;
    this.#answer = answer;
    this.past = past;
    this.sender = who(event.sender);
  }

  /** The user who sent it; empty for none. */
  get user(): string {
    return this.sender.user;
  }
  /** Name of the event. */
  get name(): string {
    return this.#event.content?.event ?? "";
  }
  /** The namespace it was sent in. */
  get namespace(): string {
    return this.#event.namespace;
  }
  /** The rooms it was sent to; empty when it was sent to sessions, users or everyone. */
  get rooms(): readonly string[] {
    return this.#event.rooms;
  }
  /** Identity of the event, unique for ever. */
  get id(): string {
    return this.#event.eventId;
  }
  /** When the node took it. */
  get sentAt(): Date {
    return this.#event.sentAt ? timestampDate(this.#event.sentAt) : new Date(0);
  }
  /** Key/value pairs from the sender. */
  get headers(): Readonly<Record<string, string>> {
    return this.#event.content?.headers ?? {};
  }
  /** Media type of the payload; empty for none. */
  get contentType(): string {
    return this.#event.content?.contentType ?? "";
  }
  /** The payload as it was sent: text, bytes or nothing. */
  get payload(): string | Uint8Array | undefined {
    return this.#event.content?.body.value;
  }
  /** The payload as the value that was said: text, bytes, nothing, or what JSON text says. Throws `SyntaxError` when that is none. */
  get value(): T {
    return (this.contentType === "application/json" ? this.json() : this.payload) as T;
  }
  /** The payload as text; empty for bytes that are no text. */
  get text(): string {
    return bodyText(this.#event.content?.body);
  }
  /** The payload as bytes. */
  get bytes(): Uint8Array {
    return bodyBytes(this.#event.content?.body);
  }
  /** The payload read as JSON; throws `SyntaxError` when it is none. */
  json(): unknown {
    return JSON.parse(this.text);
  }
  /** Which of several things the event is about; empty for none. */
  get key(): string {
    return this.#event.content?.key ?? "";
  }
  /** Position in the history of the room; absent when it is kept in none, or in several. */
  get offset(): bigint | undefined {
    return this.#event.offset;
  }
  /** Which life of the history `offset` counts in; empty when there is no offset. */
  get epoch(): string {
    return this.#event.epoch;
  }
  /** Positions in the histories of several rooms, when the event went to several. */
  get positions(): readonly RoomPlace[] {
    return this.#event.positions;
  }
  /** True when the sender waits for an answer. */
  get wantsReply(): boolean {
    return !this.past && this.#event.replyToken !== "";
  }

  /** Answers the event; resolves when the answer is on its way. Rejects with `INVALID` when nobody waits for one. */
  reply(payload: Payload, contentType?: string): Promise<void> {
    return this.#say(contentType === undefined ? { payload } : { payload, contentType });
  }

  /** Answers that what was asked cannot be done. */
  replyError(error: string): Promise<void> {
    return this.#say({ error });
  }

  #say(answer: Parameters<Answer>[1]): Promise<void> {
    if (!this.wantsReply) return Promise.reject(invalid("nobody waits for an answer to this event"));
    return this.#answer(this.#event.replyToken, answer);
  }
}
