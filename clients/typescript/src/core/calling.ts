// Asking one: whom, how, and what the one answer is, or why there is none. Pure.

import { RialtoError } from "./errors.js";
import type { Reply, ReplyStream } from "./replies.js";

/** Whom to ask: one session, or any one member of a room. */
export type Callee = { readonly session: string } | { readonly anyOf: string };

/** How one session is asked. */
export interface CallOptions {
  headers?: Readonly<Record<string, string>>;
  contentType?: string;
  /** How long to wait for the answer. Default 5 s, at most 60 s. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** The one answer to an asking of one; rejects when there is none. */
export async function onlyAnswer(asking: ReplyStream): Promise<Reply> {
  const { replies: [reply], timedOut, missingCount, nodesMissing } = await asking.collect();
  if (reply?.error !== undefined) throw refused("RECIPIENT_FAILED", reply.error);
  if (reply) return reply;
  if (timedOut) throw refused("TIMED_OUT", "nobody answered in time");
  if (missingCount + nodesMissing.length > 0) throw refused("RECIPIENT_LEFT", "who was asked left before the answer");
  throw refused("NO_RECIPIENT", "there is nobody to ask");
}

function refused(code: string, reason: string): RialtoError {
  return new RialtoError(code, reason, { said: true, advice: code === "NO_RECIPIENT" ? "after-change" : "unknown" });
}
