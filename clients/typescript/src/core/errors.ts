// The one kind of error this client throws, and its translation from refusals, closes and gRPC statuses.
// Owns the vocabulary of codes and kinds. Never decides whether to reconnect; `ending.ts` does, from what stands here.

import { decode } from "../wire/decode.js";
import { Code, StatusError } from "../wire/status.js";
import type { Duration } from "../wire/wellknown.js";
import { CloseCode, RefusalCode, RetryAdvice, Then } from "../gen/rialto/v1/code_pb.js";
import type { Refused } from "../gen/rialto/v1/event_pb.js";
import type { Close } from "../gen/rialto/v1/session_pb.js";
import { BadRequest, ErrorInfo, RetryInfo, type Violation } from "./details.js";

/** What sort of failure it is. */
export type ErrorKind =
  /** The server answered no. */
  | "refused"
  /** The session, or the client, is over. */
  | "closed"
  /** The server was not reached, or the session not attached in time: nothing was sent. */
  | "unavailable"
  /** It waited for the connection and was given up: nothing was sent. */
  | "unsent"
  /** No answer came in time. */
  | "timed_out"
  /** The connection or the session was lost after it was sent. */
  | "unknown_outcome"
  /** It makes no sense, and was not sent. */
  | "invalid"
  /** The caller gave up. */
  | "cancelled"
  /** Of a worker's job: somebody else may have it. */
  | "lease_lost"
  /** Anything else: a proxy, an answer that makes no sense, a source that cannot be read. */
  | "other";

/** Which kind each code is that only this side says. A code that is not here is of the kind `other`. */
const KINDS = {
  UNREACHABLE: "unavailable",
  OFFLINE: "unavailable",
  FULL: "unsent",
  MADE_ROOM: "unsent",
  CLEARED: "unsent",
  TOO_OLD: "unsent",
  TIMED_OUT: "timed_out",
  CONNECTION_LOST: "unknown_outcome",
  INVALID: "invalid",
  CLOSED: "closed",
  ABORTED: "cancelled",
  CANCELLED: "cancelled",
  LEASE_LOST: "lease_lost",
} as const satisfies Record<string, ErrorKind>;

/** Codes that only this side says; `PROTOCOL`: what answered is no Rialto server, or says what makes no sense. */
export type LocalCode = keyof typeof KINDS | "PROTOCOL" | "PARTED";
/** Names of the server's refusals. */
export type RefusalName = Exclude<keyof typeof RefusalCode, "UNSPECIFIED">;
/** Names of the server's reasons to end a session. */
export type CloseName = Exclude<keyof typeof CloseCode, "UNSPECIFIED">;
/** Every code that a `RialtoError` can have. Servers of later versions may send more. */
export type ErrorCode = RefusalName | CloseName | LocalCode | (string & {});

/** Whether the same thing may be tried again. */
export type Advice = "never" | "later" | "after-change" | "unknown";

/** What is known of a failure beside its code and its reason. */
type More = Partial<Pick<RialtoError, "kind" | "advice" | "afterMs" | "limit" | "revision" | "violations" | "said" | "mayHaveHappened">>;

const NEVER = /^(INVALID|NAME_INVALID|TARGET_EMPTY|PAYLOAD_TOO_LARGE|REF_REUSED|REPLY_UNKNOWN|OUT_OF_ORDER|ALREADY_EXISTS)$/;
const AFTER_CHANGE =
  /^(LIMIT_REACHED|FORBIDDEN|NAMESPACE_UNKNOWN|NOT_A_MEMBER|NO_RECIPIENT|UNAUTHENTICATED|SESSION_UNKNOWN|NOT_FOUND|CONFLICT|POSITION_GONE|RESUME_LATE|STORAGE_FAILED)$/;
/** Refusals of what may have been done all the same. */
const PERHAPS = /^(STORAGE_FAILED|NODES_UNREACHABLE|INTERNAL|TIMED_OUT|RECIPIENT_LEFT|RECIPIENT_FAILED)$/;
const UNCERTAIN = /^(timed_out|unknown_outcome|lease_lost|other)$/;

/** What this client throws and rejects with. */
export class RialtoError extends Error {
  override readonly name = "RialtoError";
  readonly kind: ErrorKind;
  /** Says what went wrong, for programs. */
  readonly code: ErrorCode;
  /** The same for a human being. */
  readonly reason: string;
  /** Whether to try again. */
  readonly advice: Advice;
  /** How long to wait before that, where the server has said so. */
  readonly afterMs: number | undefined;
  /** Name of the limit that was reached; empty for none. */
  readonly limit: string;
  /** The revision that the key of a room's state has, for `CONFLICT`; zero when there is no such key. */
  readonly revision: bigint | undefined;
  /** Which fields of the request are wrong, where the server names them. */
  readonly violations: readonly Violation[];
  /** True when a Rialto server said so, false when it was concluded on this side. */
  readonly said: boolean;
  /** Whether what failed may have taken effect. */
  readonly mayHaveHappened: boolean;

