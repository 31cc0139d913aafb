// What a session needs from below: something that opens streams and makes unary calls. Two shapes exist, `halves.ts`
// for browsers and `whole.ts` for Node; the session behaves the same over both.

import type { Transport } from "@connectrpc/connect";
import type { ClientFrame, ServerFrame } from "../gen/rialto/v1/frame_pb.js";
import type { Hello } from "../gen/rialto/v1/session_pb.js";
import type { Unsubscribe } from "./observable.js";

/** Frames that came in one message. */
export interface Burst {
  /** Sequence number of the first frame. */
  firstSeq: number;
  frames: ServerFrame[];
}

/** One stream, both ways. */
export interface Stream {
  /** What the node says. Ends or throws with the stream. */
  readonly bursts: AsyncIterable<Burst>;
  /** Sends commands, in order; resolves when the next ones may be sent. Not called again before that. */
  send(frames: ClientFrame[]): Promise<void>;
}

/** What the surroundings of a session may tell it. */
export interface Surroundings {
  /** There is reason to doubt the connection: see whether it lives. */
  doubt(timeoutMs: number): void;
  /** There is reason to hope for a connection: try now instead of later. */
  hope(): void;
}

/** Opens streams to one server. */
export interface Carrier {
  /** For unary calls. */
  readonly transport: Transport;
  /** Opens a stream with a greeting. It is over when `signal` fires. */
  open(hello: Hello, signal: AbortSignal): Stream;
  /** Watches the surroundings for signs, until unsubscribed. */
  watch?(surroundings: Surroundings): Unsubscribe;
  /** Lets go of connections. */
  close?(): void;
}
