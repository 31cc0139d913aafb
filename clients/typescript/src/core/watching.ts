// Watching jobs over all the streams that this takes: what was told before is not told again, what has changed meanwhile is, and a
// watch of named jobs ends when all of them have ended. `jobs.ts` hands it out.

import { equals } from "@bufbuild/protobuf";
import { JobSchema, type Job as WireJob } from "../gen/rialto/v1/job_pb.js";
import { JobService } from "../gen/rialto/v1/job_service_pb.js";
import { passes, pauseMs } from "./again.js";
import { single } from "./calls.js";
import { ending, isLapsed, type Client } from "./client.js";
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

/** Jobs as they are and then each change, until all have ended or the signal fires. */
export async function* watching(client: Client, watched: Watched, signal: AbortSignal | undefined): AsyncGenerator<Job> {
  const seen = new Seen(watched.ids);
  const patience = performance.now() + client.timeoutMs;
  let [begun, resume] = [false, ""];
  for (let attempt = 0; !seen.allEnded && !signal?.aborted; attempt++) {
    const watch = new Watch(client, { ...watched, ids: seen.left, resume }, signal);
    for await (const job of watch) {
      if (!seen.isNews(job)) continue;
      attempt = 0;
      yield new Job(job);
      if (seen.allEnded) return;
    }
    const { error, opened } = watch;
    resume = watch.resume;
    if (signal?.aborted) return;
    // A watch that was never there fails like any other call; one that is lost comes back.
    begun ||= opened;
    const mayHelp = passes(error) && (begun || performance.now() < patience);
    if (!mayHelp && !(opened && isLapsed(error, client))) throw error;
    await sleep(pauseMs(error, attempt), signal).catch(() => {});
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
    return !before || !equals(JobSchema, before, job);
  }

  #hasEnded(id: string): boolean {
    const job = this.#last.get(id);
    return job !== undefined && new Job(job).ended;
  }
}

/** What one stream watches. */
interface Asked extends Watched {
  /** Where it goes on, when all jobs were watched before. */
  readonly resume: string;
}

/** One stream. The iteration ends without an error, which says afterwards why. */
class Watch implements AsyncIterable<WireJob> {
  error = new RialtoError("CONNECTION_LOST", "the server ended the watch", { retry: { advice: "later" } });
  opened = false;
  /** Where the next one goes on. */
  resume: string;
  readonly #client: Client;
  readonly #watched: Asked;
  readonly #signal: AbortSignal | undefined;

  constructor(client: Client, watched: Asked, signal: AbortSignal | undefined) {
    this.resume = watched.resume;
    this.#client = client;
    this.#watched = watched;
    this.#signal = signal;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<WireJob> {
    const { namespace, queue, ids = [] } = this.#watched;
    const control = new AbortController();
    const stop = () => control.abort(this.#signal?.reason);
    this.#signal?.addEventListener("abort", stop, { once: true });
    try {
      const request = single({ namespace, queue, jobIds: [...ids], resume: this.resume });
      const jobs = await this.#client.open(JobService.method.watchJobs, request, control);
      this.opened = true;
      for await (const { job, resume } of jobs) {
        this.resume = resume;
        if (job) yield job;
      }
    } catch (cause) {
      this.error = ending(cause, control.signal);
    } finally {
      this.#signal?.removeEventListener("abort", stop);
      control.abort();
    }
  }
}
