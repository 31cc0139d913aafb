// The options of sending, and the commands they become. Owns the translation between an application's words and the
// protocol's. Pure: nothing here waits or sends.

import { create, type Init } from "../wire/message.js";
import type { Duration } from "../wire/wellknown.js";
import { Durability as WireDurability } from "../gen/rialto/v1/code_pb.js";
import { ContentSchema, Delivery, EmitSchema, type Target, type Accepted as WireAccepted, type Content, type Emit } from "../gen/rialto/v1/event_pb.js";
import { invalid } from "./errors.js";
import { toBody, type Payload, type RoomPlace } from "./event.js";

/** Whom an event reaches: the union of rooms, sessions and users, or everyone, or any one member of a room. */
export interface TargetOptions {
  rooms?: readonly string[];
  sessions?: readonly string[];
  users?: readonly string[];
  everyone?: boolean;
  anyOf?: string;
  exceptRooms?: readonly string[];
  exceptSessions?: readonly string[];
  includeSender?: boolean;
  /** Only sessions of the node that takes the command. */
  local?: boolean;
}

/** How an event is sent. */
export interface EmitOptions {
  /** May be dropped when a receiver is behind; is not kept while there is no connection. */
  volatile?: boolean;
  /** Only the newest of the same room and name waits for a receiver that is behind. */
  latest?: boolean;
  /** Come to the sender too. */
  includeSender?: boolean;
  exceptRooms?: readonly string[];
  exceptSessions?: readonly string[];
  local?: boolean;
  headers?: Readonly<Record<string, string>>;
  contentType?: string;
  /** Which of several things the event is about, for `latest` and for deltas. */
  key?: string;
  /** Names this emit for ever, so that it takes effect once however often it is sent. Made here if nothing is said; empty
   * for none: such an emit fails when the session is lost before its answer. A volatile one has none. */
  idempotencyKey?: string;
  /** Longest wait for the server's answer, connecting included. Default: that of the session or client. */
  deadlineMs?: number;
  signal?: AbortSignal;
}

/** How answers are asked for. */
export interface AskOptions extends Omit<EmitOptions, "volatile" | "latest"> {
  /** How long to wait for answers. Default 5 s, at most 60 s. */
  timeoutMs?: number;
}

/** The server has taken an event. */
export interface Accepted {
  /** Identity of the event, unique for ever. */
  readonly eventId: string;
  /** How many sessions of the same node it was handed to. */
  readonly recipients: number;
  /** Position in the history of the room; absent when the event is kept in none, or in several. */
  readonly offset?: bigint;
  /** Which life of the history `offset` counts in; empty when there is no offset. */
  readonly epoch: string;
  /** Positions in the histories of several rooms, when the event went to several. */
  readonly positions: readonly RoomPlace[];
  /** What it has survived already. */
  readonly durability: Durability;
  /** True when it had been taken before under its idempotency key. */
  readonly duplicate: boolean;
}

/** What something survives: nothing, the end of the node, or the loss of a node. */
export type Durability = "memory" | "fsync" | "replicated" | "stored";

/** A duration of the protocol. */
export function duration(ms: number): Duration {
  const whole = Math.trunc(ms / 1000);
  return { seconds: BigInt(whole), nanos: Math.round((ms - whole * 1000) * 1e6) };
}

/** What is said, in the protocol's form. */
export function content(event: string, payload: Payload, options: Pick<EmitOptions, "headers" | "contentType" | "key">): Content {
  const { body, contentType } = toBody(payload, options.contentType);
  return create(ContentSchema, { event, body, contentType, headers: { ...options.headers }, key: options.key ?? "" });
}

/** Whom it reaches, in the protocol's form. */
export function target(options: TargetOptions): Init<Target> {
  return {
    rooms: [...(options.rooms ?? [])],
    sessions: [...(options.sessions ?? [])],
    users: [...(options.users ?? [])],
    everyone: options.everyone ?? false,
    anyOf: options.anyOf ?? "",
    exceptRooms: [...(options.exceptRooms ?? [])],
    exceptSessions: [...(options.exceptSessions ?? [])],
    includeSender: options.includeSender ?? false,
    local: options.local ?? false,
  };
}

/** An emit, complete. */
export function emit(
  namespace: string,
  to: TargetOptions,
  event: string,
  payload: Payload,
  options: EmitOptions,
  expectMs?: number,
): Emit {
  if (options.volatile && options.latest) {
    throw invalid("an event is either volatile or latest");
  }
  const delivery = options.volatile ? Delivery.VOLATILE : options.latest ? Delivery.LATEST : Delivery.RELIABLE;
  return create(EmitSchema, {
    namespace,
    target: target({ ...to, ...reach(options) }),
    content: content(event, payload, options),
    delivery,
    idempotencyKey: options.idempotencyKey ?? "",
    ...(expectMs === undefined ? {} : { expectReplies: { timeout: duration(expectMs) } }),
  });
}

function reach(options: EmitOptions): TargetOptions {
  const picked: TargetOptions = {};
  if (options.includeSender !== undefined) picked.includeSender = options.includeSender;
  if (options.exceptRooms !== undefined) picked.exceptRooms = options.exceptRooms;
  if (options.exceptSessions !== undefined) picked.exceptSessions = options.exceptSessions;
  if (options.local !== undefined) picked.local = options.local;
  return picked;
}

/** About how many bytes a payload takes on the wire; never less than it really does. */
export function weight(payload: string | Uint8Array | undefined): number {
  return typeof payload === "string" ? payload.length * 3 : (payload?.length ?? 0);
}

/** A durability as a word. */
export function toDurability(durability: WireDurability): Durability {
  return (WireDurability[durability] ?? "memory").toLowerCase() as Durability;
}

/** The server's answer as plain data. */
export function toAccepted({ eventId, recipientsHere, offset, epoch, positions, durability, duplicate }: WireAccepted): Accepted {
  const known = { eventId, recipients: recipientsHere, epoch, positions, durability: toDurability(durability), duplicate };
  return offset === undefined ? known : { ...known, offset };
}
