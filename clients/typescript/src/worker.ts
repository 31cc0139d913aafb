// A worker: takes jobs of queues, has a function do each, and says what became of it. Owns its options and its end; a run is
// in `core/shift.ts`. No part of a session imports it, so that pages without jobs do not carry it.

import type { Assignment } from "./core/assignment.js";
import type { BackoffOptions } from "./core/backoff.js";
import type { Caller } from "./core/caller.js";
import { converse } from "./core/conversing.js";
import { invalid, RialtoError } from "./core/errors.js";
import type { Payload } from "./core/event.js";
import { lease } from "./core/leasing.js";
import { byChance } from "./core/chance.js";
import { Shift, type ShiftSettings, type WorkerQueue } from "./core/shift.js";

/** What a worker can be told. */
export interface WorkerOptions {
  /** From which queues it takes jobs, in turns. 1 to 64. */
  queues: readonly WorkerQueue[];
  /** Does so many jobs at once. Default 1, at most 10,000. */
  concurrency?: number;
  /** What it is called, for people. Default: a name by chance. */
  workerId?: string;
  /** How long a lease lasts when nothing is heard of the worker; it is extended by itself. 1 s to a day, default 30 s. */
  leaseMs?: number;
  /** How long one call waits for a job, where there are no streams upwards; `stop` may take as long. Default 10 s, at most 60 s. */
  leaseWaitMs?: number;
  /** Hears what the worker goes on in spite of: lost connections, leases that are over (`LEASE_LOST`), outcomes that are not
   * taken. */
  onError?: (error: RialtoError, job?: Assignment) => void;
  /** Works by single calls where a stream upwards would do as well. */
  byCalls?: boolean;
  /** Stops at SIGTERM and SIGINT; a second one ends the process as usual. */
  signals?: boolean;
  /** The window of the waits between attempts to connect. Default: 250 ms to 5 s, because leases outlive a stream for 10 s. */
  backoff?: Partial<BackoffOptions>;
}

/** What the work is given beside its job. */
export interface WorkContext {
  /** The job's signal: it is to be cancelled, or its lease is lost. */
  readonly signal: AbortSignal;
  /** For what the work has to ask or to hand over. */
  readonly client: Caller;
  readonly worker: Worker;
}

/** Does one job. What it returns is the result; what it throws is why there is none. */
export type Work = (job: Assignment, context: WorkContext) => Payload | void | Promise<Payload | void>;

/** How a worker stops. */
export interface StopOptions {
  /** How long running jobs may take; then they are given up, and go to others. Default: as long as they take. */
  timeoutMs?: number;
}

const BACKOFF: BackoffOptions = { firstMs: 250, maxMs: 5_000 };
const SIGNALS = ["SIGTERM", "SIGINT"];

/** The process, where there is one. */
interface Signalled {
  on(name: string, fn: () => void): unknown;
  removeListener(name: string, fn: () => void): unknown;
}

/** A worker. */
export class Worker {
  readonly #client: Caller;
  readonly #options: WorkerOptions;
  #shift: Shift | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(client: Caller, options: WorkerOptions) {
    this.#client = client;
    this.#options = { ...options, queues: [...options.queues] };
  }

  /** Works until `stop`, or until the signal fires, which is the same. Then it takes no more jobs, and resolves when those that
   * it has are settled. Rejects when the server refuses the worker. */
  run(work: Work, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    if (this.#shift) return Promise.reject(invalid("the worker runs already"));
    const shift = (this.#shift = new Shift(this.#settings(work)));
    const unlisten = this.#listen(shift, signal);
    const ended = this.#work(shift).finally(() => {
      unlisten();
      this.#shift = undefined;
    });
    this.#ended = ended.catch(() => {});
    return ended;
  }

  /** Takes no more jobs; resolves when those that it has are settled. */
  async stop({ timeoutMs }: StopOptions = {}): Promise<void> {
    const shift = this.#shift;
    if (!shift) return;
    shift.stop();
    const late = new RialtoError("CLOSED", "the worker was stopped before the job was done", { advice: "never" });
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => shift.abandon(late), timeoutMs);
    await this.#ended;
    clearTimeout(timer);
  }

  async #work(shift: Shift): Promise<void> {
    const way = this.#client.streamsUp && !this.#options.byCalls ? converse : lease;
    try {
      await way(shift);
    } catch (error) {
      shift.abandon(error as RialtoError);
      throw error;
    }
  }

  #settings(work: Work): ShiftSettings {
    const { queues, concurrency = 1, workerId = `worker-${byChance().slice(0, 8)}`, leaseMs = 30_000 } = this.#options;
    const { leaseWaitMs = 10_000, onError = () => {}, backoff } = this.#options;
    const client = this.#client;
    const context = (job: Assignment): WorkContext => ({ signal: job.cancelled, client, worker: this });
    return {
      client,
      workerId,
      queues,
      concurrency: Math.max(1, Math.trunc(concurrency)),
      leaseMs,
      leaseWaitMs,
      backoff: { ...BACKOFF, ...backoff },
      work: (job) => work(job, context(job)),
      onError,
    };
  }

  /** Stops for whoever wants that, until unsubscribed. */
  #listen(shift: Shift, signal: AbortSignal | undefined): () => void {
    const stop = () => {
      unlisten();
      shift.stop();
    };
    const { process } = globalThis as { process?: Signalled };
    const signals = this.#options.signals ? SIGNALS : [];
    const unlisten = () => {
      signal?.removeEventListener("abort", stop);
      for (const name of signals) process?.removeListener(name, stop);
    };
    for (const name of signals) process?.on(name, stop);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
    return unlisten;
  }
}
