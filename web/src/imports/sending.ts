// Handing a file over: small ones stand in the job, others are uploaded before it is put in. Owns what the job says.

import { Uploaded, type NewJob } from "@rialto/client/web";
import type { ChatRoom } from "../state/room.svelte.ts";
import { jobsOf } from "./client.ts";
import { TYPE, type Known } from "./job.ts";

const INLINE_BYTES_MAX = 200 << 10;
/** A page has six connections over HTTP/1.1: one listens, one watches, and one is for what is said meanwhile. */
const CHUNKS_AT_ONCE = 3;
/** A network may be gone for a while without the upload being lost. */
const CHUNK_MS = 10 * 60_000;
const ENQUEUE_MS = 60_000;
const STATES = ["waiting", "running", "paused", "completed", "dead", "cancelled", "expired", "discarded"] as const;

/** Gets the payload of an import to the server, as far as it is too large to stand in the job. */
export async function payloadOf(room: ChatRoom, file: File, onProgress: (done: number) => void, signal: AbortSignal): Promise<string | Uploaded> {
  const small = file.size <= INLINE_BYTES_MAX ? toText(await file.arrayBuffer()) : undefined;
  return small ?? jobsOf(room).upload(file, { onProgress, signal, concurrency: CHUNKS_AT_ONCE, timeoutMs: CHUNK_MS });
}

/** Puts an import in. */
export async function enqueue(room: ChatRoom, { id, file, by }: Known, payload: string | Uploaded): Promise<void> {
  const notify = [{ room: room.name, states: STATES }];
  const job: NewJob = { id, type: TYPE, payload, contentType: "text/csv", attributes: { file, by }, notify };
  await jobsOf(room).enqueue(job, { deadlineMs: ENQUEUE_MS });
}

/** Bytes as the text that they are; nothing when they are none, which would change them. */
function toText(bytes: ArrayBuffer): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
