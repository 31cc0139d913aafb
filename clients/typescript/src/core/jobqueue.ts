// A queue of jobs as it is, and what holds in it, in an application's words and as the protocol says them. Pure.

import type { Init } from "../wire/message.js";
import type { Queue as WireQueue, QueueSettings as WireSettings, RetryPolicy as WireRetry } from "../gen/rialto/v1/job_pb.js";
import { duration } from "./command.js";
import { millis } from "./errors.js";
import { toDate } from "./job.js";
import { fromRetry, type RetryPolicy } from "./newjob.js";

/** What holds in a queue; what is not set has its default. */
export interface QueueSettings {
  /** Jobs that run at once, over all workers; 0 is without bound. */
  concurrencyMax?: number;
  /** The same for each fairness key. */
  keyConcurrencyMax?: number;
  /** Jobs that are begun in a second; 0 is without bound. */
  ratePerSecond?: number;
  /** The same for each fairness key. */
  keyRatePerSecond?: number;
  /** Jobs that are kept at once, ended ones not counted but dead ones. Default 1,000,000. */
  jobsMax?: number;
  /** What happens after an attempt that failed, unless the job says otherwise. */
  retry?: RetryPolicy;
  /** How long a job is kept that has ended. Default a day. */
  endedKeptMs?: number;
  /** How many such jobs are kept; the oldest go first. Default 10,000. */
  endedMax?: number;
  /** How long a dead job is kept. Default 14 days. */
  deadKeptMs?: number;
}

/** How many jobs of a queue are where. */
export interface JobCounts {
  /** They wait for the others of their batches. */
  readonly blocked: number;
  /** They may not begin yet. */
  readonly delayed: number;
  /** They wait for a worker. */
  readonly waiting: number;
  readonly running: number;
  /** Somebody has paused them. */
  readonly paused: number;
  /** They have failed for good. */
  readonly dead: number;
  /** They have ended otherwise, and are still kept. */
  readonly ended: number;
}

/** A queue as it was when the server was asked. */
export interface JobQueue {
  readonly namespace: string;
  readonly name: string;
  readonly settings: Readonly<Required<Omit<QueueSettings, "retry">>> & { readonly retry: Readonly<Required<RetryPolicy>> };
  /** Whether no job is begun. */
  readonly paused: boolean;
  readonly counts: JobCounts;
  /** When the job was put in that has waited longest. */
  readonly oldestAt: Date | undefined;
}

/** Settings in the protocol's form. */
export function fromSettings(settings: QueueSettings): Init<WireSettings> {
  const { retry, endedKeptMs, deadKeptMs, ...counts } = settings;
  return {
    ...counts,
    ...(retry === undefined ? {} : { retry: fromRetry(retry) }),
    ...(endedKeptMs === undefined ? {} : { endedKept: duration(endedKeptMs) }),
    ...(deadKeptMs === undefined ? {} : { deadKept: duration(deadKeptMs) }),
  };
}

/** A queue as plain data. */
export function toQueue(queue: WireQueue): JobQueue {
  const { settings } = queue;
  return {
    namespace: queue.namespace,
    name: queue.queue,
    settings: {
      concurrencyMax: settings?.concurrencyMax ?? 0,
      keyConcurrencyMax: settings?.keyConcurrencyMax ?? 0,
      ratePerSecond: settings?.ratePerSecond ?? 0,
      keyRatePerSecond: settings?.keyRatePerSecond ?? 0,
      jobsMax: settings?.jobsMax ?? 0,
      retry: toRetry(settings?.retry),
      endedKeptMs: millis(settings?.endedKept),
      endedMax: settings?.endedMax ?? 0,
      deadKeptMs: millis(settings?.deadKept),
    },
    paused: queue.paused,
    counts: {
      blocked: queue.blockedCount,
      delayed: queue.delayedCount,
      waiting: queue.waitingCount,
      running: queue.runningCount,
      paused: queue.pausedCount,
      dead: queue.deadCount,
      ended: queue.endedCount,
    },
    oldestAt: toDate(queue.oldestEnqueueTime),
  };
}

function toRetry(retry: WireRetry | undefined): Required<RetryPolicy> {
  return { attemptsMax: retry?.attemptsMax ?? 0, baseMs: millis(retry?.base), maxMs: millis(retry?.max) };
}
