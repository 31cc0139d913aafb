// Reading a payload that was uploaded, over all the streams that this takes: each goes on at the byte that was reached. It ends
// well only when all of it came. `jobs.ts` and the jobs of workers hand it out.

import { readPayloadMethod } from "../gen/rialto/v1/job_service_pb.js";
import { passes, pauseMs } from "./again.js";
import { single } from "./calls.js";
import { ending, isLapsed, type Caller } from "./caller.js";
import { invalid, RialtoError } from "./errors.js";
import { aborted, bound, sleep } from "./time.js";
import type { Uploaded } from "./uploaded.js";

/** How a payload is read. */
export interface ReadOptions {
  /** From this byte on. Default: all of it. */
  offset?: number;
  /** Longest time in which nothing comes; then it fails. Default 2 min. */
  timeoutMs?: number;
  signal?: AbortSignal | undefined;
}

const SILENCE_MS = 2 * 60_000;
/** A stream that says nothing for so long is opened again: its connection may be gone without a word. Long enough for
 * slow ones. */
const STREAM_SILENCE_MS = 60_000;

/** The bytes of a payload as they come, from an offset to its end. */
export async function* reading(
  client: Caller,
  { namespace, queue }: { namespace: string; queue: string },
  { uploadId, bytes }: Uploaded,
  { offset = 0, timeoutMs = SILENCE_MS, signal }: ReadOptions,
): AsyncGenerator<Uint8Array> {
  let at = inside(offset, bytes);
  let end = performance.now() + timeoutMs;
  for (let attempt = 0; at < bytes; attempt++) {
    if (signal?.aborted) throw aborted(signal);
    const stream = new Stream(client, { namespace, queue, uploadId, offset: BigInt(at) }, signal);
    for await (const data of stream) {
      at += data.length;
      if (at > bytes) throw new RialtoError("PROTOCOL", `the payload has more than its ${bytes} bytes`);
      attempt = 0;
      yield data;
      // Whoever reads may take time.
      end = performance.now() + timeoutMs;
    }
    if (at === bytes) return;
    const { error, opened } = stream;
    const waitMs = pauseMs(error, attempt);
    const mayHelp = passes(error) || (opened && isLapsed(error, client));
    if (!mayHelp || signal?.aborted || performance.now() + waitMs >= end) throw error;
    await sleep(waitMs, signal);
  }
}

/** The bytes from an offset on of a payload that is here. */
export async function* here(payload: Uint8Array, offset: number): AsyncGenerator<Uint8Array> {
  const rest = payload.subarray(inside(offset, payload.length));
  if (rest.length > 0) yield rest;
}

function inside(offset: number, bytes: number): number {
  if (Number.isInteger(offset) && offset >= 0 && offset <= bytes) return offset;
  throw invalid(`a payload of ${bytes} bytes cannot be read from byte ${offset} on`);
}

/** One stream. The iteration ends without an error, which says afterwards why it is not whole. */
class Stream implements AsyncIterable<Uint8Array> {
  error = new RialtoError("PROTOCOL", "the server ended the payload before it was whole");
  opened = false;
  readonly #client: Caller;
  readonly #request: { namespace: string; queue: string; uploadId: string; offset: bigint };
  readonly #signal: AbortSignal | undefined;

  constructor(client: Caller, request: { namespace: string; queue: string; uploadId: string; offset: bigint }, signal: AbortSignal | undefined) {
    this.#client = client;
    this.#request = request;
    this.#signal = signal;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const control = new AbortController();
    const stop = () => control.abort(aborted(this.#signal as AbortSignal));
    this.#signal?.addEventListener("abort", stop, { once: true });
    try {
      const messages = (await this.#client.open(readPayloadMethod, single(this.#request), control))[Symbol.asyncIterator]();
      this.opened = true;
      for (;;) {
        const clear = bound({ timeoutMs: STREAM_SILENCE_MS, what: "the next part of a payload" }, (error) => control.abort(error));
        const { value, done } = await messages.next().finally(clear);
        if (done) return;
        if (value.data.length > 0) yield value.data;
      }
    } catch (cause) {
      this.error = ending(cause, control.signal);
    } finally {
      this.#signal?.removeEventListener("abort", stop);
      control.abort();
    }
  }
}
