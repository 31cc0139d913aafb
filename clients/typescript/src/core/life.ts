// The life of a session's connection: open, greet, listen, notice death, wait, open again, go on where it was. Owns the
// status, the outbox and the timers. Knows nothing of rooms; `session.ts` hears every other frame from it.

import { create } from "@bufbuild/protobuf";
import type { ServerFrame } from "../gen/rialto/v1/frame_pb.js";
import type { Join } from "../gen/rialto/v1/room_pb.js";
import { HelloSchema, type Close, type Drain, type Hello, type Welcome } from "../gen/rialto/v1/session_pb.js";
import { backoff } from "./backoff.js";
import type { Carrier, Stream } from "./carrier.js";
import { next, type Next } from "./ending.js";
import { failure, millis, RialtoError } from "./errors.js";
import { Value, type Unsubscribe } from "./observable.js";
import type { Settings } from "./options.js";
import { Outbox, type Command } from "./outbox.js";
import { Pace } from "./pace.js";
import { attached, type Status } from "./status.js";
import { Thread, type Arrival } from "./thread.js";
import { bound, deferred, within } from "./time.js";
import { expiryOf } from "./token.js";

const FRAMES_MAX = 256;
const BATCH_BYTES = 32 << 10;
const RENEW_GRACE_MS = 2_000;
const BYE_GRACE_MS = 2_000;
const SETTLED_MS = 10_000;
const SEEN_MS = 5_000;
const TIMER_MAX_MS = 2 ** 31 - 1;
const BYE: Command = { command: { case: "bye", value: { $typeName: "rialto.v1.Bye" } }, bytes: 16, lasts: "stream", fail: () => {} };

/** What a session does when its connection has news. */
export interface Hooks {
  /** Joins to send with the greeting, for a session that begins with it. */
  greet(): Join[];
  /** The session exists. */
  welcomed(welcome: Welcome, arrival: Arrival): void;
  /** A frame that is not about the connection. */
  heard(frame: ServerFrame): void;
  /** The stream is gone; there will be another one. The session may go on with it, or is certainly over. */
  lost(mayGoOn: boolean): void;
  /** The session is over. */
  closed(error: RialtoError): void;
}

/** The connection of one session, through all its streams. */
export class Life {
  readonly status = new Value<Status>({ state: "connecting", attempt: 1 });
  readonly outbox: Outbox;
  readonly #carrier: Carrier;
  readonly #settings: Settings;
  readonly #hooks: Hooks;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  readonly #thread = new Thread();
  readonly #pace = new Pace();
  #unwatch: Unsubscribe = () => {};
  #stream: Stream | undefined;
  #control = new AbortController();
  #wake = deferred<void>();
  #ended = deferred<void>();
  #attempt = 0;
  #freshToken = false;
  #heard = 0;
  #silenceMs = 0;
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #pumping = false;
  #pausing = false;
  #seenPlanned = false;
  #renewing = false;
  #closing: RialtoError | undefined;

  constructor(carrier: Carrier, settings: Settings, hooks: Hooks) {
    this.#carrier = carrier;
    this.#settings = settings;
    this.#hooks = hooks;
    this.outbox = new Outbox(settings.offline);
  }

