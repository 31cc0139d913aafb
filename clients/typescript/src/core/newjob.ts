// A job about to be put into a queue, in an application's words and as the protocol says it. Pure but for the names that it
// makes by chance.

import type { Init } from "../wire/message.js";
import { timestampFromDate } from "../wire/wellknown.js";
import type { ChainedJob as WireChained, NewJob as WireJob, RetryPolicy as WireRetry } from "../gen/rialto/v1/job_pb.js";
import { byChance } from "./chance.js";
import { duration } from "./command.js";
import { invalid } from "./errors.js";
import type { Payload } from "./event.js";
import { fromState, type JobState } from "./job.js";
import { toJobBody, type Uploaded } from "./uploaded.js";

/** How often and when a job is tried again. What is not said is as the queue says. */
export interface RetryPolicy {
  /** Attempts in all, 1 to 1,000. Default 20. */
  attemptsMax?: number;
  /** Before attempt n+1 is a wait between nothing and `baseMs` · 2ⁿ⁻¹, by chance. Default 1 s. */
  baseMs?: number;
  /** But no more than this. Default 5 min. */
  maxMs?: number;
}

/** Has a room told what becomes of a job. */
export interface JobNotify {
  room: string;
  /** Default: the namespace of the queue. */
  namespace?: string;
  /** Of which states. Default: of those in which a job ends. */
  states?: readonly JobState[];
}

/** A job to be put into a queue. */
export interface NewJob {
  /** Its name in the queue, for ever: a job of the same name and content is the same job. Made here if nothing is said. */
  id?: string;
  /** What kind of job it is. */
  type?: string;
  /** What the worker needs to know: text, bytes, nothing, or a value that is sent as JSON, of at most 256 KiB; or what was
   * uploaded before. */
  payload?: Payload | Uploaded;
  contentType?: string;
  /** By what it is found again. At most 16, together 1 KiB. */
  attributes?: Readonly<Record<string, string>>;
  /** Jobs of higher priority are served first. -16 to 15. */
  priority?: number;
  /** On whose behalf, for example a tenant. Within one priority keys share the workers. */
  fairnessKey?: string;
  /** How much of the workers its key gets beside others. 1 to 1,000, default 1. */
  fairnessWeight?: number;
  /** Jobs with the same key are worked on one after the other, in the order in which they came. */
  orderingKey?: string;
  /** While a job with this key is neither finished nor dead, another one is not put in: the answer names the first. */
  uniqueKey?: string;
  /** It may begin so long from now. Not together with `runAt`. */
  delayMs?: number;
  /** It may begin at this time. */
  runAt?: Date;
  /** It expires when it has not begun within this time, from when it may begin. */
  ttlMs?: number;
  retry?: RetryPolicy;
  /** Who is told about it. At most 4. */
  notify?: readonly JobNotify[];
  /** The batch that it belongs to: the name of a job of the same queue that `completesBatch`, is there and is not closed. */
  batch?: string;
  /** It begins once the batch that has its name is closed and all jobs of that have ended, however they have. Not together with
   * `delayMs` or `runAt`. */
  completesBatch?: boolean;
  /** Jobs that are put in one after the other, each once the one before is completed; it gets the result of that. At most 16. A
   * job of a batch has none. */
  chain?: readonly ChainedJob[];
}

/** A job that is put in when the one before it in its chain is completed. */
export interface ChainedJob extends Omit<NewJob, "id" | "batch" | "completesBatch" | "chain"> {
  /** The queue, in the same namespace. Default: that of the first job. */
  queue?: string;
  /** Its name in the queue, for ever. Made by the server if nothing is said: it follows from the job before. */
  id?: string;
}

/** The same job with a name, so that it can be said again and is one job. */
export function named(job: NewJob): NewJob & { id: string } {
  return { ...job, id: job.id ?? byChance() };
}

/** A job in the protocol's form. One without a name gets it from the server. */
export function fromNewJob(job: NewJob): Init<WireJob> {
  const { ttlMs, retry, notify = [], chain = [] } = job;
  return {
    jobId: job.id ?? "",
    type: job.type ?? "",
    body: toJobBody(job.payload, job.contentType),
    attributes: { ...job.attributes },
    priority: job.priority ?? 0,
    fairnessKey: job.fairnessKey ?? "",
    fairnessWeight: job.fairnessWeight ?? 0,
    orderingKey: job.orderingKey ?? "",
    uniqueKey: job.uniqueKey ?? "",
    start: start(job),
    ...(ttlMs === undefined ? {} : { ttl: duration(ttlMs) }),
    ...(retry === undefined ? {} : { retry: fromRetry(retry) }),
    notify: notify.map(({ room, namespace = "", states = [] }) => ({ room, namespace, states: states.map(fromState) })),
    batchId: job.batch ?? "",
    completesBatch: job.completesBatch ?? false,
    chain: chain.map(fromChained),
  };
}

function fromChained({ queue = "", ...job }: ChainedJob): Init<WireChained> {
  return { queue, job: fromNewJob(job) };
}

function start({ delayMs, runAt }: NewJob) {
  if (delayMs !== undefined && runAt !== undefined) {
    throw invalid("a job begins after a delay or at a time, not both");
  }
  if (delayMs !== undefined) return { case: "delay" as const, value: duration(delayMs) };
  if (runAt !== undefined) return { case: "runAt" as const, value: timestampFromDate(runAt) };
  return { case: undefined };
}

/** A policy in the protocol's form. */
export function fromRetry({ attemptsMax = 0, baseMs, maxMs }: RetryPolicy): Init<WireRetry> {
  return {
    attemptsMax,
    ...(baseMs === undefined ? {} : { base: duration(baseMs) }),
    ...(maxMs === undefined ? {} : { max: duration(maxMs) }),
  };
}
