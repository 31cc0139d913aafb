// What a session says about its connection. The states never lie: `attached` is said after the server's welcome and
// taken back when the connection is given up, `waiting` names the moment of the next try.

import type { Welcome } from "../gen/rialto/v1/session_pb.js";
import type { RialtoError } from "./errors.js";
import type { Arrival } from "./thread.js";

/** The bounds that the server has told this session. */
export interface SessionLimits {
  readonly payloadBytesMax: number;
  readonly roomsMax: number;
  readonly emitsPerSecond: number;
  readonly emitsBurst: number;
  readonly headersMax: number;
  readonly headersBytesMax: number;
}

/** The state of the connection. */
export type Status =
  /** A connection is being made; `attempt` counts from 1. */
  | { readonly state: "connecting"; readonly attempt: number }
  /** The session exists on the server. */
  | {
      readonly state: "attached";
      readonly sessionId: string;
      readonly user: string;
      readonly node: string;
      readonly limits: SessionLimits;
      /** Whether it is the first session, goes on where it was (nothing was missed), or took the place of one that could not. */
      readonly arrival: Arrival;
    }
  /** There is no connection; the next try is at `retryAt` (milliseconds since 1970). */
  | { readonly state: "waiting"; readonly attempt: number; readonly retryAt: number; readonly error: RialtoError }
  /** The session is over and does not come back by itself. */
  | { readonly state: "closed"; readonly error: RialtoError };

/** The status after a welcome. */
export function attached(welcome: Welcome, arrival: Arrival): Status {
  const limits = welcome.limits;
  return {
    state: "attached",
    sessionId: welcome.sessionId,
    user: welcome.user,
    node: welcome.node,
    arrival,
    limits: {
      payloadBytesMax: limits?.payloadBytesMax ?? 0,
      roomsMax: limits?.roomsMax ?? 0,
      emitsPerSecond: limits?.emitsPerSecond ?? 0,
      emitsBurst: limits?.emitsBurst ?? 0,
      headersMax: limits?.headersMax ?? 0,
      headersBytesMax: limits?.headersBytesMax ?? 0,
    },
  };
}
