// The life of a session's connection: open, greet, listen, notice death, wait, open again, go on where it was. Owns the
// status, the outbox and the timers. Knows nothing of rooms; `session.ts` hears every other frame from it.

import { create } from "../wire/message.js";
import type { ServerFrame } from "../gen/rialto/v1/frame_pb.js";
import type { Join } from "../gen/rialto/v1/room_pb.js";
import { HelloSchema, type Close, type Drain, type Hello, type Welcome } from "../gen/rialto/v1/session_pb.js";
import { backoff } from "./backoff.js";
import type { Carrier, Stream } from "./carrier.js";
import { next, notReached, type Next } from "./ending.js";
import { failure, millis, refusal, RialtoError } from "./errors.js";
import { Value, type Unsubscribe } from "./observable.js";
import type { Settings } from "./options.js";
import { Outbox, type Command } from "./outbox.js";
import { Pace } from "./pace.js";
import type { Report } from "./reports.js";
import { attached, type Status } from "./status.js";
import { Thread, type Arrival } from "./thread.js";
import { bound, deferred, TIMER_MAX_MS, within } from "./time.js";
import { tokenFrom } from "./token.js";

const FRAMES_MAX = 256;
const BATCH_BYTES = 64 << 10;
const BYE_GRACE_MS = 2_000;
const SETTLED_MS = 10_000;
const SEEN_MS = 5_000;
/** When a source of tokens that has failed is asked again. */
const ASK_AGAIN_MS = 5_000;
const BYE: Command = { command: { case: "bye", value: {} }, bytes: 16, lasts: "stream", fail: () => {} };

/** What a session does when its connection has news. */
export interface Hooks {
  /** Joins to send with the greeting, for a session that begins with it. */
  greet(): Join[];
  /** The session exists. */
  welcomed(welcome: Welcome, arrival: Arrival): void;
  /** A frame that is not about the connection. */
  heard(frame: ServerFrame): void;
  /** Resolves when more can be heard; absent when it can. */
  held(): Promise<void> | undefined;
  /** Something happened that the application may want to know. */
  report(told: Report): void;
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
  /** The token was asked for anew because the one before was not accepted. */
  #freshToken = false;
  /** The token that calls beside the stream carry. */
  #token = "";
  /** A fixed token that took the place of the first. */
  #given: string | undefined;
  #began = false;
  #id = "";
  #lostBy = new RialtoError("CONNECTION_LOST", "the connection was lost");
  #heard = 0;
  #silenceMs = 0;
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #pumping = false;
  #pausing = false;
  #seenPlanned = false;
  #renewing = false;
  #refresh: ReturnType<typeof setTimeout> | undefined;
  #closing: RialtoError | undefined;

  constructor(carrier: Carrier, settings: Settings, hooks: Hooks) {
    this.#carrier = carrier;
    this.#settings = settings;
    this.#hooks = hooks;
    this.outbox = new Outbox(settings.offlineBuffer);
  }

  /** The token of this session, for calls beside its stream. */
  get token(): string {
    return this.#token;
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
    if (!has) throw new RialtoError("OFFLINE", "there is no connection", { advice: "later" });
    this.outbox.add(command, this.#stream !== undefined);
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
    this.#say({ case: "ping", value: {} });
    this.#after(timeoutMs, () => {
      if (this.#heard === heard) control.abort(new RialtoError("UNREACHABLE", "the server does not answer any more"));
    });
  }

