// What becomes of a job when the work on it is over: a result, or one of the three other outcomes, which the work throws.
// Owns the translation into the protocol's form, and the bounds of texts there. Pure.

import { create } from "../wire/message.js";
import {
  JobCompletedSchema,
  JobDiscardedSchema,
  JobFailedSchema,
  JobReleasedSchema,
  type Settlement,
} from "../gen/rialto/v1/worker_service_pb.js";
import { duration } from "./command.js";
import { bodyBytes, toBody, type Payload } from "./event.js";
import { carried } from "./uploaded.js";

const CODE_BYTES_MAX = 64;
const TEXT_BYTES_MAX = 4 << 10;
const RESULT_BYTES_MAX = 64 << 10;

/** What is said of a job that is over. */
export type Outcome = Settlement["outcome"];

/** How an attempt has failed. */
export interface FailOptions {
  /** For programs, at most 64 bytes. */
  code?: string;
  /** It would fail again: the job is dead at once. */
  permanent?: boolean;
  /** When to try again. Default: as the retry policy says. */
  retryAfterMs?: number;
  cause?: unknown;
}

/** Thrown by the work: the attempt has failed. Any other error says the same, with its own code or name. */
export class Fail extends Error {
  override readonly name = "Fail";
  readonly code: string;
  readonly permanent: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, { code = "", permanent = false, retryAfterMs, cause }: FailOptions = {}) {
    super(message, { cause });
    this.code = code;
    this.permanent = permanent;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Thrown by the work: the job is given back. No attempt is counted, and it may begin again after `delayMs`. */
export class Release extends Error {
  override readonly name = "Release";
  readonly delayMs: number;

  constructor(delayMs = 0) {
    super("the job is given back");
    this.delayMs = delayMs;
  }
}

/** Thrown by the work: the job is not to be done. */
export class Discard extends Error {
  override readonly name = "Discard";

  constructor(reason: string) {
    super(reason);
  }
}

/** The work has given a result. */
export function completed(result: Payload): Outcome {
  if (result === undefined) return { case: "completed", value: create(JobCompletedSchema) };
  try {
    const said = toBody(result);
    // Functions and symbols have no JSON.
    if (said.body.value === undefined) throw new TypeError("the result cannot be written as JSON");
    return { case: "completed", value: create(JobCompletedSchema, { result: said }) };
  } catch (error) {
    return thrown(error);
  }
}

/** The work has thrown something. */
export function thrown(error: unknown): Outcome {
  try {
    return toOutcome(error);
  } catch (worse) {
    // For example a delay that is no number.
    return toOutcome(new Fail(String(worse)));
  }
}

function toOutcome(error: unknown): Outcome {
  if (error instanceof Release) return released(error.delayMs);
  if (error instanceof Discard) {
    return { case: "discarded", value: create(JobDiscardedSchema, { reason: cut(error.message, TEXT_BYTES_MAX) }) };
  }
  const { permanent, retryAfterMs } = error instanceof Fail ? error : { permanent: false, retryAfterMs: undefined };
  const code = cut(codeOf(error), CODE_BYTES_MAX);
  const message = cut(error instanceof Error ? error.message : String(error), TEXT_BYTES_MAX);
  const after = retryAfterMs === undefined ? {} : { retryAfter: duration(Math.max(0, retryAfterMs)) };
  return { case: "failed", value: create(JobFailedSchema, { code, message, permanent, ...after }) };
}

/** The job is given back. */
export function released(delayMs = 0): Outcome {
  return { case: "released", value: create(JobReleasedSchema, { delay: duration(Math.max(0, delayMs)) }) };
}

/** Whether a result is larger than any that is taken. A much larger one would not fit into a message, and end the stream. */
export function isTooLarge(outcome: Outcome): boolean {
  return outcome.case === "completed" && bodyBytes(carried(outcome.value.result)).length > RESULT_BYTES_MAX;
}

/** About how many bytes an outcome takes on the wire; never less than it really does. */
export function outcomeBytes(outcome: Outcome): number {
  const small = CODE_BYTES_MAX + TEXT_BYTES_MAX + 64;
  if (outcome.case !== "completed") return small;
  const { result } = outcome.value;
  return bodyBytes(carried(result)).length + (result?.contentType.length ?? 0) * 3 + 64;
}

function codeOf(error: unknown): string {
  if (error instanceof Fail) return error.code;
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  if (typeof code === "string") return code;
  return typeof name === "string" ? name : "";
}

/** The beginning of a text, of at most so many bytes of UTF-8. */
export function cut(text: string, bytesMax: number): string {
  text = String(text);
  const room = new Uint8Array(bytesMax);
  const { read } = new TextEncoder().encodeInto(text, room);
  return read === text.length ? text : text.slice(0, read);
}
