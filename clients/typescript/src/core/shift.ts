// One run of a worker, from its beginning until all is settled: which jobs are worked on, which wait for that, and that it is
// to stop. Owns the bound on how many are worked on at once. The ways to the server are in `conversing.ts` and `leasing.ts`.

import type { Lease } from "../gen/rialto/v1/worker_service_pb.js";
import type { Assignment } from "./assignment.js";
import type { BackoffOptions } from "./backoff.js";
import type { Caller } from "./caller.js";
import type { RialtoError } from "./errors.js";
import type { Payload } from "./event.js";
import { report } from "./observable.js";
import { completed, released, thrown } from "./outcome.js";
import { reading } from "./reading.js";
import { Working } from "./working.js";

/** A queue from which a worker takes jobs. */
export interface WorkerQueue {
  readonly namespace: string;
  readonly queue: string;
  /** Jobs of this queue that it has at once. Default: as `concurrency` allows. */
  readonly concurrency?: number;
  /** How many jobs of this queue it is given in a turn between its queues. 1 to 1,000, default 1. Holds over the stream. */
  readonly weight?: number;
}

/** What a run is made of. */
export interface ShiftSettings {
  readonly client: Caller;
  readonly workerId: string;
  readonly queues: readonly WorkerQueue[];
  readonly concurrency: number;
  readonly leaseMs: number;
  readonly leaseWaitMs: number;
  readonly backoff: BackoffOptions;
  /** Does one job. */
  work(job: Assignment): unknown;
  /** Something went wrong, and the worker goes on. */
  onError(error: RialtoError, job?: Assignment): void;
}

/** What the way to the server wants to know. */
export interface ShiftHooks {
  /** There may be something to send, or all is done. */
  changed(): void;
  /** The work has said something of its job. */
  said(): void;
}

/** One run of a worker. */
export class Shift {
  readonly settings: ShiftSettings;
  readonly working: Working;
  /** Fires when all of it is given up. */
  readonly over = new AbortController();
  /** It takes no more jobs. */
  stopping = false;
  hooks: ShiftHooks | undefined;
  #running = 0;
  /** Jobs that are here and not begun: more than there are hands, because work on lost ones has not ended. */
  readonly #waiting: [string, Assignment][] = [];
  #watchers: { condition: () => boolean; met: () => void }[] = [];

  constructor(settings: ShiftSettings) {
    this.settings = settings;
    this.working = new Working({
      said: () => this.hooks?.said(),
      trouble: (error, job) => this.trouble(error, job),
      reads: (job, uploaded, offset) => reading(settings.client, job, uploaded, { offset, signal: job.cancelled }),
    });
  }

  /** How many more jobs could be begun. */
  get free(): number {
    return Math.max(0, this.settings.concurrency - this.#running - this.#waiting.length);
  }

  /** Nothing is left to do or to say, and nothing more is taken. */
  get isDone(): boolean {
    return this.stopping && this.working.isDone;
  }

  /** Jobs have come. Those that are known are not begun twice. */
  take(leases: readonly Lease[]): void {
    this.#waiting.push(...this.working.leased(leases));
    this.#begin();
    this.changed();
  }

  /** Takes no more jobs. What has not begun is given back. */
  stop(): void {
    this.stopping = true;
    this.#begin();
    this.changed();
  }

  /** Gives everything up. */
  abandon(error: RialtoError): void {
    this.over.abort(error);
    this.working.abandon(error);
    this.changed();
  }

  /** Something has changed: whoever waits looks again. */
  changed(): void {
    this.hooks?.changed();
    const watchers = this.#watchers;
    this.#watchers = [];
    // In the order in which they came, and those that go on waiting keep their places.
    const left = watchers.filter(({ condition, met }) => {
      if (!condition()) return true;
      met();
      return false;
    });
    this.#watchers = [...left, ...this.#watchers];
  }

  /** Resolves once the condition holds, which is looked at now and after each change, or everything is given up. */
  until(condition: () => boolean): Promise<void> {
    const either = () => this.over.signal.aborted || condition();
    if (either()) return Promise.resolve();
    return new Promise((met) => this.#watchers.push({ condition: either, met }));
  }

  /** Waits so long, or until the condition holds. */
  async pause(ms: number, condition: () => boolean): Promise<void> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.changed();
    }, ms);
    await this.until(() => late || condition());
    clearTimeout(timer);
  }

  /** Tells the application of something that went wrong. */
  trouble(error: RialtoError, job?: Assignment): void {
    try {
      this.settings.onError(error, job);
    } catch (thrown) {
      report(thrown);
    }
  }

  #begin(): void {
    while (this.#waiting.length > 0 && (this.stopping || this.#running < this.settings.concurrency)) {
      const [token, job] = this.#waiting.shift() as [string, Assignment];
      if (this.stopping || job.cancelled.aborted || job.toPause.aborted) this.working.done(token, released());
      else void this.#do(token, job);
    }
  }

  async #do(token: string, job: Assignment): Promise<void> {
    this.#running++;
    const outcome = await this.#outcome(job);
    this.#running--;
    this.working.done(token, outcome);
    this.#begin();
    this.changed();
  }

  async #outcome(job: Assignment) {
    try {
      return completed((await this.settings.work(job)) as Payload);
    } catch (error) {
      return thrown(error);
    }
  }
}
