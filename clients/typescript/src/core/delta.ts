// Payloads that come as the difference to an earlier one. Keeps the last payload of each thing that changes, in rooms
// that were joined with `delta`, within bounds. A difference to something that is not kept is never guessed at.

import { create } from "../wire/message.js";
import { ContentSchema, EventSchema, type Event } from "../gen/rialto/v1/event_pb.js";
import type { Inflate } from "./carrier.js";

const BASES_MAX = 4096;
const BASES_BYTES_MAX = 16 << 20;
const DICTIONARY_BYTES = 32 << 10;
/** No namespace takes larger payloads. */
const PAYLOAD_BYTES_MAX = 1 << 20;

interface Base {
  readonly eventId: string;
  readonly bytes: Uint8Array;
}

/** The payloads that differences are made to. */
export class Deltas {
  /** What differences are read with; set before the first room is joined with `delta`. */
  inflate: Inflate | undefined;
  readonly #bases = new Map<string, Base>();
  #bytes = 0;

  /** The event with its whole payload; nothing when that cannot be made. */
  restore(event: Event): Event | undefined {
    if (!this.inflate || !event.content) return event.delta ? undefined : event;
    const thing = [event.namespace, ...event.rooms, "", event.content.event, event.content.key].join("\0");
    if (!event.delta) {
      const { value } = event.content.body;
      this.#keep(thing, { eventId: event.eventId, bytes: typeof value === "string" ? new TextEncoder().encode(value) : (value ?? new Uint8Array()) });
      return event;
    }
    const { baseEventId, data, text } = event.delta;
    const base = this.#bases.get(thing);
    if (base?.eventId !== baseEventId) return undefined;
    // Used last, gone last.
    this.#keep(thing, base);
    try {
      const bytes = this.inflate(data, base.bytes, PAYLOAD_BYTES_MAX);
      const value = text ? new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) : bytes;
      this.#keep(thing, { eventId: event.eventId, bytes });
      const body = typeof value === "string" ? { case: "text" as const, value } : { case: "binary" as const, value };
      const { delta: _, ...rest } = event;
      return create(EventSchema, { ...rest, content: create(ContentSchema, { ...event.content, body }) });
    } catch {
      return undefined;
    }
  }

  /** Another session has begun: nothing is made from what the former one got. */
  clear(): void {
    this.#bases.clear();
    this.#bytes = 0;
  }

  /** Keeps the end of a payload, which is all that differences are made to. */
  #keep(thing: string, { eventId, bytes }: Base): void {
    this.#forget(thing);
    const base = { eventId, bytes: bytes.length > DICTIONARY_BYTES ? bytes.slice(-DICTIONARY_BYTES) : bytes };
    this.#bases.set(thing, base);
    this.#bytes += base.bytes.length;
    while (this.#bases.size > BASES_MAX || this.#bytes > BASES_BYTES_MAX) this.#forget(this.#bases.keys().next().value as string);
  }

  #forget(thing: string): void {
    this.#bytes -= this.#bases.get(thing)?.bytes.length ?? 0;
    this.#bases.delete(thing);
  }
}
