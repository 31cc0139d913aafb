// Payloads, targets, events, answers and failures between JSON and the client. Nothing here knows Node or a page.

/** Something that only the driver has to say. */
export class Wrong extends Error {}

/** How a command failed, as drivers write it. */
export function failureOf(error) {
  const { kind = "other", code, reason = String(error?.stack ?? error), advice, afterMs, limit, mayHaveHappened } = error ?? {};
  if (error instanceof Wrong) return { kind, reason: error.message };
  return { kind, code, reason, advice, after_ms: afterMs, limit, may_have_happened: mayHaveHappened };
}

/** The payload of a command. */
export function payloadOf({ text, base64, json }) {
  if (text !== undefined) return text;
  if (base64 !== undefined) return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return json;
}

/** A payload as it is told. */
export function tellPayload(payload, contentType) {
  const told = contentType ? { content_type: contentType } : {};
  if (typeof payload === "string") return { ...told, text: payload };
  if (payload instanceof Uint8Array) return { ...told, base64: btoa(String.fromCharCode(...payload)) };
  return told;
}

/** Where a command emits to: its target, or its room. */
export function targetOf({ target, room }) {
  if (!target) return { rooms: [room] };
  const { any_of: anyOf, ...rest } = target;
  return anyOf === undefined ? rest : { ...rest, anyOf };
}

/** The options of an emit. */
export function emitOptions(command, signal) {
  const options = {
    volatile: command.delivery === "volatile",
    latest: command.delivery === "latest",
    includeSender: command.include_sender,
    exceptRooms: command.except_rooms,
    exceptSessions: command.except_sessions,
    local: command.local,
    headers: command.headers,
    contentType: command.content_type,
    key: command.key,
    idempotencyKey: command.idempotency_key,
    deadlineMs: command.deadline_ms,
    signal,
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** What the server said about an event that it took. */
export function tellAccepted({ eventId, recipients, offset, epoch, duplicate, durability }) {
  return { event_id: eventId, recipients, offset: number(offset), epoch, duplicate, durability };
}

/** An event as it is told. */
export function tellEvent(event) {
  const { name, namespace, rooms, sender, id, key, offset, epoch, wantsReply, headers, payload, contentType } = event;
  return {
    name, namespace, rooms, id, key, epoch, headers,
    user: sender.user,
    session: sender.session,
    offset: number(offset),
    asks: wantsReply,
    ...tellPayload(payload, contentType),
  };
}

/** A number of 64 bits as JSON has it. */
export function number(value) {
  return typeof value === "bigint" ? Number(value) : value;
}
