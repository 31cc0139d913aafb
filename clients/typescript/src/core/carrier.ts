// What a session needs from below: something that opens streams and makes unary calls. Two shapes exist, `halves.ts`
// for browsers and `whole.ts` for Node; the session behaves the same over both.

import type { Transport } from "../wire/transport.js";
import type { ServerFrame } from "../gen/rialto/v1/frame_pb.js";
import type { Hello } from "../gen/rialto/v1/session_pb.js";
import type { Unsubscribe } from "./observable.js";
import type { Batch } from "./outbox.js";

/** Frames that came in one message. */
export interface Burst {
  /** Sequence number of the first frame; zero when they have none. */
  firstSeq: number;
  frames: ServerFrame[];
}

/** One stream, both ways. */
export interface Stream {
  /** What the node says. Ends or throws with the stream. */
  readonly bursts: AsyncIterable<Burst>;
  /** Whether what is sent is numbered, so that a lost call may be repeated, and may arrive late. */
  readonly numbered: boolean;
  /** Sends commands, in order; resolves when the next ones may be sent, rejects with the stream. Not called again before that. */
  send(batch: Batch): Promise<void>;
  /** Sends commands in a way that outlives the page, if there is one. Nothing is heard of them. */
  farewell?(batch: Batch): void;
}

/** What the surroundings of a session may tell it. */
export interface Surroundings {
  /** There is reason to doubt the connection: see whether it lives. */
  doubt(timeoutMs: number): void;
  /** There is reason to hope for a connection: try now instead of later. */
  hope(): void;
  /** It is over in this moment: only what needs no waiting can be done. */
  gone(): void;
}

/** Makes a payload of raw DEFLATE and its dictionary; throws when it would be larger than `bytesMax`, or is none. */
export type Inflate = (data: Uint8Array, dictionary: Uint8Array, bytesMax: number) => Uint8Array;

/** Opens streams to one server. */
export interface Carrier {
  /** For unary calls. */
  readonly transport: Transport;
  /** Opens a stream with a greeting. It is over when `signal` fires. */
  open(hello: Hello, signal: AbortSignal): Stream;
  /** What deltas are read with; fetched when first needed. */
  inflate?(): Promise<Inflate>;
  /** Watches the surroundings for signs, until unsubscribed. */
  watch?(surroundings: Surroundings): Unsubscribe;
  /** Lets go of connections. */
  close?(): void;
}
