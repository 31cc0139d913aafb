// Watching jobs over all the streams that this takes: what was told before is not told again, what has changed meanwhile is, and a
// watch of named jobs ends when all of them have ended. `jobs.ts` hands it out.

import { encode } from "../wire/encode.js";
import { JobSchema, type Job as WireJob } from "../gen/rialto/v1/job_pb.js";
import { watchJobsMethod, type WatchJobsResponse } from "../gen/rialto/v1/job_service_pb.js";
import { passes, pauseMs } from "./again.js";
import { single } from "./calls.js";
import { ending, isLapsed, type Caller } from "./caller.js";
import { RialtoError } from "./errors.js";
import { Job } from "./job.js";
import { sleep } from "./time.js";

/** Which jobs. */
export interface Watched {
  readonly namespace: string;
  readonly queue: string;
  /** Absent: all that are put in or change. */
  readonly ids: readonly string[] | undefined;
}

const BACKOFF = { firstMs: 250, maxMs: 5_000 };

/** Jobs as they are and then each change, until all have ended or the signal fires. */
export class JobWatch implements AsyncIterableIterator<Job> {
  readonly #client: Caller;
  readonly #watched: Watched;
  readonly #signal: AbortSignal | undefined;
  readonly #seen: Seen;
  readonly #jobs = this.#watch();
  #first: Watch | undefined;

  constructor(client: Caller, watched: Watched, signal: AbortSignal | undefined) {
    this.#client = client;
    this.#watched = watched;
    this.#signal = signal;
    this.#seen = new Seen(watched.ids);
  }

  /** Resolves when the server watches, so that it misses nothing from then on. Whoever iterates need not wait for it. */
  async open(): Promise<void> {
    if (this.#seen.allEnded) return;
    await (this.#first ??= this.#stream("")).open();
  }

  next(): Promise<IteratorResult<Job>> {
    return this.#jobs.next();
  }

  async return(): Promise<IteratorResult<Job>> {
    this.#first?.close();
    return this.#jobs.return(undefined);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #stream(resume: string): Watch {
    return new Watch(this.#client, { ...this.#watched, ids: this.#seen.left, resume }, this.#signal);
  }

  async *#watch(): AsyncGenerator<Job> {
    let [begun, resume] = [false, ""];
    for (let attempt = 0; !this.#seen.allEnded && !this.#signal?.aborted; attempt++) {
      const watch = this.#first ?? this.#stream(resume);
      this.#first = undefined;
      for await (const job of watch) {
        if (!this.#seen.isNews(job)) continue;
        attempt = 0;
        yield new Job(job);
        if (this.#seen.allEnded) return;
      }
      const { error, opened } = watch;
      resume = watch.resume;
      if (this.#signal?.aborted) return;
      // A watch that was never there fails like any other call; one that is lost comes back.
      begun ||= opened;
      if (!begun || (!passes(error) && !isLapsed(error, this.#client))) throw error;
      await sleep(pauseMs(error, attempt, BACKOFF), this.#signal).catch(() => {});
    }
  }
}

/** What was told of jobs that are named. */
class Seen {
  readonly #ids: readonly string[] | undefined;
  readonly #last = new Map<string, WireJob>();

  constructor(ids: readonly string[] | undefined) {
    this.#ids = ids;
  }

  /** Those that were not seen at their end. One that was may be forgotten meanwhile, and is not asked for. */
  get left(): readonly string[] | undefined {
    return this.#ids?.filter((id) => !this.#hasEnded(id));
  }

  get allEnded(): boolean {
    return this.left?.length === 0;
  }

  /** Whether a job is not as it was told last. */
  isNews(job: WireJob): boolean {
    if (!this.#ids) return true;
    const before = this.#last.get(job.jobId);
    this.#last.set(job.jobId, job);
    return !before || !isSame(before, job);
  }

  #hasEnded(id: string): boolean {
    const job = this.#last.get(id);
    return job !== undefined && new Job(job).ended;
  }
}

function isSame(one: WireJob, other: WireJob): boolean {
  const [before, now] = [encode(JobSchema, one), encode(JobSchema, other)];
  return before.length === now.length && before.every((byte, at) => byte === now[at]);
}

/** What one stream watches. */
interface Asked extends Watched {
  /** Where it goes on, when all jobs were watched before. */
  readonly resume: string;
}

/** One stream. The iteration ends without an error, which says afterwards why. */
class Watch implements AsyncIterable<WireJob> {
  error = new RialtoError("CONNECTION_LOST", "the server ended the watch", { advice: "later" });
  opened = false;
  /** Where the next one goes on. */
  resume: string;
  readonly #client: Caller;
  readonly #watched: Asked;
  readonly #signal: AbortSignal | undefined;
  readonly #control = new AbortController();
  readonly #stop = () => this.#control.abort(this.#signal?.reason);
  #opening: Promise<AsyncIterable<WatchJobsResponse>> | undefined;

  constructor(client: Caller, watched: Asked, signal: AbortSignal | undefined) {
    this.resume = watched.resume;
    this.#client = client;
    this.#watched = watched;
    this.#signal = signal;
  }

  /** Opens it, once. */
  async open(): Promise<AsyncIterable<WatchJobsResponse>> {
    return (this.#opening ??= this.#open());
  }

  /** Lets go of it. */
  close(): void {
    this.#signal?.removeEventListener("abort", this.#stop);
    this.#control.abort();
  }

  async #open(): Promise<AsyncIterable<WatchJobsResponse>> {
    const { namespace, queue, ids = [] } = this.#watched;
    this.#signal?.addEventListener("abort", this.#stop, { once: true });
    const request = single({ namespace, queue, jobIds: [...ids], resume: this.resume });
    const jobs = await this.#client.open(watchJobsMethod, request, this.#control);
    this.opened = true;
    return jobs;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<WireJob> {
    try {
      for await (const { job, resume } of await this.open()) {
        this.resume = resume;
        if (job) yield job;
      }
    } catch (cause) {
      this.error = ending(cause, this.#control.signal);
    } finally {
      this.close();
    }
  }
}
