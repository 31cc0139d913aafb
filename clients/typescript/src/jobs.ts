// Handing work over, and looking what becomes of it: one queue of a server, without a session. Owns what is said again and
// what is not; whoever does the work is in `worker.ts`. No part of a session imports it, so that pages without jobs do
// not carry it.

import { timestampFromDate } from "./wire/wellknown.js";
import type { EnqueueOutcome as WireOutcome } from "./gen/rialto/v1/job_service_pb.js";
import { cancelJobMethod, closeBatchMethod, deleteScheduleMethod, enqueueMethod, getJobMethod, getQueueMethod, listJobsMethod, listQueuesMethod, listSchedulesMethod, pauseJobMethod, pauseQueueMethod, purgeQueueMethod, putScheduleMethod, redriveJobsMethod, resumeJobMethod, resumeQueueMethod, setQueueMethod, waitJobMethod } from "./gen/rialto/v1/job_service_pb.js";
import type { Job as WireJob, Queue as WireQueue } from "./gen/rialto/v1/job_pb.js";
import { passes, persist } from "./core/again.js";
import type { UploadSource } from "./core/chunks.js";
import type { Caller } from "./core/caller.js";
import { duration, toDurability, type Durability } from "./core/command.js";
import { refusal, RialtoError } from "./core/errors.js";
import { fromState, Job, type JobState } from "./core/job.js";
import { fromSettings, toQueue, type JobQueue, type QueueSettings } from "./core/jobqueue.js";
import type { CallWait } from "./core/kept.js";
import { Listing } from "./core/listing.js";
import { fromNewJob, named, type NewJob } from "./core/newjob.js";
import { reading, type ReadOptions } from "./core/reading.js";
import { fromSchedule, toSchedule, type Schedule, type ScheduleStatus } from "./core/schedule.js";
import type { Uploaded } from "./core/uploaded.js";
import { upload, type UploadOptions } from "./core/uploading.js";
import { JobWatch } from "./core/watching.js";

/** Which queue. */
export interface QueuePlace {
  readonly namespace: string;
  readonly queue: string;
}

/** A job was taken. */
export interface Enqueued {
  /** Its name in the queue. */
  readonly id: string;
  /** It, or another one with its unique key, was there before. */
  readonly duplicate: boolean;
  /** What it survives. */
  readonly durability: Durability;
  readonly error?: undefined;
}

/** A job was refused. */
export interface NotEnqueued {
  readonly id: string;
  /** Why. */
  readonly error: RialtoError;
}

/** What became of one of several jobs. */
export type EnqueueOutcome = Enqueued | NotEnqueued;

/** How a job's end is waited for. */
export interface JobWait {
  /** Longest wait for its end. Default 60 s; `Infinity` for as long as it takes. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** Which jobs are listed. */
export interface JobFilter extends CallWait {
  /** In these states. Default: in all. */
  states?: readonly JobState[];
  /** Of this type. */
  type?: string;
  /** With all of these attributes. */
  attributes?: Readonly<Record<string, string>>;
  /** Of this batch. */
  batch?: string;
  /** Put in at this time or later. */
  from?: Date;
  /** Put in before this time. */
  before?: Date;
  /** Most jobs in a page. Default 100, at most 1,000. */
  pageSize?: number;
}

const WAIT_MS = 60_000;
/** How long one call waits for a job; longer waits are several. Proxies give up calls that say nothing for a minute. */
const WAIT_CALL_MS = 30_000;
/** How much longer than the server this side waits for an answer. */
const WAIT_SLACK_MS = 5_000;

/** One queue of a server. Every call fails with a `RialtoError`, at its deadline at the latest. */
export class Jobs {
  readonly #client: Caller;
  readonly #place: QueuePlace;

  constructor(client: Caller, { namespace, queue }: QueuePlace) {
    this.#client = client;
    this.#place = { namespace, queue };
  }

  /** Puts a job in; resolves when it is as durable as the answer says. Said again until the deadline when nobody answers: the
   * job has a name, so that has one effect. Of several jobs, up to 1,000, each is taken or refused by itself. */
  enqueue(job: NewJob, wait?: CallWait): Promise<Enqueued>;
  enqueue(jobs: readonly NewJob[], wait?: CallWait): Promise<EnqueueOutcome[]>;
  async enqueue(given: NewJob | readonly NewJob[], wait: CallWait = {}): Promise<Enqueued | EnqueueOutcome[]> {
    if (isList(given)) return this.#enqueue(given, wait);
    const [outcome] = await this.#enqueue([given], wait);
    if (!outcome) throw none("an enqueue");
    if (outcome.error) throw outcome.error;
    return outcome;
  }

