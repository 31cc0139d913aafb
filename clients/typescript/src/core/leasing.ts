// A worker by single calls, for runtimes that cannot stream upwards: `Lease`, `Extend`, `Settle`. Nobody knows by a stream
// that it is gone, so its leases end by their time alone. What there is to be said is in `working.ts`.

import { extendMethod, leaseMethod, settleMethod } from "../gen/rialto/v1/worker_service_pb.js";
import { passes, pauseMs } from "./again.js";
import { backoff } from "./backoff.js";
import { duration } from "./command.js";
import type { RialtoError } from "./errors.js";
import type { Shift, WorkerQueue } from "./shift.js";
import { deferred } from "./time.js";

/** How often news of progress are sent at most. */
const NEWS_MS = 200;
/** When a settlement is said again that could not be taken. */
const AGAIN_MS = 1_000;
/** Most jobs that one call is given. */
const LEASES_MAX = 256;
/** How long a queue is waited for that takes the place of others. */
const TURN_MS = 1_000;
/** An answer without jobs that comes sooner is no wait: the next question waits a little. */
const WAITED_MS = 200;

/** Works until all is done; rejects when the server refuses the worker. */
export function lease(shift: Shift): Promise<void> {
  return new Leasing(shift).run();
}

/** A queue, and whether it had nothing the last time. */
interface Source {
  readonly from: WorkerQueue;
  dry: boolean;
  /** Jobs that are asked for at present. */
  asked: number;
}

/** Something that is said by one call. */
interface Call {
  readonly requestId: number;
  readonly say: () => Promise<void>;
}

class Leasing {
  readonly #shift: Shift;
  readonly #sources: readonly Source[];
  readonly #failed = deferred<never>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #saying = false;
  #newsAt = 0;
  #newsPlanned = false;

  constructor(shift: Shift) {
    this.#shift = shift;
    this.#sources = shift.settings.queues.map((from) => ({ from, dry: false, asked: 0 }));
  }

