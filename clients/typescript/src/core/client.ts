// A client without a session, for services and scripts: publishes, asks, looks inside, and hands out queues of jobs and workers.
// Says nothing again by itself; what may be said again its failures tell.

import type { Init } from "../wire/message.js";
import { callMethod, publishBatchMethod, publishMethod, type PublishRequest } from "../gen/rialto/v1/messaging_pb.js";
import { setStateMethod } from "../gen/rialto/v1/room_service_pb.js";
import { Jobs } from "../jobs.js";
import { Worker, type WorkerOptions } from "../worker.js";
import { Admin } from "./admin.js";
import { Caller } from "./caller.js";
import type { CallOptions, Callee } from "./calling.js";
import { content, duration, emit, toAccepted, type Accepted, type EmitOptions, type TargetOptions } from "./command.js";
import { Directory } from "./directory.js";
import { refusal, RialtoError } from "./errors.js";
import type { Payload } from "./event.js";
import { History, type HistoryOptions } from "./history.js";
import { historyOf, RoomPresence, RoomState, type CallWait, type RoomName } from "./kept.js";
import { toReply, type Reply } from "./replies.js";
import { toSet, toStateSet, type SetOptions, type StateCondition, type StateSet } from "./state.js";

const REPLY_TIMEOUT_MS = 5_000;
/** How much longer than the server this side waits for an answer. */
const REPLY_SLACK_MS = 5_000;

/** One event of several that are published together. */
export interface Publication extends Omit<EmitOptions, "deadlineMs" | "signal" | "includeSender"> {
  namespace: string;
  to: TargetOptions;
  event: string;
  payload?: Payload;
}

/** What became of one of several events. */
export type PublishOutcome = (Accepted & { readonly error?: undefined }) | { readonly error: RialtoError };

/** A client without a session. It connects when it is first used, and again when that is lost. */
export class Client extends Caller {
  /** Looks at namespaces, rooms and sessions, and acts on them. */
  readonly directory = new Directory(this);
  /** Takes back what tokens, users and sessions may. */
  readonly admin = new Admin(this);

  /** Publishes an event; resolves when the server has taken it. With an `idempotencyKey` it may be said again after any failure. */
  async publish(namespace: string, to: TargetOptions, event: string, payload?: Payload, options: EmitOptions = {}): Promise<Accepted> {
    const request = publication({ ...options, namespace, to, event, payload });
    const { accepted } = await this.ask(publishMethod, request, options);
    if (!accepted) throw none("a publish");
    return toAccepted(accepted);
  }

  /** Publishes up to 256 events; each is taken or refused by itself, in their order. */
  async publishBatch(publications: readonly Publication[], wait: CallWait = {}): Promise<PublishOutcome[]> {
    const { outcomes } = await this.ask(publishBatchMethod, { entries: publications.map(publication) }, wait);
    return publications.map((_, index) => {
      const outcome = outcomes[index]?.outcome;
      if (outcome?.case === "accepted") return toAccepted(outcome.value);
      return { error: outcome?.case === "refused" ? refusal(outcome.value) : none("a publish") };
    });
  }

  /** Asks one session, or any one member of a room, and returns its answer. Rejects with `RECIPIENT_FAILED`, `RECIPIENT_LEFT`,
   * `TIMED_OUT` or `NO_RECIPIENT` when there is none. */
  async call(namespace: string, callee: Callee, event: string, payload?: Payload, options: CallOptions = {}): Promise<Reply> {
    const { timeoutMs = REPLY_TIMEOUT_MS, signal } = options;
    const whom = "session" in callee ? { case: "session" as const, value: callee.session } : { case: "anyOf" as const, value: callee.anyOf };
    const request = { namespace, callee: whom, content: content(event, payload, options), timeout: duration(timeoutMs) };
    const deadlineMs = Math.max(this.deadlineMs, timeoutMs + REPLY_SLACK_MS);
    const { reply } = await this.ask(callMethod, request, { deadlineMs, signal });
    if (!reply) throw none("a call");
    return toReply(reply);
  }

  /** Pages of a room's history. */
  history(room: RoomName, options: HistoryOptions = {}): History {
    return new History(historyOf(this.ask, room, options), options);
  }

  /** Who is in a room. */
  presence(room: RoomName): RoomPresence {
    return new RoomPresence(this.ask, room);
  }

  /** The keyed state of a room. */
  state(room: RoomName): SettableState {
    return new SettableState(this.ask, room);
  }

  /** A queue of jobs. */
  jobs(namespace: string, queue: string): Jobs {
    return new Jobs(this, { namespace, queue });
  }

  /** A worker. */
  worker(options: WorkerOptions): Worker {
    return new Worker(this, options);
  }
}

/** The keyed state of a room, read and changed by single calls. */
export class SettableState extends RoomState {
  /** Sets a key. */
  set(key: string, value: Exclude<Payload, undefined>, options: SetOptions = {}): Promise<StateSet> {
    return this.#set(key, value, options);
  }

  /** Takes a key away. */
  remove(key: string, options: StateCondition = {}): Promise<StateSet> {
    return this.#set(key, undefined, options);
  }

  async #set(key: string, value: Payload, options: SetOptions): Promise<StateSet> {
    const { namespace, room } = this.room;
    const request = { set: toSet(namespace, room, key, value, options) };
    const { set } = await this.ask(setStateMethod, request, options);
    if (!set) throw none("a setting");
    return toStateSet(set);
  }
}

/** An event in the form of a publication. */
function publication({ namespace, to, event, payload, ...options }: Publication): Init<PublishRequest> {
  const { expectReplies: _, ...request } = emit(namespace, to, event, payload, options);
  return request;
}

function none(what: string): RialtoError {
  return new RialtoError("PROTOCOL", `the answer to ${what} is none`);
}
