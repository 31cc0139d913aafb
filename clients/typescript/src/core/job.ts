// Jobs as an application sees them. Owns the translation from the protocol's words: states, dates, contents, errors.
// Pure: nothing here asks or waits.

import { timestampDate, type Timestamp } from "../wire/wellknown.js";
import {
  JobState as WireState,
  type Job as WireJob,
  type JobBatch as WireBatch,
  type JobBody,
  type JobError as WireError,
  type JobProgress as WireProgress,
} from "../gen/rialto/v1/job_pb.js";
import { bodyBytes, bodyText } from "./event.js";
import { carried, uploadedOf, type Uploaded } from "./uploaded.js";

/** Where a job is. In the last five it stays, unless a dead one is redriven. */
export type JobState = "blocked" | "delayed" | "waiting" | "running" | "paused" | "completed" | "dead" | "cancelled" | "expired" | "discarded";

/** How far a worker has come. */
export interface JobProgress {
  /** So much is done. */
  readonly done: number;
  /** Of so much; 0: not known. */
  readonly total: number;
  /** For people. */
  readonly message: string;
}

/** Why an attempt failed, or a job was discarded or cancelled. */
export interface JobError {
  /** For programs; `LEASE_EXPIRED`, `WORKER_LOST` and `DELIVERIES_EXHAUSTED` are the server's own. */
  readonly code: string;
  /** For people. */
  readonly message: string;
}

/** A batch, by what has become of its jobs: as it is, and once it is complete as it was then. */
export interface JobBatch {
  /** No more jobs can be put into it. */
  readonly closed: boolean;
  /** So many have not ended. */
  readonly live: number;
  readonly completed: number;
  readonly dead: number;
  readonly cancelled: number;
  readonly expired: number;
  readonly discarded: number;
}

/** What a job or its result says. */
export class JobContent {
  readonly #body: JobBody | undefined;

  constructor(body: JobBody | undefined) {
    this.#body = body;
  }

  /** The payload as it was given: text, bytes, nothing, or what was uploaded. */
  get payload(): string | Uint8Array | Uploaded | undefined {
    return this.uploaded ?? carried(this.#body).value;
  }
  /** What was uploaded, when the payload came that way: it is not here, and `read` gets it. */
  get uploaded(): Uploaded | undefined {
    return uploadedOf(this.#body);
  }
  /** The payload as text; throws when it was uploaded. */
  get text(): string {
    return bodyText(carried(this.#body));
  }
  /** The payload as bytes; throws when it was uploaded. */
  get bytes(): Uint8Array {
    return bodyBytes(carried(this.#body));
  }
  /** Media type of the payload; empty for none. */
  get contentType(): string {
    return this.#body?.contentType ?? "";
  }
  /** The payload read as JSON; throws `SyntaxError` when it is none, and when it was uploaded. */
  json(): unknown {
    return JSON.parse(this.text);
  }
}

/** A job as it was when the server was asked. Its payload is known of one that was asked for by `get` and has not ended well. */
export class Job extends JobContent {
  readonly namespace: string;
  readonly queue: string;
  /** Its name in the queue. */
  readonly id: string;
  /** What kind of job it is; empty for none. */
  readonly type: string;
  readonly state: JobState;
  /** By what it is found again. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly priority: number;
  readonly fairnessKey: string;
  readonly orderingKey: string;
  readonly uniqueKey: string;
  readonly enqueuedAt: Date;
  /** When it may begin, while it is delayed. */
  readonly dueAt: Date | undefined;
  /** When its last attempt began. */
  readonly startedAt: Date | undefined;
  /** When it came into a state in which it stays. */
  readonly endedAt: Date | undefined;
  /** Which attempt runs or ran last; 0 before the first. */
  readonly attempt: number;
  readonly attemptsMax: number;
  /** How often it was given to a worker, attempts that do not count among them. */
  readonly deliveries: number;
  /** Who has it, or had it last. */
  readonly workerId: string;
  /** When the lease ends unless it is extended, while it runs. */
  readonly leaseEndsAt: Date | undefined;
  readonly progress: JobProgress | undefined;
  /** What the worker found, when it is completed. */
  readonly result: JobContent | undefined;
  readonly error: JobError | undefined;
  /** Somebody wants it cancelled while a worker has it. */
  readonly cancelling: boolean;
  /** Somebody wants it paused while a worker has it. */
  readonly pausing: boolean;
  /** When it may be forgotten, once it has ended. */
  readonly forgetAt: Date | undefined;
  /** The batch that it belongs to; empty for none. */
  readonly batchId: string;
  /** The batch that it completes. */
  readonly batch: JobBatch | undefined;
  /** Jobs of its chain that are still to be put in. */
  readonly chainLength: number;
  /** The schedule that has put it in; empty for none. */
  readonly scheduleId: string;

  constructor(job: WireJob) {
    super(job.body);
    this.namespace = job.namespace;
    this.queue = job.queue;
    this.id = job.jobId;
    this.type = job.type;
    this.state = toState(job.state);
    this.attributes = { ...job.attributes };
    this.priority = job.priority;
    this.fairnessKey = job.fairnessKey;
    this.orderingKey = job.orderingKey;
    this.uniqueKey = job.uniqueKey;
    this.enqueuedAt = toDate(job.enqueueTime) ?? new Date(0);
    this.dueAt = toDate(job.dueTime);
    this.startedAt = toDate(job.startTime);
    this.endedAt = toDate(job.endTime);
    this.attempt = job.attempt;
    this.attemptsMax = job.attemptsMax;
    this.deliveries = job.deliveries;
    this.workerId = job.workerId;
    this.leaseEndsAt = toDate(job.leaseEndTime);
    this.progress = toProgress(job.progress);
    this.result = job.state === WireState.COMPLETED ? new JobContent(job.result) : undefined;
    this.error = toError(job.error);
    this.cancelling = job.cancelling;
    this.pausing = job.pausing;
    this.forgetAt = toDate(job.forgetTime);
    this.batchId = job.batchId;
    this.batch = toBatch(job.batch);
    this.chainLength = job.chainLength;
    this.scheduleId = job.scheduleId;
  }

  /** Whether it stays where it is, unless it is redriven. */
  get ended(): boolean {
    return !PASSING.has(this.state);
  }
}

const PASSING = new Set<JobState>(["blocked", "delayed", "waiting", "running", "paused"]);

/** A state as a word. Servers of later versions may send more. */
export function toState(state: WireState): JobState {
  return (WireState[state] ?? `state_${state as number}`).toLowerCase() as JobState;
}

/** The state of a word. */
export function fromState(state: JobState): WireState {
  return WireState[state.toUpperCase() as keyof typeof WireState];
}

/** A date of the protocol. */
export function toDate(at: Timestamp | undefined): Date | undefined {
  return at && timestampDate(at);
}

/** Progress as plain data. */
export function toProgress(progress: WireProgress | undefined): JobProgress | undefined {
  return progress && { done: Number(progress.done), total: Number(progress.total), message: progress.message };
}

/** A batch as plain data. */
export function toBatch(batch: WireBatch | undefined): JobBatch | undefined {
  return batch && {
    closed: batch.closed,
    live: batch.liveCount,
    completed: batch.completedCount,
    dead: batch.deadCount,
    cancelled: batch.cancelledCount,
    expired: batch.expiredCount,
    discarded: batch.discardedCount,
  };
}

/** An error as plain data. */
export function toError(error: WireError | undefined): JobError | undefined {
  return error && { code: error.code, message: error.message };
}