  async run(): Promise<void> {
    this.#shift.hooks = { changed: () => this.#pump(), said: () => this.#planNews() };
    this.#plan(this.#shift.settings.leaseMs / 3, () => this.#shift.working.tick(), true);
    try {
      const ended = Promise.all(this.#sources.map((source) => this.#poll(source)));
      await Promise.race([ended.then(() => this.#shift.until(() => this.#shift.isDone)), this.#failed.promise]);
    } finally {
      this.#shift.hooks = undefined;
      for (const timer of this.#timers) clearTimeout(timer);
    }
  }

  get #over(): AbortSignal {
    return this.#shift.over.signal;
  }

  /** Asks for jobs of one queue, as long as jobs are taken. A call is not broken off: it may have been given some. */
  async #poll(source: Source): Promise<void> {
    const { backoff: window } = this.#shift.settings;
    const isStopping = () => this.#shift.stopping || this.#over.aborted;
    for (let attempt = 0; ; attempt++) {
      // Taken where it is seen, so that no other queue is given the same room.
      await this.#shift.until(() => isStopping() || (source.asked = this.#room(source)) > 0);
      if (isStopping()) return;
      let waitMs = 0;
      try {
        if (await this.#ask(source)) attempt = -1;
        else waitMs = backoff(attempt, window);
      } catch (error) {
        if (!this.#goesOn(error as RialtoError)) return;
        waitMs = pauseMs(error as RialtoError, attempt, window);
      }
      source.asked = 0;
      this.#shift.changed();
      if (waitMs > 0) await this.#shift.pause(waitMs, isStopping);
    }
  }

  /** Asks once. False when the answer was nothing, and came at once where it should have waited. */
  async #ask(source: Source): Promise<boolean> {
    const { client, workerId, leaseMs } = this.#shift.settings;
    const { from: { namespace, queue }, asked: jobsMax } = source;
    const waitMs = this.#waitMs(source);
    const began = performance.now();
    const request = { workerId, namespace, queue, jobsMax, leaseDuration: duration(leaseMs), wait: duration(waitMs) };
    const limits = { deadlineMs: waitMs * 1.25 + client.deadlineMs, signal: this.#over };
    const { leases } = await client.ask(leaseMethod, request, limits);
    const waited = !source.dry || performance.now() - began >= WAITED_MS;
    source.dry = leases.length === 0;
    source.asked = 0;
    this.#shift.take(leases);
    return leases.length > 0 || waited;
  }

  /** How many jobs may be asked for: while one queue is waited for, the others have all but one. */
  #room({ from: { namespace, queue, concurrency = Infinity }, dry }: Source): number {
    const asked = this.#sources.reduce((sum, source) => sum + source.asked, 0);
    const own = concurrency === Infinity ? Infinity : concurrency - this.#shift.working.countOf(namespace, queue);
    return Math.max(0, Math.min(this.#shift.free - asked, own, dry ? 1 : LEASES_MAX));
  }

  /** A queue that had nothing is waited for, unless others need its place. */
  #waitMs({ dry }: Source): number {
    const { concurrency, leaseWaitMs } = this.#shift.settings;
    if (!dry) return 0;
    if (concurrency >= this.#sources.length) return leaseWaitMs;
    return this.#sources.every((source) => source.dry) ? Math.min(leaseWaitMs, TURN_MS) : 0;
  }

  /** Whether the worker goes on after a failure, which the application hears of. */
  #goesOn(error: RialtoError): boolean {
    if (this.#over.aborted) return false;
    if (passes(error)) {
      this.#shift.trouble(error);
      return true;
    }
    this.#failed.reject(error);
    return false;
  }

  #pump(): void {
    if (this.#saying) return;
    this.#saying = true;
    void this.#say();
  }

  /** Says what there is, one call at a time. */
  async #say(): Promise<void> {
    // What ends in the same turn travels together.
    await Promise.resolve();
    let attempt = 0;
    for (let call = this.#next(); call; call = this.#next()) attempt = (await this.#call(call, attempt)) ? 0 : attempt + 1;
    this.#saying = false;
  }

  /** What is to be said next. Extensions go before settlements, whose jobs may have left something in them. */
  #next(): Call | undefined {
    const { working, settings: { client } } = this.#shift;
    if (this.#over.aborted) return undefined;
    const limits = { signal: this.#over };
    const extend = working.extensions();
    if (extend) {
      const say = async () => this.#answered(working.extended(await client.ask(extendMethod, extend, limits)));
      return { say, requestId: extend.requestId };
    }
    const settle = working.settlements();
    if (!settle) return undefined;
    const say = async () => this.#answered(working.settled(await client.ask(settleMethod, settle, limits)));
    return { say, requestId: settle.requestId };
  }

  /** Says something. False when nobody has answered, after a wait. */
  async #call({ say, requestId }: Call, attempt: number): Promise<boolean> {
    try {
      await say();
      this.#shift.changed();
      return true;
    } catch (error) {
      this.#shift.working.unanswered(requestId);
      const waitMs = pauseMs(error as RialtoError, attempt, this.#shift.settings.backoff);
      if (this.#goesOn(error as RialtoError)) await this.#shift.pause(waitMs, () => this.#over.aborted);
      return false;
    }
  }

  #answered(again: boolean): void {
    if (again) this.#plan(AGAIN_MS, () => this.#shift.working.again());
  }

  #planNews(): void {
    if (this.#newsPlanned) return;
    this.#newsPlanned = true;
    this.#plan(Math.max(0, this.#newsAt + NEWS_MS - performance.now()), () => {
      this.#newsPlanned = false;
      this.#newsAt = performance.now();
      this.#shift.working.news();
    });
  }

  /** Does something later, once or again and again, and says what there is to be said then. */
  #plan(ms: number, work: () => void, again = false): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (again) this.#plan(ms, work, again);
      work();
      this.#pump();
    }, ms);
    this.#timers.add(timer);
  }
}
