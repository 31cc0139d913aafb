// The one kind of error this client throws, and its translation from refusals, closes and gRPC statuses.
// Owns the vocabulary of codes. Never decides whether to reconnect; `life.ts` does, from what stands here.

import { Code, ConnectError } from "@connectrpc/connect";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { CloseCode, RefusalCode, RetryAdvice, Then } from "../gen/rialto/v1/code_pb.js";
import type { Refused } from "../gen/rialto/v1/event_pb.js";
import type { Close } from "../gen/rialto/v1/session_pb.js";
import { readErrorInfo, readRetryInfo } from "./details.js";

/** Codes that only this side knows. */
export type LocalCode =
  /** The command does not wait, and there is no connection. */
  | "OFFLINE"
  /** Too many commands wait for a connection. */
  | "QUEUE_FULL"
  /** Taken out of the buffer before it was sent: by `clearBuffer`, or by newer commands. */
  | "DROPPED"
  /** The connection broke before the answer: the command may or may not have been carried out. */
  | "CONNECTION_LOST"
  /** The session was closed on this side. */
  | "CLOSED"
  /** The caller's `AbortSignal` fired. */
  | "ABORTED"
  /** The server could not be reached, or what answered is not a Rialto server. */
  | "UNREACHABLE"
  /** The server answered something that the protocol does not allow. */
  | "PROTOCOL"
  /** Somebody wants the job cancelled that is worked on. */
  | "CANCELLED"
  /** The lease of a job is over: somebody else has it, or it has ended. */
  | "LEASE_LOST";

/** Names of the server's refusals. */
export type RefusalName = Exclude<keyof typeof RefusalCode, "UNSPECIFIED">;
/** Names of the server's reasons to end a session. */
export type CloseName = Exclude<keyof typeof CloseCode, "UNSPECIFIED">;
/** Every code that a `RialtoError` can have. Servers of later versions may send more. */
export type ErrorCode = RefusalName | CloseName | LocalCode | (string & {});

/** Whether and when the same thing may be tried again. */
export interface RetryHint {
  advice: "never" | "later" | "after-change" | "unknown";
  afterMs?: number;
}

/** What this client throws and rejects with. */
export class RialtoError extends Error {
  override readonly name = "RialtoError";
  /** Says what went wrong, for programs. */
  readonly code: ErrorCode;
  /** The same for a human being. */
  readonly reason: string;
  /** Whether to try again. */
  readonly retry: RetryHint;
  /** Name of the limit that was reached; empty for none. */
  readonly limit: string;
  /** The revision that the key of a room's state has, for `CONFLICT`; zero when there is no such key. */
  readonly revision: bigint | undefined;
  /** True when a Rialto server said so, false when it was concluded on this side. */
  readonly said: boolean;

  constructor(code: ErrorCode, reason: string, more: Partial<Pick<RialtoError, "retry" | "limit" | "revision" | "said">> = {}) {
    super(`${code}: ${reason}`);
    this.code = code;
    this.reason = reason;
    this.retry = more.retry ?? { advice: "unknown" };
    this.limit = more.limit ?? "";
    this.revision = more.revision;
    this.said = more.said ?? false;
  }
}

/** Milliseconds of a duration; zero for none. */
export function millis(duration: Duration | undefined): number {
  return duration ? Number(duration.seconds) * 1000 + duration.nanos / 1e6 : 0;
}

function name(names: Record<number, string>, code: number): string {
  return names[code] ?? `CODE_${code}`;
}

/** The error of a refused command. */
export function refusal(refused: Refused): RialtoError {
  const advice = ({
    [RetryAdvice.NEVER]: "never",
    [RetryAdvice.LATER]: "later",
    [RetryAdvice.AFTER_CHANGE]: "after-change",
  }[refused.retry?.advice as number] ?? "unknown") as RetryHint["advice"];
  const retry: RetryHint = refused.retry?.after ? { advice, afterMs: millis(refused.retry.after) } : { advice };
  return new RialtoError(name(RefusalCode, refused.code), refused.reason, { retry, limit: refused.limit, revision: refused.revision, said: true });
}

/** The error of a session that the server has ended. */
export function closing(close: Close): RialtoError {
  const advice = close.then === Then.STAY_AWAY ? "after-change" : "later";
  return new RialtoError(name(CloseCode, close.code), close.reason, {
    retry: { advice, afterMs: millis(close.after) },
    said: true,
  });
}

const BY_STATUS: Partial<Record<Code, ErrorCode>> = {
  [Code.Unauthenticated]: "UNAUTHENTICATED",
  [Code.PermissionDenied]: "FORBIDDEN",
  [Code.DeadlineExceeded]: "TIMED_OUT",
  [Code.Canceled]: "ABORTED",
  [Code.InvalidArgument]: "INVALID",
  [Code.ResourceExhausted]: "LIMIT_REACHED",
};

/** The error of a failed call. */
export function failure(cause: unknown): RialtoError {
  if (cause instanceof RialtoError) return cause;
  const error = ConnectError.from(cause);
  let code: ErrorCode = BY_STATUS[error.code] ?? "UNREACHABLE";
  let retry: RetryHint = { advice: "unknown" };
  let limit = "";
  let said = false;
  for (const detail of error.details) {
    if (!("type" in detail) || !(detail.value instanceof Uint8Array)) continue;
    if (detail.type === "google.rpc.ErrorInfo") {
      const info = readErrorInfo(detail.value);
      if (info.domain !== "rialto") continue;
      said = true;
      code = info.reason;
      limit = info.limit;
    } else if (detail.type === "google.rpc.RetryInfo") {
      const afterMs = readRetryInfo(detail.value);
      retry = afterMs === undefined ? { advice: "later" } : { advice: "later", afterMs };
    }
  }
  return new RialtoError(code, error.rawMessage || "the server could not be reached", { retry, limit, said });
}
