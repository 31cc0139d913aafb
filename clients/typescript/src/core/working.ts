// What a worker knows of its jobs, over all its streams and calls: which it has, what became of them and was not confirmed,
// what is to be said of them. Pure; `conversing.ts` and `leasing.ts` send and hear.

import { create } from "../wire/message.js";
import {
  ExtendRequestSchema,
  ExtensionSchema,
  LeaseOutcome,
  SettleRequestSchema,
  SettlementSchema,
  type ExtendRequest,
  type ExtendResponse,
  type Extension,
  type Lease,
  type SettleRequest,
  type SettleResponse,
  type Settlement,
} from "../gen/rialto/v1/worker_service_pb.js";
import { Assignment, Said, type News, type ReadsUploaded } from "./assignment.js";
import { RialtoError } from "./errors.js";
import { Fail, isTooLarge, outcomeBytes, Release, thrown, type Outcome } from "./outcome.js";

const ITEMS_MAX = 1_000;
/** A message of more than 1 MiB is not taken, so items that are large share one only as far as they fit. */
const BATCH_BYTES = 512 << 10;
/** What an item takes besides what it carries: its token, and the lengths of its parts. */
const ITEM_BYTES = 256;
/** The code of a job of which the server took no outcome. */
const REFUSED = "INVALID_OUTCOME";

interface Entry {
  readonly token: string;
  readonly assignment: Assignment;
  readonly control: AbortController;
  readonly pausing: AbortController;
  readonly said: Said;
  /** It is worked on; its outcome is to be said now, or later; the outcome is on its way. */
  stage: "working" | "now" | "later" | "sent";
  outcome: Outcome;
  /** Somebody else has the job. */
  lost: boolean;
}

/** What a worker wants to know. */
export interface WorkingHooks {
  /** The work has said something of its job. */
  said(): void;
  /** Something is wrong with a job, and the worker goes on. */
  trouble(error: RialtoError, job: Assignment): void;
  /** The work reads what was uploaded. */
  reads: ReadsUploaded;
}

/** The jobs of a worker. */
export class Working {
  readonly #entries = new Map<string, Entry>();
  /** Those whose outcome is to be said now. */
  readonly #over = new Set<Entry>();
  /** Those of which it is to be said that they go on, and how far they have come. */
  readonly #due = new Set<Entry>();
  /** What was asked and not answered. */
  readonly #settling = new Map<number, readonly string[]>();
  readonly #extending = new Map<number, readonly (readonly [string, News])[]>();
  readonly #hooks: WorkingHooks;
  #requests = 0;
  #lostCount = 0;

  constructor(hooks: WorkingHooks) {
    this.#hooks = hooks;
  }

  /** Whether there is no job of which something is to be said. */
  get isDone(): boolean {
    return this.#entries.size === 0;
  }

  /** Jobs that somebody else has, and that are still worked on here. */
  get lostCount(): number {
    return this.#lostCount;
  }