  /** Ends the session: what waits is still sent, then the server is told. */
  async close(error: RialtoError): Promise<void> {
    if (this.#closing) return this.#ended.promise;
    this.#closing = error;
    if (this.#stream) {
      this.outbox.add({ ...BYE }, true);
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
      if (livedMs > SETTLED_MS) [this.#attempt, this.#freshToken] = [0, what.fresh];
      else this.#freshToken ||= what.fresh;
      if (this.#closing || what.stay) return this.#finish(this.#closing ?? what.error);
      if (!this.#began && !what.fresh && !this.#settings.waitForServer) return this.#finish(notReached(what.error));
      if (what.forget) this.#thread.forget();
      const mayGoOn = this.#thread.resume !== undefined;
      this.outbox.lose();
      if (!mayGoOn) this.outbox.afresh();
      this.#hooks.lost(mayGoOn);
      this.#lostBy = what.error;
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
          control.signal.throwIfAborted();
          if (life.close || !this.#thread.takes(seq)) continue;
          this.#take(frame, stream, life, clear);
          this.#thread.handedOn(seq);
          await this.#room(control.signal);
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
    const livedMs = life.welcomedAt > 0 ? Date.now() - life.welcomedAt : 0;
    const tokenMayHelp = typeof this.#settings.token === "function" && (!this.#freshToken || livedMs > SETTLED_MS);
    return { what: next({ close: life.close, error, welcomed: life.welcomedAt > 0, tokenMayHelp, resuming }), livedMs };
  }

  async #greeting(signal: AbortSignal): Promise<Hello> {
    const { user, attributes, program: client, token: source, connectTimeoutMs: timeoutMs } = this.#settings;
    const { token, expiresInMs } = await tokenFrom(this.#given ?? source, { timeoutMs, signal });
    this.#token = token;
    this.#planRefresh(expiresInMs);
    const { resume } = this.#thread;
    const joins = this.#hooks.greet();
    return create(HelloSchema, { token, user, attributes: { ...attributes }, client, joins, ...(resume ? { resume } : {}) });
  }

  #take(frame: ServerFrame, stream: Stream, life: { welcomedAt: number; close: Close | undefined }, clear: () => void): void {
    const { frame: said } = frame;
    if (life.close || said.case === undefined) return;
    if (said.case === "close") {
      life.close = said.value;
    } else if (said.case === "welcome") {
      clear();
      life.welcomedAt = Date.now();
      this.#welcomed(said.value, stream);
    } else if (said.case === "ping") {
      this.#say({ case: "pong", value: {} });
    } else if (said.case === "drain") {
      this.#hooks.report({ kind: "draining" });
      this.#planRenewal(said.value);
    } else {
      this.#hooks.heard(frame);
      if (this.#renewing && this.outbox.pending === 0) this.#renewed();
    }
  }

  #welcomed(welcome: Welcome, stream: Stream): void {
    const arrival = this.#thread.welcomed(welcome);
    const [before, session] = [this.#id, welcome.sessionId];
    this.#began = true;
    this.#id = session;
    if (arrival === "resumed") this.outbox.resumed(welcome, stream.numbered);
    else this.outbox.afresh();
    const { emitsPerSecond = 0, emitsBurst = 0 } = welcome.limits ?? {};
    this.#pace.bounds(emitsPerSecond, emitsBurst, performance.now(), arrival === "resumed");
    this.#stream = stream;
    this.#silenceMs = millis(welcome.pingInterval) * 2.5;
    this.#hear();
    this.#hooks.welcomed(welcome, arrival);
    this.status.set(attached(welcome, arrival));
    if (arrival !== "first") this.#hooks.report({ kind: "reconnected", before, session, resumed: arrival === "resumed", cause: this.#lostBy });
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
        if (this.outbox.exhausted) throw this.#exhaust();
      }
      this.#pause();
    } catch (cause) {
      control.abort(failure(cause));
    } finally {
      this.#pumping = false;
      if (this.#stream && this.#stream !== stream) this.pump();
    }
  }

  /** There are no numbers left for commands: another session begins them anew. */
  #exhaust(): RialtoError {
    this.#thread.forget();
    return new RialtoError("SESSION_EXHAUSTED", "the session has used up its numbers", { kind: "closed", advice: "later" });
  }

  /** Waits until readers that are behind have taken something. Time that passes so is no silence. */
  async #room(signal: AbortSignal): Promise<void> {
    for (let held = this.#hooks.held(); held && !signal.aborted; held = this.#hooks.held()) {
      clearTimeout(this.#watchdog);
      const aborted = deferred<void>();
      signal.addEventListener("abort", () => aborted.resolve(), { once: true });
      await Promise.race([held, aborted.promise]);
      this.#hear();
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
    this.#say({ case: "seen", value: { seq: this.#thread.tell() } });
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
    this.outbox.add({ ...BYE }, true);
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
  #planRenewal({ delay, reconnectWithin }: Drain): void {
    this.#after(millis(reconnectWithin), () => this.#renewed());
    this.#after(millis(delay), () => {
      this.#renewing = true;
      if (this.outbox.pending === 0) this.#renewed();
    });
  }

  #renewed(): void {
    this.#control.abort(new RialtoError("DRAINING", "the node is stopping", { advice: "later", said: true }));
  }

  /** Says a token; resolves when the server has taken it. */
  renew(token: string, command: (said: Pick<Command, "command" | "bytes" | "lasts">) => Promise<ServerFrame>): Promise<void> {
    const value = { token };
    return command({ command: { case: "refresh", value }, bytes: token.length, lasts: "stream" }).then(({ frame }) => {
      if (frame.case !== "refreshed") return;
      if (typeof this.#settings.token === "string") this.#given = token;
      this.#token = token;
      this.#planRefresh(millis(frame.value.expiresIn));
    });
  }

  #planRefresh(expiresInMs: number): void {
    if (typeof this.#settings.token === "string" || !(expiresInMs > 0)) return;
    this.#askLater(expiresInMs * 0.8);
  }

  #askLater(ms: number): void {
    clearTimeout(this.#refresh);
    if (ms <= TIMER_MAX_MS) this.#refresh = this.#after(ms, () => void this.#askForToken());
  }

  /** Asks for another token before the present one expires. */
  async #askForToken(): Promise<void> {
    // A slow greeting comes first: there is nobody to say it to yet.
    if (!this.#stream) return this.#askLater(50);
    const { signal } = this.#control;
    const { token: source, connectTimeoutMs: timeoutMs } = this.#settings;
    try {
      const { token } = await tokenFrom(source, { timeoutMs, signal });
      await this.renew(token, (said) => this.#ask(said));
    } catch (cause) {
      if (signal.aborted) return;
      const error = failure(cause);
      if (error.said) return this.#hooks.report({ kind: "refused", error });
      this.#hooks.report({ kind: "token_unavailable", cause: error });
      this.#askLater(ASK_AGAIN_MS);
    }
  }

  /** A command about the connection, and its answer. */
  #ask(said: Pick<Command, "command" | "bytes" | "lasts">): Promise<ServerFrame> {
    const { promise, resolve, reject } = deferred<ServerFrame>();
    const answer = (frame: ServerFrame) => {
      if (frame.frame.case === "refused") reject(refusal(frame.frame.value));
      else resolve(frame);
      return true;
    };
    this.outbox.addFirst([{ ...said, answer, fail: reject }]);
    this.pump();
    return promise;
  }

  #after(ms: number, work: () => void): ReturnType<typeof setTimeout> {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, Math.min(ms, TIMER_MAX_MS));
    this.#timers.add(timer);
    return timer;
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