  constructor(code: ErrorCode, reason: string, more: More = {}) {
    super(`${code}: ${reason}`);
    this.code = code;
    this.reason = reason;
    this.said = more.said ?? false;
    this.kind = more.kind ?? (this.said ? "refused" : ((KINDS as Record<string, ErrorKind>)[code] ?? "other"));
    this.advice = more.advice ?? "unknown";
    this.afterMs = more.afterMs;
    this.limit = more.limit ?? "";
    this.revision = more.revision;
    this.violations = more.violations ?? [];
    this.mayHaveHappened = more.mayHaveHappened ?? (this.kind === "refused" ? PERHAPS.test(code) : UNCERTAIN.test(this.kind));
  }
}

/** The error of something that makes no sense. */
export function invalid(reason: string): RialtoError {
  return new RialtoError("INVALID", reason, { advice: "never" });
}

/** The error of something that is larger than any server takes. */
export function tooLarge(reason: string): RialtoError {
  return new RialtoError("PAYLOAD_TOO_LARGE", reason, { kind: "refused", advice: "never" });
}

/** Milliseconds of a duration; zero for none, and for less. */
export function millis(duration: Duration | undefined): number {
  return duration ? Math.max(0, Number(duration.seconds) * 1000 + duration.nanos / 1e6) : 0;
}

function name(names: Record<number, string>, code: number): string {
  return names[code] ?? `CODE_${code}`;
}

/** What a code advises by itself. */
function adviceOf(code: string): Advice {
  return NEVER.test(code) ? "never" : AFTER_CHANGE.test(code) ? "after-change" : "unknown";
}

/** The error of a refused command. */
export function refusal({ code: number, reason, retry, limit, revision }: Refused): RialtoError {
  const code = name(RefusalCode, number);
  const told: Partial<Record<number, Advice>> = { [RetryAdvice.NEVER]: "never", [RetryAdvice.LATER]: "later", [RetryAdvice.AFTER_CHANGE]: "after-change" };
  const advice = told[retry?.advice as number] ?? adviceOf(code);
  return new RialtoError(code, reason, { advice, afterMs: retry?.after && millis(retry.after), limit, revision, said: true });
}

/** The error of a session that the server has ended. */
export function closing({ code, reason, then, after }: Close): RialtoError {
  const advice = then === Then.STAY_AWAY ? "after-change" : "later";
  return new RialtoError(name(CloseCode, code), reason, { kind: "closed", advice, afterMs: millis(after), said: true });
}

/** What statuses mean that no Rialto server has explained. After those that are not here something else has answered. */
const BY_STATUS: Partial<Record<number, ErrorCode>> = {
  [Code.UNAUTHENTICATED]: "UNAUTHENTICATED",
  [Code.DEADLINE_EXCEEDED]: "TIMED_OUT",
  [Code.CANCELLED]: "ABORTED",
  // The connection broke, or nobody can tell what happened.
  [Code.UNAVAILABLE]: "CONNECTION_LOST",
  [Code.UNKNOWN]: "CONNECTION_LOST",
  [Code.ABORTED]: "CONNECTION_LOST",
};

/** Why no connection was made, so that nothing can have been sent. */
const NOT_CONNECTED = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/;

function isNotConnected(cause: unknown): boolean {
  for (let at = cause; at instanceof Error; at = at.cause) {
    if (NOT_CONNECTED.test(String((at as { code?: unknown }).code))) return true;
  }
  return false;
}

/** The code of what broke before anybody said something. */
function broken(cause: unknown): ErrorCode {
  const name = cause instanceof Error ? cause.name : "";
  if (name === "AbortError") return "ABORTED";
  if (name === "TimeoutError") return "TIMED_OUT";
  return isNotConnected(cause) ? "UNREACHABLE" : "CONNECTION_LOST";
}

/** The error of a failed call. */
export function failure(cause: unknown): RialtoError {
  if (cause instanceof RialtoError) return cause;
  if (!(cause instanceof StatusError)) return new RialtoError(broken(cause), cause instanceof Error && cause.message ? cause.message : NOT_REACHED);
  let code = "";
  let more: More = {};
  for (const { typeUrl, value } of cause.details) {
    try {
      const known = told(typeUrl, value);
      code ||= known.code ?? "";
      more = { ...more, ...known.more };
    } catch {
      // A detail that cannot be read is no reason to lose the error that carried it.
    }
  }
  const reason = cause.message || NOT_REACHED;
  if (!more.said) return new RialtoError(BY_STATUS[cause.status] ?? "PROTOCOL", reason);
  const kind = code in CloseCode && !(code in RefusalCode) ? "closed" : "refused";
  return new RialtoError(code, reason, { advice: adviceOf(code), kind, ...more });
}

const NOT_REACHED = "the server could not be reached";

/** What a detail of a status says. */
function told(typeUrl: string, value: Uint8Array): { code?: string; more?: More } {
  switch (typeUrl.slice(typeUrl.lastIndexOf("/") + 1)) {
    case "google.rpc.ErrorInfo": {
      const { domain, reason, metadata } = decode(ErrorInfo, value);
      return domain === "rialto" ? { code: reason, more: { limit: metadata.limit ?? "", said: true } } : {};
    }
    case "google.rpc.RetryInfo": {
      const { retryDelay } = decode(RetryInfo, value);
      return { more: { advice: "later", afterMs: retryDelay && millis(retryDelay) } };
    }
    case "google.rpc.BadRequest":
      return { more: { violations: decode(BadRequest, value).fieldViolations } };
    default:
      return {};
  }
}
