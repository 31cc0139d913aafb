// A job that a worker has, as the work sees it: what is to be done, and what can be said while it is done. What is said waits
// here until the worker sends it; of several words the newest counts.

import { create } from "../wire/message.js";
import { JobProgressSchema, type JobProgress as WireProgress } from "../gen/rialto/v1/job_pb.js";
import type { Lease } from "../gen/rialto/v1/worker_service_pb.js";
import { tooLarge } from "./errors.js";
import { JobContent, toBatch, toDate, toError, toProgress, type JobBatch, type JobError, type JobProgress } from "./job.js";
import { cut } from "./outcome.js";
import { here } from "./reading.js";
import type { Uploaded } from "./uploaded.js";

const CHECKPOINT_BYTES_MAX = 64 << 10;
const MESSAGE_BYTES_MAX = 1 << 10;

/** What was said of a job. */
export interface News {
  progress?: WireProgress;
  checkpoint?: Uint8Array;
}

/** Reads what was uploaded for a job. */
export type ReadsUploaded = (job: Assignment, uploaded: Uploaded, offset: number) => AsyncGenerator<Uint8Array>;

/** What was said of a job and was not sent yet. */
export class Said {
  #news: News = {};
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get isNew(): boolean {
    return this.bytes > 0;
  }

  /** About how many bytes it takes on the wire; never less than it really does. */
  get bytes(): number {
    const { progress, checkpoint } = this.#news;
    return (progress ? MESSAGE_BYTES_MAX + 64 : 0) + (checkpoint ? checkpoint.length + 8 : 0);
  }

  /** Something newer is said. */
  say(news: News): void {
    this.#news = { ...this.#news, ...news };
    this.#changed();
  }

  /** Takes out what is to be sent. */
  take(): News {
    const news = this.#news;
    this.#news = {};
    return news;
  }

  /** It may not have arrived. What is newer counts. */
  putBack(news: News): void {
    this.#news = { ...news, ...this.#news };
  }
}

/** A job that is being worked on. */
export class Assignment extends JobContent {
  readonly namespace: string;
  readonly queue: string;
  /** Its name in the queue. */
  readonly id: string;
  /** What kind of job it is; empty for none. */
  readonly type: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly orderingKey: string;
  /** Which attempt this is, from 1. */
  readonly attempt: number;
  readonly attemptsMax: number;
  readonly enqueuedAt: Date;
  /** Why the attempt before failed. */
  readonly lastError: JobError | undefined;
  /** What an attempt before has left for this one; empty for nothing. */
  readonly lastCheckpoint: Uint8Array;
  /** How far an attempt before had come. */
  readonly lastProgress: JobProgress | undefined;
  /** What the job before it in its chain has found. */
  readonly previousResult: JobContent | undefined;
  /** The batch that it completes, with what has become of its jobs. */
  readonly batch: JobBatch | undefined;
  /** Fires when somebody wants the job cancelled (`CANCELLED`) and when its lease is lost (`LEASE_LOST`): what is done from
   * then on is for nothing. */
  readonly cancelled: AbortSignal;
  /** Fires when somebody wants the job paused: it is to be given back as soon as that is sensible, with a checkpoint. Its reason is
   * a `Release`, so that throwing that is enough. Work that ends in any other way has ended so. */
  readonly toPause: AbortSignal;
  readonly #said: Said;
  readonly #reads: ReadsUploaded;

  constructor(lease: Lease, said: Said, cancelled: AbortSignal, toPause: AbortSignal, reads: ReadsUploaded) {
    super(lease.body);
    this.namespace = lease.namespace;
    this.queue = lease.queue;
    this.id = lease.jobId;
    this.type = lease.type;
    this.attributes = { ...lease.attributes };
    this.orderingKey = lease.orderingKey;
    this.attempt = lease.attempt;
    this.attemptsMax = lease.attemptsMax;
    this.enqueuedAt = toDate(lease.enqueueTime) ?? new Date(0);
    this.lastError = toError(lease.lastError);
    this.lastCheckpoint = lease.checkpoint;
    this.lastProgress = toProgress(lease.progress);
    this.previousResult = lease.previousResult && new JobContent(lease.previousResult);
    this.batch = toBatch(lease.batch);
    this.cancelled = cancelled;
    this.toPause = toPause;
    this.#said = said;
    this.#reads = reads;
  }

  /** The payload piece by piece from a byte on, whether it came with the job or was uploaded. Goes on where it was when the server
   * is lost, and ends with an error when `cancelled` fires. */
  read(offset = 0): AsyncGenerator<Uint8Array> {
    const { uploaded } = this;
    return uploaded ? this.#reads(this, uploaded, offset) : here(this.bytes, offset);
  }

  /** Says how far the work has come: `done` of `total`, 0 when that is not known. Sent a moment later; of several the newest. */
  progress(done: number, total = 0, message = ""): void {
    const progress = { done: count(done), total: count(total), message: cut(message, MESSAGE_BYTES_MAX) };
    this.#said.say({ progress: create(JobProgressSchema, progress) });
  }

  /** Leaves something for the next attempt, if this one fails or the job is given back. Sent a moment later, and before anything is said of the job's
   * end; of several the newest. At most 64 KiB. */
  checkpoint(left: string | Uint8Array): void {
    const checkpoint = typeof left === "string" ? new TextEncoder().encode(left) : left;
    if (!(checkpoint instanceof Uint8Array)) throw new TypeError("a checkpoint is text or bytes");
    if (checkpoint.length > CHECKPOINT_BYTES_MAX) {
      const reason = `a checkpoint has at most ${CHECKPOINT_BYTES_MAX} bytes`;
      throw tooLarge(reason);
    }
    this.#said.say({ checkpoint });
  }
}

/** A number of the protocol: whole, and not below nothing. */
function count(number: number): bigint {
  return BigInt(Math.max(0, Math.trunc(number) || 0));
}