  /** Jobs of a queue that are here. */
  countOf(namespace: string, queue: string): number {
    const entries = [...this.#entries.values()];
    return entries.filter(({ assignment }) => assignment.queue === queue && assignment.namespace === namespace).length;
  }

  /** Jobs have come. Returns those that are new, with their tokens. */
  leased(leases: readonly Lease[]): [string, Assignment][] {
    const fresh = leases.filter(({ token }) => !this.#entries.has(token));
    return fresh.map((lease) => {
      const { token } = lease;
      const said = new Said(() => this.#hooks.said());
      const [control, pausing] = [new AbortController(), new AbortController()];
      const assignment = new Assignment(lease, said, control.signal, pausing.signal, this.#hooks.reads);
      this.#entries.set(token, { token, assignment, control, pausing, said, stage: "working", outcome: { case: undefined }, lost: false });
      return [token, assignment];
    });
  }

  /** A job is over, in whatever way. Of one that is lost nothing is to be said. */
  done(token: string, outcome: Outcome): void {
    const entry = this.#entries.get(token);
    if (!entry) return;
    if (entry.lost) return this.#forget(entry);
    entry.outcome = outcome;
    this.#turn(entry, "now");
    if (isTooLarge(outcome)) this.#refused(entry);
    // What was said last counts for the next attempt, so it goes first.
    if (entry.said.isNew) this.#due.add(entry);
    else this.#due.delete(entry);
  }

  /** What is to be said of jobs that are over. Of those of which news are due the news come first. */
  settlements(): SettleRequest | undefined {
    const batch = new Batch<Settlement>();
    for (const entry of this.#over) {
      if (this.#due.has(entry)) continue;
      if (!batch.takes(outcomeBytes(entry.outcome))) break;
      this.#turn(entry, "sent");
      batch.items.push(create(SettlementSchema, { token: entry.token, outcome: entry.outcome }));
    }
    const { items } = batch;
    if (items.length === 0) return undefined;
    const requestId = ++this.#requests;
    this.#settling.set(requestId, items.map(({ token }) => token));
    return create(SettleRequestSchema, { requestId, items });
  }

  /** What became of that. Says whether some of it is to be said again later. */
  settled({ requestId, outcomes }: SettleResponse): boolean {
    const tokens = this.#settling.get(requestId) ?? [];
    this.#settling.delete(requestId);
    let again = false;
    for (const [index, token] of tokens.entries()) {
      const entry = this.#entries.get(token);
      if (entry?.stage === "sent") again = !this.#confirmed(entry, outcomes[index]) || again;
    }
    return again;
  }

  #confirmed(entry: Entry, outcome: LeaseOutcome | undefined): boolean {
    if (outcome === LeaseOutcome.OK) {
      this.#forget(entry);
    } else if (outcome === LeaseOutcome.INVALID) {
      this.#refused(entry);
    } else if (outcome === LeaseOutcome.LEASE_LOST || outcome === LeaseOutcome.NOT_FOUND) {
      this.#forget(entry);
      this.#trouble("LEASE_LOST", "what became of the job was said too late: somebody else has it, or it has ended", entry);
    } else {
      this.#turn(entry, "later");
      return false;
    }
    return true;
  }

  /** The server takes no such outcome, and would not the next time. */
  #refused(entry: Entry): void {
    const { outcome } = entry;
    const reason = isTooLarge(outcome) ? "the result is larger than 64 KiB" : "the server takes no such outcome of the work";
    this.#trouble("INVALID", reason, entry);
    if (outcome.case === "failed" && outcome.value.code === REFUSED) return this.#forget(entry);
    entry.outcome = thrown(new Fail(reason, { code: REFUSED, permanent: true }));
    this.#turn(entry, "now");
  }

  /** It is time to say of each job that it goes on, and to say again what was to be said later. */
  tick(): void {
    for (const entry of this.#entries.values()) if (entry.stage !== "sent" && !entry.lost) this.#due.add(entry);
    this.again();
  }

  /** It is time to say again what was to be said later, and before that what may not have arrived. */
  again(): void {
    for (const entry of this.#entries.values()) {
      if (entry.stage !== "later") continue;
      this.#turn(entry, "now");
      if (entry.said.isNew) this.#due.add(entry);
    }
  }

  /** It is time to say how far jobs have come, of which there are news. */
  news(): void {
    for (const entry of this.#entries.values()) if (entry.said.isNew && !entry.lost) this.#due.add(entry);
  }

  /** Which leases are to go on. */
  extensions(): ExtendRequest | undefined {
    const batch = new Batch<Extension>();
    const sent: [string, News][] = [];
    for (const entry of this.#due) {
      if (!batch.takes(entry.said.bytes)) break;
      const { token, said } = entry;
      const news = said.take();
      this.#due.delete(entry);
      sent.push([token, news]);
      batch.items.push(create(ExtensionSchema, { token, ...news }));
    }
    if (sent.length === 0) return undefined;
    const requestId = ++this.#requests;
    this.#extending.set(requestId, sent);
    return create(ExtendRequestSchema, { requestId, items: batch.items });
  }

  /** What became of that. Says whether some of it is to be said again later. */
  extended({ requestId, outcomes, cancelling, pausing }: ExtendResponse): boolean {
    const sent = this.#extending.get(requestId) ?? [];
    this.#extending.delete(requestId);
    for (const [index, [token, news]] of sent.entries()) this.#prolonged(token, news, outcomes[index]);
    this.cancel(cancelling);
    this.pause(pausing);
    return sent.some(([token]) => this.#entries.get(token)?.stage === "later");
  }

  #prolonged(token: string, news: News, outcome: LeaseOutcome | undefined): void {
    const entry = this.#entries.get(token);
    if (!entry || outcome === LeaseOutcome.OK) return;
    if (outcome === LeaseOutcome.LEASE_LOST || outcome === LeaseOutcome.NOT_FOUND) {
      // Of one that is over the answer to its outcome decides.
      if (entry.stage === "working") this.#lose(entry);
    } else if (outcome === LeaseOutcome.INVALID) {
      this.#trouble("INVALID", "the server takes no such progress or checkpoint", entry);
      // Without them the lease can go on.
      if (news.progress || news.checkpoint) this.#due.add(entry);
    } else {
      entry.said.putBack(news);
      // It is over, and what it has left still goes first.
      if (entry.stage === "now" && entry.said.isNew) this.#turn(entry, "later");
    }
  }

  /** Somebody wants jobs cancelled. */
  cancel(tokens: readonly string[]): void {
    for (const token of tokens) this.#entries.get(token)?.control.abort(new RialtoError("CANCELLED", "the job is to be cancelled"));
  }

  /** Somebody wants jobs paused. What the work is to throw then is the reason. */
  pause(tokens: readonly string[]): void {
    for (const token of tokens) this.#entries.get(token)?.pausing.abort(new Release());
  }

  /** A request was not answered: its items are said again. */
  unanswered(requestId: number): void {
    for (const token of this.#settling.get(requestId) ?? []) {
      const entry = this.#entries.get(token);
      if (entry?.stage === "sent") this.#turn(entry, "now");
    }
    for (const [token, news] of this.#extending.get(requestId) ?? []) {
      const entry = this.#entries.get(token);
      entry?.said.putBack(news);
      if (entry && !entry.lost) this.#due.add(entry);
    }
    this.#settling.delete(requestId);
    this.#extending.delete(requestId);
  }

  /** The stream is lost: what was not answered is said again over the next one. */
  disconnected(): void {
    for (const requestId of [...this.#settling.keys(), ...this.#extending.keys()]) this.unanswered(requestId);
  }

  /** Another stream is there. When the server does not know the session any more, its leases are over. */
  reconnected(resumed: boolean): void {
    if (!resumed) for (const entry of this.#entries.values()) if (entry.stage === "working") this.#lose(entry);
    this.tick();
  }

  /** The worker gives all of it up. */
  abandon(error: RialtoError): void {
    for (const { control } of this.#entries.values()) control.abort(error);
  }

  #lose(entry: Entry): void {
    if (entry.lost) return;
    entry.lost = true;
    this.#lostCount++;
    this.#due.delete(entry);
    entry.control.abort(this.#trouble("LEASE_LOST", "the lease is over: somebody else has the job, or it has ended", entry));
  }

  #turn(entry: Entry, stage: Entry["stage"]): void {
    entry.stage = stage;
    if (stage === "now") this.#over.add(entry);
    else this.#over.delete(entry);
  }

  #forget(entry: Entry): void {
    this.#entries.delete(entry.token);
    this.#over.delete(entry);
    this.#due.delete(entry);
    if (entry.lost) this.#lostCount--;
  }

  #trouble(code: string, reason: string, { assignment }: Entry): RialtoError {
    const error = new RialtoError(code, `${assignment.id}: ${reason}`);
    this.#hooks.trouble(error, assignment);
    return error;
  }
}

/** Items of one request. */
class Batch<T> {
  readonly items: T[] = [];
  #bytes = 0;

  /** Whether there is room for one more, of so many bytes. */
  takes(bytes: number): boolean {
    if (this.items.length === ITEMS_MAX) return false;
    if (this.items.length > 0 && this.#bytes + bytes + ITEM_BYTES > BATCH_BYTES) return false;
    this.#bytes += bytes + ITEM_BYTES;
    return true;
  }
}