  async #enqueue(given: readonly NewJob[], { deadlineMs: timeoutMs = this.#client.deadlineMs, signal }: CallWait): Promise<EnqueueOutcome[]> {
    const jobs = given.map(named);
    const request = { ...this.#place, jobs: jobs.map(fromNewJob) };
    const ask = (leftMs: number) => this.#client.ask(enqueueMethod, request, { deadlineMs: leftMs, signal });
    const { outcomes, durability } = await persist(ask, { timeoutMs, signal });
    return jobs.map(({ id }, index) => toOutcome(id, outcomes[index], toDurability(durability)));
  }

  /** Uploads what is too large for a message, a few chunks at once: of a file or of an iterable never more than these is held.
   * What it resolves to is given to `enqueue` as the payload of a job of this queue, within a day. A chunk is said again when nobody
   * answers. */
  upload(source: UploadSource, options: UploadOptions = {}): Promise<Uploaded> {
    return upload(this.#client, this.#place, source, options);
  }

  /** What was uploaded for this queue, piece by piece, as long as a job has it that has not ended well. Goes on at the byte that was
   * reached when the server is lost; ends without an error only when all of it came. */
  read(uploaded: Uploaded, options: ReadOptions = {}): AsyncGenerator<Uint8Array> {
    return reading(this.#client, this.#place, uploaded, options);
  }

  /** One job, with its payload unless it has ended well. */
  async get(id: string, wait: CallWait = {}): Promise<Job> {
    const { job } = await this.#client.ask(getJobMethod, { ...this.#place, jobId: id }, wait);
    return toJob(job, "a lookup");
  }

  /** A job once it has ended, in whatever way. Rejects with `TIMED_OUT` when it does not in time. Goes on waiting when the
   * server is lost. */
  async wait(id: string, { timeoutMs = WAIT_MS, signal }: JobWait = {}): Promise<Job> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const leftMs = Math.max(0, end - performance.now());
      const once = (ms: number) => this.#waitOnce(id, Math.min(ms, WAIT_CALL_MS), signal);
      // What passes is given up only when there is no time left.
      const job = await persist(once, { timeoutMs: leftMs, signal }).catch((error: RialtoError) => {
        if (!passes(error)) throw error;
      });
      if (job?.ended) return job;
      if (!job || performance.now() >= end) {
        throw new RialtoError("TIMED_OUT", `job ${id} has not ended within ${timeoutMs} ms`, { advice: "later" });
      }
    }
  }

  async #waitOnce(id: string, ms: number, signal: AbortSignal | undefined): Promise<Job> {
    const request = { ...this.#place, jobId: id, timeout: duration(Math.ceil(ms)) };
    const { job } = await this.#client.ask(waitJobMethod, request, { deadlineMs: ms + WAIT_SLACK_MS, signal });
    return toJob(job, "a wait");
  }