  /** Begins. */
  start(): void {
    const surroundings = { doubt: (ms: number) => this.doubt(ms), hope: () => this.hope(), gone: () => this.#farewell() };
    this.#unwatch = this.#carrier.watch?.(surroundings) ?? (() => {});
    void this.#run();
  }

  /** Sends a command when there is a connection; throws when that cannot be. */
  submit(command: Command): void {
    if (this.#closing) throw this.#closing;
    const has = command.lasts === "always" || this.#stream || (command.lasts === "session" && this.#thread.resume);
    if (!has) throw new RialtoError("OFFLINE", "there is no connection", { retry: { advice: "later" } });
    this.outbox.add(command);
    this.pump();
  }

  /** Tries now instead of at `retryAt`. */
  hope(): void {
    this.#wake.resolve();
  }

  /** Gives the connection up when nothing is heard from the server for this long. */
  doubt(timeoutMs: number): void {
    if (!this.#stream) return;
    const heard = this.#heard;
    const control = this.#control;
    this.#say({ case: "ping", value: { $typeName: "rialto.v1.Ping" } });
    this.#after(timeoutMs, () => {
      if (this.#heard === heard) control.abort(new RialtoError("UNREACHABLE", "the server does not answer any more"));
    });
  }

  /** Ends the session: what waits is still sent, then the server is told. */
  async close(error: RialtoError): Promise<void> {
    if (this.#closing) return this.#ended.promise;
    this.#closing = error;
    if (this.#stream) {
      this.outbox.add({ ...BYE });
      this.pump();
      await within(this.#ended.promise, { timeoutMs: BYE_GRACE_MS, what: "parting" }).catch(() => {});
    }
    this.#control.abort(error);
    this.#wake.resolve();
    return this.#ended.promise;
  }

  async #run(): Promise<void> {
    for (;;) {
      const { what, livedMs } = await this.#live();
      this.#reset();
      if (this.#closing || what.stay) return this.#finish(this.#closing ?? what.error);
      if (what.forget) this.#thread.forget();
      const mayGoOn = this.#thread.resume !== undefined;
      this.outbox.lose();
      if (!mayGoOn) this.outbox.afresh();
      this.#hooks.lost(mayGoOn);
      if (livedMs > SETTLED_MS) this.#attempt = 0;
      const waitMs = what.atOnce ? 0 : Math.max(what.afterMs, backoff(this.#attempt, this.#settings.backoff));
      this.#attempt++;
      this.#wake = deferred();
      this.status.set({ state: "waiting", attempt: this.#attempt, retryAt: Date.now() + waitMs, error: what.error });
      this.#after(waitMs, () => this.#wake.resolve());
      await this.#wake.promise;
      this.#clearTimers();
      if (this.#closing) return this.#finish(this.#closing);
    }
  }

  /** One stream from opening to end. */
  async #live(): Promise<{ what: Next; livedMs: number }> {
    const control = (this.#control = new AbortController());
    if (this.#closing) control.abort(this.#closing);
    this.status.set({ state: "connecting", attempt: this.#attempt + 1 });
    const { connectTimeoutMs } = this.#settings;
    const clear = bound({ timeoutMs: connectTimeoutMs, what: "connecting" }, (error) => control.abort(error));
    const resuming = this.#thread.resume !== undefined;
    const life = { welcomedAt: 0, close: undefined as Close | undefined };
    let error = new RialtoError("CONNECTION_LOST", "the server ended the connection");
    try {
      const stream = this.#carrier.open(await this.#greeting(control.signal), control.signal);
      this.#thread.opened();
      for await (const burst of stream.bursts) {
        this.#hear();
        for (const [place, frame] of burst.frames.entries()) {
          const seq = burst.firstSeq === 0 ? 0 : burst.firstSeq + place;
          if (life.close || !this.#thread.takes(seq)) continue;
          this.#take(frame, stream, life, clear);
          this.#thread.handedOn(seq);
        }
        if (life.close) break;
        this.#confirm();
        this.pump();
      }
    } catch (cause) {
      error = control.signal.aborted ? failure(control.signal.reason) : failure(cause);
    } finally {
      clear();
      control.abort(new RialtoError("CONNECTION_LOST", "the stream is over"));
    }
    const tokenMayHelp = typeof this.#settings.token === "function" && !this.#freshToken;
    const what = next({ close: life.close, error, welcomed: life.welcomedAt > 0, tokenMayHelp, resuming });
    if (what.atOnce && !what.forget) this.#freshToken = true;
    return { what, livedMs: life.welcomedAt > 0 ? Date.now() - life.welcomedAt : 0 };
  }

  async #greeting(signal: AbortSignal): Promise<Hello> {
    const { user, attributes, client, token, connectTimeoutMs } = this.#settings;
    const given = typeof token === "string" ? token
      : await within(Promise.resolve(token(signal)), { timeoutMs: connectTimeoutMs, signal, what: "getting a token" });
    this.#planRefresh(expiryOf(given) - Date.now());
    const { resume } = this.#thread;
    const joins = this.#hooks.greet();
    return create(HelloSchema, { token: given, user, attributes: { ...attributes }, client, joins, ...(resume ? { resume } : {}) });
  }

  #take(frame: ServerFrame, stream: Stream, life: { welcomedAt: number; close: Close | undefined }, clear: () => void): void {
    const { frame: said } = frame;
    if (life.close || said.case === undefined) return;
    if (said.case === "close") {
      life.close = said.value;
    } else if (said.case === "welcome") {
      clear();
      life.welcomedAt = Date.now();
      this.#freshToken = false;
      this.#welcomed(said.value, stream);
    } else if (said.case === "ping") {
      this.#say({ case: "pong", value: { $typeName: "rialto.v1.Pong" } });
    } else if (said.case === "drain") {
      this.#planRenewal(said.value);
    } else if (said.case === "refreshed") {
      this.outbox.answer(frame);
      this.#planRefresh(millis(said.value.expiresIn));
    } else {
      this.#hooks.heard(frame);
      if (this.#renewing && this.outbox.pending === 0) this.#renewed();
    }
  }

  #welcomed(welcome: Welcome, stream: Stream): void {
    const arrival = this.#thread.welcomed(welcome);
    if (arrival === "resumed") this.outbox.resumed(welcome, stream.numbered);
    else this.outbox.afresh();
    const { emitsPerSecond = 0, emitsBurst = 0 } = welcome.limits ?? {};
    this.#pace.bounds(emitsPerSecond, emitsBurst, performance.now(), arrival === "resumed");
    this.#stream = stream;
    this.#silenceMs = millis(welcome.pingInterval) * 2.5;
    this.#hear();
    this.#hooks.welcomed(welcome, arrival);
    this.status.set(attached(welcome, arrival));
    this.pump();
  }

  /** Sends what waits, one batch at a time. */
  pump(): void {
    if (this.#pumping || !this.#stream || this.outbox.waiting === 0) return;
    this.#pumping = true;
    void this.#pump(this.#stream, this.#control);
  }

  async #pump(stream: Stream, control: AbortController): Promise<void> {
    try {
      // Commands of the same turn travel together.
      await Promise.resolve();
      while (this.#stream === stream && this.outbox.waiting > 0 && !this.#renewing) {
        // Where each sending costs a call, what was heard is confirmed with whatever goes.
        if (stream.numbered && this.#thread.unconfirmed > 0) this.#saySeen();
        const batch = this.outbox.take(FRAMES_MAX, BATCH_BYTES, (next) => next.command.case !== "emit" || this.#pace.take(performance.now()));
        if (batch.frames.length === 0) break;
        await stream.send(batch);
      }
      this.#pause();
    } catch (cause) {
      control.abort(failure(cause));
    } finally {
      this.#pumping = false;
      if (this.#stream && this.#stream !== stream) this.pump();
    }
  }

  /** What waits for its turn goes when it has come. */
  #pause(): void {
    const waitMs = this.#pace.waitMs(performance.now());
    if (this.#pausing || this.outbox.waiting === 0 || waitMs === 0) return;
    this.#pausing = true;
    this.#after(waitMs, () => {
      this.#pausing = false;
      this.pump();
    });
  }

  /** A word about the connection itself: wants no answer and does not wait. */
  #say(command: Command["command"]): void {
    if (!this.#stream) return;
    this.outbox.addFirst([{ command, bytes: 16, lasts: "stream", fail: () => {} }]);
    this.pump();
  }

  #saySeen(): void {
    this.#say({ case: "seen", value: { $typeName: "rialto.v1.Seen", seq: this.#thread.tell() } });
  }

  /** Tells the server what was heard, when it is much or some time ago. */
  #confirm(): void {
    if (this.#thread.due) this.#saySeen();
    else if (this.#thread.unconfirmed > 0 && !this.#seenPlanned) {
      this.#seenPlanned = true;
      this.#after(SEEN_MS, () => {
        this.#seenPlanned = false;
        if (this.#thread.unconfirmed > 0) this.#saySeen();
      });
    }
  }

  /** The page goes: what can still be said is said at once. */
  #farewell(): void {
    if (!this.#stream?.farewell || this.#closing) return;
    this.outbox.add({ ...BYE });
    const batch = this.outbox.takeAll(FRAMES_MAX);
    if (batch.frames.at(-1)?.command.case === "bye") this.#stream.farewell(batch);
  }

  /** Something was heard: the watchdog starts anew. */
  #hear(): void {
    this.#heard++;
    clearTimeout(this.#watchdog);
    if (this.#silenceMs <= 0) return;
    const control = this.#control;
    this.#watchdog = setTimeout(() => {
      control.abort(new RialtoError("UNREACHABLE", "nothing was heard from the server for too long"));
    }, this.#silenceMs);
  }

  /** The node will stop: after its delay, and when answers have come, connect to another one. */
  #planRenewal(drain: Drain): void {
    const control = this.#control;
    this.#after(millis(drain.delay), () => {
      this.#renewing = true;
      if (this.outbox.pending === 0) this.#renewed();
      else this.#after(RENEW_GRACE_MS, () => this.#control === control && this.#renewed());
    });
  }

  #renewed(): void {
    this.#control.abort(new RialtoError("DRAINING", "the node is stopping", { retry: { advice: "later" }, said: true }));
  }

  #planRefresh(expiresInMs: number): void {
    const { token } = this.#settings;
    if (typeof token !== "function" || !(expiresInMs > 0) || expiresInMs > TIMER_MAX_MS) return;
    this.#after(expiresInMs * 0.8, () => void this.#refresh(token));
  }

  async #refresh(token: (signal: AbortSignal) => string | Promise<string>): Promise<void> {
    try {
      const fresh = await token(this.#control.signal);
      if (!this.#stream) return;
      const command: Command["command"] = { case: "refresh", value: { $typeName: "rialto.v1.Refresh", token: fresh } };
      this.outbox.addFirst([{ command, bytes: fresh.length, lasts: "stream", answer: () => true, fail: () => {} }]);
      this.pump();
    } catch {
      // The server closes the session when the old token expires, and says so; there is nothing to add here.
    }
  }

  #after(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, Math.min(ms, TIMER_MAX_MS));
    this.#timers.add(timer);
  }

  #clearTimers(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #reset(): void {
    this.#stream = undefined;
    this.#silenceMs = 0;
    this.#renewing = this.#pausing = this.#seenPlanned = false;
    clearTimeout(this.#watchdog);
    this.#clearTimers();
  }

  #finish(error: RialtoError): void {
    this.#closing = error;
    this.#unwatch();
    this.outbox.clear(error);
    this.#hooks.closed(error);
    this.status.set({ state: "closed", error });
    this.#carrier.close?.();
    this.#ended.resolve();
  }
}
