// Uploading a payload: its chunks go several at once, each is said again until it is answered, and no more of it is held than
// what is on its way. What is given up is left to the server, which forgets it. `jobs.ts` hands it out.

import { beginUploadMethod, uploadChunkMethod, type BeginUploadResponse } from "../gen/rialto/v1/job_service_pb.js";
import { persist } from "./again.js";
import { bytesOf, chunks, type Chunk, type UploadSource } from "./chunks.js";
import type { Caller } from "./caller.js";
import { invalid, tooLarge, RialtoError } from "./errors.js";
import { report } from "./observable.js";
import { aborted, deferred } from "./time.js";
import { Uploaded } from "./uploaded.js";

/** How something is uploaded. */
export interface UploadOptions {
  /** Hears after each chunk how many bytes the server has, and of how many where that is known. */
  onProgress?: (doneBytes: number, totalBytes: number | undefined) => void;
  /** Chunks on their way at once. Default and most: 4. */
  concurrency?: number;
  /** How long one chunk may take, saying it again included. Default 5 min. */
  timeoutMs?: number;
  signal?: AbortSignal | undefined;
}

const AT_ONCE_MAX = 4;
const CHUNK_MS = 5 * 60_000;
/** A call that is not answered for so long is made again: its connection may be gone without a word. Long enough for slow ones. */
const CALL_MS = 60_000;

/** Uploads a payload for a queue. What the source throws is thrown. */
export function upload(client: Caller, place: { namespace: string; queue: string }, source: UploadSource, options: UploadOptions): Promise<Uploaded> {
  return new Uploading(client, place, options, bytesOf(source)).run(source);
}

class Uploading {
  readonly #client: Caller;
  readonly #place: { readonly namespace: string; readonly queue: string };
  readonly #options: UploadOptions;
  readonly #totalBytes: number | undefined;
  /** Ends what is on its way when one chunk has failed or the caller gives up. */
  readonly #control = new AbortController();
  #cutBytes = 0;
  #doneBytes = 0;

  constructor(client: Caller, place: { namespace: string; queue: string }, options: UploadOptions, totalBytes: number | undefined) {
    this.#client = client;
    this.#place = place;
    this.#options = options;
    this.#totalBytes = totalBytes;
  }

  async run(source: UploadSource): Promise<Uploaded> {
    const { signal } = this.#options;
    if (signal?.aborted) throw aborted(signal);
    const givenUp = deferred<never>();
    const stop = () => givenUp.reject(aborted(signal as AbortSignal));
    signal?.addEventListener("abort", stop, { once: true });
    try {
      // A source that says nothing for long must not keep the caller, who has given up.
      return await Promise.race([givenUp.promise, this.#upload(source)]);
    } finally {
      signal?.removeEventListener("abort", stop);
      this.#control.abort();
    }
  }

  async #upload(source: UploadSource): Promise<Uploaded> {
    if (this.#totalBytes === 0) throw empty();
    const begun = await this.#begin();
    if (this.#totalBytes !== undefined) fits(this.#totalBytes, begun);
    const cut = chunks(source, begun.chunkBytes);
    const atOnce = Math.max(1, Math.min(AT_ONCE_MAX, Math.trunc(this.#options.concurrency ?? AT_ONCE_MAX)));
    try {
      await Promise.all(Array.from({ length: atOnce }, () => this.#carry(cut, begun)));
    } finally {
      // Waits for the source, which the caller need not.
      cut.return(undefined).catch(() => {});
    }
    if (this.#cutBytes === 0) throw empty();
    return new Uploaded(begun.uploadId, this.#cutBytes);
  }

  async #begin(): Promise<BeginUploadResponse> {
    const { signal } = this.#control;
    const ask = (timeoutMs: number) => this.#client.ask(beginUploadMethod, this.#place, { deadlineMs: Math.min(timeoutMs, CALL_MS), signal });
    const begun = await persist(ask, { timeoutMs: this.#options.timeoutMs ?? CHUNK_MS, signal });
    if (begun.uploadId === "" || begun.chunkBytes === 0) throw new RialtoError("PROTOCOL", "the answer to the beginning of an upload is none");
    return begun;
  }

  /** Takes one chunk after the other to the server. */
  async #carry(cut: AsyncGenerator<Chunk>, begun: BeginUploadResponse): Promise<void> {
    for (let { value, done } = await cut.next(); !done && !this.#control.signal.aborted; { value, done } = await cut.next()) {
      const { index, bytes, load } = value as Chunk;
      this.#cutBytes += bytes;
      fits(this.#cutBytes, begun);
      await this.#say({ ...this.#place, uploadId: begun.uploadId, index, data: await load() });
      this.#doneBytes += bytes;
      this.#tell();
    }
  }

  async #say(chunk: { namespace: string; queue: string; uploadId: string; index: number; data: Uint8Array }): Promise<void> {
    const { signal } = this.#control;
    const { timeoutMs = CHUNK_MS } = this.#options;
    const ask = (leftMs: number) => this.#client.ask(uploadChunkMethod, chunk, { deadlineMs: Math.min(leftMs, CALL_MS), signal });
    await persist(ask, { timeoutMs, signal });
  }

  #tell(): void {
    if (this.#control.signal.aborted) return;
    try {
      this.#options.onProgress?.(this.#doneBytes, this.#totalBytes);
    } catch (error) {
      report(error);
    }
  }
}

function empty(): RialtoError {
  return invalid("there is nothing to upload: an upload has at least one byte");
}

function fits(bytes: number, { bytesMax }: BeginUploadResponse): void {
  if (BigInt(bytes) <= bytesMax) return;
  throw tooLarge(`an upload has at most ${bytesMax} bytes`);
}
