// What to do when a stream has ended: stay away, or come back and after what wait at least. The table of the protocol
// in one function. Decides; `life.ts` acts.

import { Then } from "../gen/rialto/v1/code_pb.js";
import type { Close } from "../gen/rialto/v1/session_pb.js";
import { closing, millis, RialtoError } from "./errors.js";

/** How one stream ended. */
export interface Ended {
  /** The server's last word, if it had one. */
  close: Close | undefined;
  /** What went wrong otherwise. */
  error: RialtoError;
  /** Whether the session had been welcomed. */
  welcomed: boolean;
  /** Whether a new token may help: there is a source of tokens and it was not asked again yet. */
  tokenMayHelp: boolean;
  /** Whether the greeting wanted a session to go on. */
  resuming: boolean;
}

/** What to do next. */
export interface Next {
  error: RialtoError;
  /** True: do not come back. */
  stay: boolean;
  /** Come back not before this long from now. */
  afterMs: number;
  /** Come back without the usual wait. */
  atOnce: boolean;
  /** The session does not go on: come back with another one. */
  forget: boolean;
  /** Come back with a token that was asked for anew. */
  fresh: boolean;
}

/** Refusals of a greeting that the same greeting will meet again. */
const HOPELESS = new Set<string>(["INVALID", "NAME_INVALID", "FORBIDDEN", "NAMESPACE_UNKNOWN", "OUT_OF_ORDER", "PAYLOAD_TOO_LARGE"]);

/** Refusals of a greeting that wanted to resume; another one without that wish may be taken. */
const NOT_RESUMED = new Set<string>(["SESSION_UNKNOWN", "RESUME_LATE", "POSITION_GONE", "INVALID"]);

/** What follows from the way a stream has ended. */
export function next(ended: Ended): Next {
  const { close, error } = ended;
  if (close) {
    const then = close.then || [Then.STAY_AWAY, Then.RESUME, Then.RECONNECT][Math.trunc(close.code / 100)] || Then.STAY_AWAY;
    const forget = then !== Then.RESUME;
    return { error: closing(close), stay: then === Then.STAY_AWAY, afterMs: millis(close.after), atOnce: false, forget, fresh: false };
  }
  const afterMs = error.afterMs ?? 0;
  const { welcomed, resuming, tokenMayHelp } = ended;
  if (error.code === "UNAUTHENTICATED") return { error, stay: !tokenMayHelp, afterMs, atOnce: tokenMayHelp, forget: false, fresh: tokenMayHelp };
  const notResumed = !welcomed && resuming && error.said && NOT_RESUMED.has(error.code);
  const stay = !welcomed && !notResumed && error.said && error.advice !== "later" && HOPELESS.has(error.code);
  return { error, stay, afterMs, atOnce: notResumed, forget: notResumed, fresh: false };
}

/** Why the first attempt has failed. What no server has said means that it was not reached. */
export function notReached(error: RialtoError): RialtoError {
  return error.said || error.kind === "invalid" ? error : new RialtoError("UNREACHABLE", error.reason, { advice: "later" });
}
