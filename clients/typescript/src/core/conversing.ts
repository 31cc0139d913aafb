// A worker over streams that go both ways: greets, takes jobs, says what became of them, comes back with its session when
// a stream is lost. Owns what is sent when; what there is to be said is in `working.ts`.

import { create } from "../wire/message.js";
import { workMethod, WorkRequestSchema, type WorkerWelcome, type WorkRequest, type WorkResponse } from "../gen/rialto/v1/worker_service_pb.js";
import { passes, pauseMs } from "./again.js";
import { ending, isLapsed } from "./caller.js";
import { duration } from "./command.js";
import { millis, RialtoError } from "./errors.js";
import type { Shift } from "./shift.js";
import { Upstream } from "./upstream.js";

type Frame = WorkRequest["frame"];

/** How often news of progress are sent at most. */
const NEWS_MS = 200;
/** When a settlement is said again that could not be taken. */
const AGAIN_MS = 1_000;
/** How long the server may take to end the stream of a worker that has drained. */
const END_GRACE_MS = 10_000;
/** A stream that lasted so long has earned a fresh start. */
const SETTLED_MS = 10_000;
const BYTES_UNBOUNDED = 0n;

/** Works until all is done; rejects when the server refuses the worker. */
export async function converse(shift: Shift): Promise<void> {
  const { client, backoff } = shift.settings;
  let session = "";
  for (let attempt = 0; !shift.isDone && !shift.over.signal.aborted; attempt++) {
    const stream = new Conversation(shift, session);
    const began = performance.now();
    const error = await stream.run();
    session = stream.session;
    shift.working.disconnected();
    if (shift.isDone || shift.over.signal.aborted) return;
    // Another token may be accepted where one was that is not any more.
    if (!passes(error) && !(stream.welcomed && isLapsed(error, client))) throw error;
    shift.trouble(error);
    if (stream.welcomed && performance.now() - began > SETTLED_MS) attempt = 0;
    await shift.pause(pauseMs(error, attempt, backoff), () => shift.isDone);
  }
}

/** One stream. */
class Conversation {
  /** What this stream, or the one before it, is resumed with. */
  session: string;
  welcomed = false;
  readonly #shift: Shift;
  readonly #control = new AbortController();
  readonly #up = new Upstream<WorkRequest>(this.#control.signal);
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #credit: number;
  #drained = false;
  #pumping = false;
  #newsAt = 0;
  #newsPlanned = false;
  #endPlanned = false;

  constructor(shift: Shift, session: string) {
    this.#shift = shift;
    this.session = session;
    this.#credit = this.#room;
  }

  /** From the greeting to the end, of which it says why. */
  async run(): Promise<RialtoError> {
    const { client } = this.#shift.settings;
    const { signal } = this.#control;
    const abandon = () => this.#control.abort(this.#shift.over.signal.reason);
    this.#shift.over.signal.addEventListener("abort", abandon, { once: true });
    this.#shift.hooks = { changed: () => this.#changed(), said: () => this.#planNews() };
    try {
      void this.#up.send(this.#greeting()).catch(() => {});
      const frames = await client.open(workMethod, this.#up, this.#control);
      for await (const { frame } of frames) this.#hear(frame);
      return new RialtoError("CONNECTION_LOST", "the server ended the stream", { advice: "later" });
    } catch (cause) {
      return ending(cause, signal);
    } finally {
      this.#shift.over.signal.removeEventListener("abort", abandon);
      this.#shift.hooks = undefined;
      for (const timer of this.#timers) clearTimeout(timer);
      this.#control.abort(new RialtoError("CONNECTION_LOST", "the stream is over"));
    }
  }

  /** Jobs that the worker can have: work on lost ones goes on for a while, and the server does not count it. */
  get #room(): number {
    return Math.max(0, this.#shift.settings.concurrency - this.#shift.working.lostCount);
  }

  #greeting(): WorkRequest {
    const { workerId, queues, leaseMs } = this.#shift.settings;
    const subscriptions = queues.map(({ namespace, queue, concurrency = 0, weight = 0 }) => ({ namespace, queue, inFlightMax: concurrency, weight }));
    const credit = { jobs: this.#credit, bytes: BYTES_UNBOUNDED };
    const value = { workerId, resume: this.session, subscriptions, leaseDuration: duration(leaseMs), credit };
    return create(WorkRequestSchema, { frame: { case: "hello", value } });
  }

  #hear(frame: WorkResponse["frame"]): void {
    const { working } = this.#shift;
    if (frame.case === "welcome") this.#welcome(frame.value);
    else if (frame.case === "leases") this.#shift.take(frame.value.leases);
    else if (frame.case === "settled") this.#answered(working.settled(frame.value));
    else if (frame.case === "extended") this.#answered(working.extended(frame.value));
    else if (frame.case === "cancel") working.cancel(frame.value.tokens);
    else if (frame.case === "pause") working.pause(frame.value.tokens);
    // A node that drains ends the stream when all is settled, and the next one may be another node's.
    this.#shift.changed();
  }

  #welcome({ session, resumed, leaseDuration }: WorkerWelcome): void {
    this.welcomed = true;
    this.session = session;
    this.#shift.working.reconnected(resumed);
    const everyMs = (millis(leaseDuration) || this.#shift.settings.leaseMs) / 3;
    const tick = () => {
      this.#after(everyMs, tick);
      this.#shift.working.tick();
      this.#pump();
    };
    this.#after(everyMs, tick);
  }

  #answered(again: boolean): void {
    if (!again) return;
    this.#after(AGAIN_MS, () => {
      this.#shift.working.again();
      this.#pump();
    });
  }

  #changed(): void {
    if (this.#shift.isDone) this.#planEnd();
    this.#pump();
  }

  /** The server ends the stream when all is settled, so that no job is lost that is on its way. It may not know that. */
  #planEnd(): void {
    if (this.#endPlanned) return;
    this.#endPlanned = true;
    this.#after(END_GRACE_MS, () => {
      this.#endPlanned = false;
      if (this.#shift.isDone) this.#control.abort();
    });
  }

  #planNews(): void {
    if (this.#newsPlanned) return;
    this.#newsPlanned = true;
    this.#after(Math.max(0, this.#newsAt + NEWS_MS - performance.now()), () => {
      this.#newsPlanned = false;
      this.#newsAt = performance.now();
      this.#shift.working.news();
      this.#pump();
    });
  }

  #after(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms);
    this.#timers.add(timer);
  }

  #pump(): void {
    if (this.#pumping || !this.welcomed) return;
    this.#pumping = true;
    void this.#send();
  }

  /** Sends what there is, one frame at a time. */
  async #send(): Promise<void> {
    try {
      // What ends in the same turn travels together.
      await Promise.resolve();
      for (let frame = this.#next(); frame; frame = this.#next()) await this.#up.send(create(WorkRequestSchema, { frame }));
    } catch {
      // The stream is over, and whoever listens to it hears why.
    } finally {
      this.#pumping = false;
    }
  }

  /** What is to be sent next. Extensions go before settlements, whose jobs may have left something in them. */
  #next(): Frame | undefined {
    const { working, stopping } = this.#shift;
    if (stopping && !this.#drained) {
      this.#drained = true;
      return { case: "drain", value: {} };
    }
    if (this.#room !== this.#credit) {
      this.#credit = this.#room;
      return { case: "credit", value: { jobs: this.#credit, bytes: BYTES_UNBOUNDED } };
    }
    const extend = working.extensions();
    if (extend) return { case: "extend", value: extend };
    const settle = working.settlements();
    return settle && { case: "settle", value: settle };
  }
}