  /** Jobs to iterate over: these, at most 64, as they are and then each change, until all have ended. Without any, all that
   * are put in or change from now on, for ever. Of changes that follow each other quickly some may be left out, but
   * never the last. Survives a lost connection by watching again; a watch of all jobs goes on where it was, and misses nothing that is kept. */
  watch(ids?: string | readonly string[], { signal }: { signal?: AbortSignal } = {}): JobWatch {
    return new JobWatch(this.#client, { ...this.#place, ids: toList(ids) }, signal);
  }

  /** Jobs, the last one put in first: iterate over them, or take a page. */
  list({ states = [], type = "", attributes = {}, batch = "", from, before, pageSize = 0, ...wait }: JobFilter = {}): Listing<Job> {
    const filter = { ...this.#place, states: states.map(fromState), type, attributes: { ...attributes }, batchId: batch, ...between(from, before), pageSize };
    return new Listing(async (pageToken) => {
      const { jobs, nextPageToken } = await this.#client.ask(listJobsMethod, { ...filter, pageToken }, wait);
      return { entries: jobs.map((job) => new Job(job)), nextPageToken };
    });
  }

  /** Ends a job that waits, and asks the worker of one that runs to end it. */
  async cancel(id: string, { reason = "", ...wait }: CallWait & { reason?: string } = {}): Promise<Job> {
    const { job } = await this.#client.ask(cancelJobMethod, { ...this.#place, jobId: id, reason }, wait);
    return toJob(job, "a cancel");
  }

  /** Pauses a job that waits, and asks the worker of one that runs to give it back. It begins, or goes on, once it is resumed. */
  async pauseJob(id: string, wait: CallWait = {}): Promise<Job> {
    const { job } = await this.#client.ask(pauseJobMethod, { ...this.#place, jobId: id }, wait);
    return toJob(job, "a pause");
  }

  /** Has a paused job go on with its checkpoint, in the attempt in which it was, or the worker of one that was to be paused keep it:
   * that one may have given it back all the same, and then it waits again. */
  async resumeJob(id: string, wait: CallWait = {}): Promise<Job> {
    const { job } = await this.#client.ask(resumeJobMethod, { ...this.#place, jobId: id }, wait);
    return toJob(job, "a resume");
  }

  /** Gives dead jobs all their attempts again: these, at most 1,000, or without any all of the queue. Returns how many. */
  async redrive(ids?: string | readonly string[], wait: CallWait = {}): Promise<number> {
    const jobIds = toList(ids) ?? [];
    // The protocol says all by naming none; whoever has a list that happens to be empty does not mean that.
    if (ids !== undefined && jobIds.length === 0) return 0;
    return (await this.#client.ask(redriveJobsMethod, { ...this.#place, jobIds }, wait)).redrivenCount;
  }

  /** Puts no more jobs into a batch: the job that completes it, which is returned, begins once all have ended. A batch to which
   * none was added for a day is closed by itself. */
  async closeBatch(id: string, wait: CallWait = {}): Promise<Job> {
    const { job } = await this.#client.ask(closeBatchMethod, { ...this.#place, batchId: id }, wait);
    return toJob(job, "a close of a batch");
  }

  /** Makes a schedule, or changes the one of that name: all of it, so that what is not said has its default. Times before now are
   * not made up for. */
  async putSchedule(given: Schedule, wait: CallWait = {}): Promise<ScheduleStatus> {
    const request = { ...this.#place, schedule: fromSchedule(given) };
    const { schedule } = await this.#client.ask(putScheduleMethod, request, wait);
    if (!schedule) throw none("a schedule");
    return toSchedule(schedule);
  }

  /** Ends a schedule. The jobs that it has put in stay. */
  async deleteSchedule(id: string, wait: CallWait = {}): Promise<void> {
    await this.#client.ask(deleteScheduleMethod, { ...this.#place, scheduleId: id }, wait);
  }

  /** All schedules of the queue, by name; there are at most 1,000. */
  async schedules(wait: CallWait = {}): Promise<ScheduleStatus[]> {
    return (await this.#client.ask(listSchedulesMethod, this.#place, wait)).schedules.map(toSchedule);
  }

  /** The queue as it is. */
  async queue(wait: CallWait = {}): Promise<JobQueue> {
    return queueOf(await this.#client.ask(getQueueMethod, this.#place, wait));
  }

  /** Queues of the namespace in which the caller may enqueue or work, by name: iterate over them, or take a page. */
  queues({ pageSize = 0, ...wait }: CallWait & { pageSize?: number } = {}): Listing<JobQueue> {
    const { namespace } = this.#place;
    return new Listing(async (pageToken) => {
      const { queues, nextPageToken } = await this.#client.ask(listQueuesMethod, { namespace, pageSize, pageToken }, wait);
      return { entries: queues.map(toQueue), nextPageToken };
    });
  }

  /** What holds in the queue from now on; what is not set has its default. */
  async set(settings: QueueSettings, wait: CallWait = {}): Promise<JobQueue> {
    return queueOf(await this.#client.ask(setQueueMethod, { ...this.#place, settings: fromSettings(settings) }, wait));
  }

  /** Begins no more jobs; what runs goes on. */
  async pause(wait: CallWait = {}): Promise<JobQueue> {
    return queueOf(await this.#client.ask(pauseQueueMethod, this.#place, wait));
  }

  /** Begins jobs again. */
  async resume(wait: CallWait = {}): Promise<JobQueue> {
    return queueOf(await this.#client.ask(resumeQueueMethod, this.#place, wait));
  }

  /** Cancels all jobs that are not running: they wait, are delayed, paused or blocked. Returns how many. */
  async purge(wait: CallWait = {}): Promise<number> {
    return (await this.#client.ask(purgeQueueMethod, this.#place, wait)).cancelledCount;
  }
}

/** `Array.isArray` says nothing about lists that may not be changed. */
function isList(given: NewJob | readonly NewJob[]): given is readonly NewJob[] {
  return Array.isArray(given);
}

function toList(ids: string | readonly string[] | undefined): string[] | undefined {
  return typeof ids === "string" ? [ids] : ids && [...new Set(ids)];
}

function toOutcome(id: string, outcome: WireOutcome | undefined, durability: Durability): EnqueueOutcome {
  const said = outcome?.outcome;
  if (said?.case === "enqueued") return { id: said.value.jobId, duplicate: said.value.duplicate, durability };
  return { id, error: said?.case === "refused" ? refusal(said.value) : none("an enqueue") };
}

function toJob(job: WireJob | undefined, what: string): Job {
  if (!job) throw none(what);
  return new Job(job);
}

function queueOf({ queue }: { queue?: WireQueue | undefined }): JobQueue {
  if (!queue) throw none("a question about a queue");
  return toQueue(queue);
}

function none(what: string): RialtoError {
  return new RialtoError("PROTOCOL", `the answer to ${what} is none`);
}

/** Times between which jobs were put in, as they are asked for. */
function between(from?: Date, before?: Date) {
  return {
    ...(from && { enqueuedFrom: timestampFromDate(from) }),
    ...(before && { enqueuedBefore: timestampFromDate(before) }),
  };
}
