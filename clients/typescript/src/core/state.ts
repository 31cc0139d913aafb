// The keyed state of a room: read and changed through the server, and followed when the room was joined with `state`.
// The local map is always one that was true at some moment: it changes whole when the server begins anew.

import { create } from "../wire/message.js";
import { timestampDate } from "../wire/wellknown.js";
import { SetStateSchema, type SetState, type StateChanges, type StateEntry as WireEntry, type StateSet as WireSet } from "../gen/rialto/v1/state_pb.js";
import { duration, toDurability, type Durability } from "./command.js";
import { bodyText, toBody, who, type Payload, type Who } from "./event.js";
import type { CallWait } from "./kept.js";
import type { Page } from "./listing.js";
import { Value, type Observable, type Unsubscribe } from "./observable.js";

/** A key with its value. */
export interface StateEntry {
  readonly key: string;
  /** The value as it was set: text or bytes. */
  readonly value: string | Uint8Array;
  /** The value as text. */
  readonly text: string;
  readonly contentType: string;
  /** The revision of the last change. */
  readonly revision: bigint;
  /** Who made it. */
  readonly by: Who;
  readonly setAt: Date;
  /** When the value expires; absent: never. */
  readonly expiresAt?: Date;
}

/** A key as it became. */
export interface KeyChange {
  readonly key: string;
  /** Absent when the key was taken away or has expired. */
  readonly entry?: StateEntry;
}

/** What became different, key by key. */
export interface StateChange {
  readonly entries: readonly KeyChange[];
  /** True when these are all keys that there are. */
  readonly whole: boolean;
}

/** The state of a room as far as it is known here. */
export interface RoomStateView {
  readonly entries: ReadonlyMap<string, StateEntry>;
  /** Which life of the room's state revisions count in. */
  readonly epoch: string;
  /** True when all keys are known. */
  readonly complete: boolean;
}

/** Under which condition a key is set or taken away. Rejects with `CONFLICT` and its `revision` otherwise. */
export interface StateCondition {
  /** The key has this revision. */
  ifRevision?: bigint;
  /** There is no such key. */
  ifAbsent?: boolean;
  /** Longest wait for the answer, connecting included. Default: that of the session or client. */
  deadlineMs?: number;
  signal?: AbortSignal;
}

/** How a key is set. */
export interface SetOptions extends StateCondition {
  contentType?: string;
  /** How long the value holds; at least 1 s. Absent: until it is set again or taken away. */
  expiresInMs?: number;
}

/** A key was set or taken away. */
export interface StateSet {
  readonly revision: bigint;
  readonly epoch: string;
  readonly durability: Durability;
}

/** How a watch waits. */
export interface WatchOptions {
  signal?: AbortSignal;
}

/** Which page of the keys is asked for. */
export interface StateQuery {
  /** At most this many. Default 100, at most 1,000. */
  pageSize?: number;
  /** From the page before. */
  pageToken?: string;
  deadlineMs?: number;
  signal?: AbortSignal;
}

/** What the server is asked about the state of a room, whether it was joined or not. */
export interface AsksState {
  /** A key; nothing when there is none. */
  get(key: string, wait?: CallWait): Promise<StateEntry | undefined>;
  /** A page of keys. */
  page(query?: StateQuery): Promise<Page<StateEntry>>;
  /** All keys. */
  all(wait?: CallWait): Promise<ReadonlyMap<string, StateEntry>>;
}

/** What a state needs of its session. */
export interface StateCore {
  asks(): Promise<AsksState>;
  set(key: string, value: Payload | undefined, options: SetOptions): Promise<StateSet>;
  follow(): Promise<unknown>;
}

/** What is to be set, in the protocol's form; without a value the key is taken away. */
export function toSet(namespace: string, room: string, key: string, given: Payload, options: SetOptions): SetState {
  const { contentType, expiresInMs, ifAbsent, ifRevision = ifAbsent ? 0n : undefined } = options;
  return create(SetStateSchema, {
    namespace,
    room,
    key,
    ...toBody(given, contentType),
    ...(ifRevision === undefined ? {} : { expectedRevision: ifRevision }),
    ...(expiresInMs === undefined ? {} : { expiresIn: duration(expiresInMs) }),
  });
}

/** How it was set, as plain data. */
export function toStateSet({ revision, epoch, durability }: WireSet): StateSet {
  return { revision, epoch, durability: toDurability(durability) };
}

/** An entry as plain data; nothing when the key was taken away. */
export function toEntry(entry: WireEntry): StateEntry | undefined {
  const { value } = entry.body;
  if (value === undefined) return undefined;
  const { key, contentType, revision } = entry;
  const setAt = entry.setAt ? timestampDate(entry.setAt) : new Date(0);
  const known = { key, value, text: bodyText(entry.body), contentType, revision, by: who(entry.by), setAt };
  return entry.expiresAt ? { ...known, expiresAt: timestampDate(entry.expiresAt) } : known;
}

const NOTHING: RoomStateView = { entries: new Map(), epoch: "", complete: false };

/** The state of one room. */
export class StateMap implements Observable<RoomStateView>, AsksState {
  readonly #core: StateCore;
  readonly #value = new Value<RoomStateView>(NOTHING);
  readonly #watches = new Set<Watch>();
  /** What is told since the server began anew, until it is complete. */
  #anew: RoomStateView & { readonly entries: Map<string, StateEntry> } | undefined;

  constructor(core: StateCore) {
    this.#core = core;
  }

  /** What is known here; filled when the room was joined with `state`. */
  get current(): RoomStateView {
    return this.#value.current;
  }

  subscribe(fn: (view: RoomStateView) => void): Unsubscribe {
    return this.#value.subscribe(fn);
  }

  async get(key: string, wait?: CallWait): Promise<StateEntry | undefined> {
    return (await this.#core.asks()).get(key, wait);
  }

  async page(query?: StateQuery): Promise<Page<StateEntry>> {
    return (await this.#core.asks()).page(query);
  }

  async all(wait?: CallWait): Promise<ReadonlyMap<string, StateEntry>> {
    return (await this.#core.asks()).all(wait);
  }

  /** Sets a key. */
  set(key: string, value: Exclude<Payload, undefined>, options: SetOptions = {}): Promise<StateSet> {
    return this.#core.set(key, value, options);
  }

  /** Takes a key away. */
  remove(key: string, options: StateCondition = {}): Promise<StateSet> {
    return this.#core.set(key, undefined, options);
  }

  /**
   * All that is there, and then what became different. Joins the room with `state` if need be. A reader that is slow hears of
   * each key the newest only.
   */
  watch(options: WatchOptions = {}): AsyncIterableIterator<StateChange> {
    const watch: Watch = new Watch(() => void this.#watches.delete(watch));
    this.#watches.add(watch);
    if (options.signal?.aborted) watch.end();
    else options.signal?.addEventListener("abort", () => watch.end(), { once: true });
    if (this.current.complete) watch.push(changesOf(this.current.entries), true);
    this.#core.follow().catch((error: unknown) => watch.end(error));
    return watch;
  }

  /** The server has told the state, or a change. Called by the session. */
  apply({ epoch, entries, reset, complete }: StateChanges): void {
    const known = this.#anew ?? this.current;
    if (reset || epoch !== known.epoch) this.#anew = { entries: new Map(), epoch, complete: false };
    const map = this.#anew?.entries ?? new Map(this.current.entries);
    for (const wire of entries) {
      // What is known is newer.
      if (wire.revision <= (map.get(wire.key)?.revision ?? -1n)) continue;
      const entry = toEntry(wire);
      if (entry) map.set(wire.key, entry);
      else map.delete(wire.key);
    }
    if (this.#anew && !complete) return;
    this.#anew = undefined;
    this.#become({ entries: map, epoch, complete: complete || this.current.complete });
  }

  /** The session is out of the room. Called by the session. */
  clear(): void {
    this.#anew = undefined;
    if (this.current !== NOTHING) this.#value.set(NOTHING);
  }

  /** Ends all watches. Called by the session. */
  end(): void {
    for (const watch of [...this.#watches]) watch.end();
  }

  #become(view: RoomStateView): void {
    const before = this.current;
    this.#value.set(view);
    if (!view.complete || this.#watches.size === 0) return;
    const same = before.epoch === view.epoch;
    const gone = [...before.entries.keys()].filter((key) => !view.entries.has(key)).map((key) => ({ key }));
    const changed = changesOf(view.entries).filter(({ key, entry }) => !same || before.entries.get(key)?.revision !== entry.revision);
    for (const watch of this.#watches) watch.push(before.complete ? [...gone, ...changed] : changed, !before.complete);
  }
}

function changesOf(entries: ReadonlyMap<string, StateEntry>): { key: string; entry: StateEntry }[] {
  return [...entries.values()].map((entry) => ({ key: entry.key, entry }));
}

/** Changes to iterate over: at most one waits for each key. */
class Watch implements AsyncIterableIterator<StateChange> {
  readonly #waiting = new Map<string, KeyChange>();
  readonly #ended: () => void;
  /** Something waits; all that there is waits. */
  #due = false;
  #whole = false;
  #reader: { resolve: (result: IteratorResult<StateChange>) => void; reject: (error: unknown) => void } | undefined;
  #over: { error?: unknown } | undefined;

  constructor(ended: () => void) {
    this.#ended = ended;
  }

  push(changes: readonly KeyChange[], whole: boolean): void {
    if (this.#over || (changes.length === 0 && !whole)) return;
    if (whole) this.#waiting.clear();
    this.#whole ||= whole;
    this.#due = true;
    for (const change of changes) {
      this.#waiting.delete(change.key);
      this.#waiting.set(change.key, change);
    }
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.resolve(this.#take());
  }

  #take(): IteratorResult<StateChange> {
    // Of all that there is nothing is gone.
    const entries = [...this.#waiting.values()].filter(({ entry }) => entry || !this.#whole);
    const value = { entries, whole: this.#whole };
    this.#waiting.clear();
    this.#due = this.#whole = false;
    return { done: false, value };
  }

  end(error?: unknown): void {
    if (this.#over) return;
    this.#over = error === undefined ? {} : { error };
    this.#ended();
    const reader = this.#reader;
    this.#reader = undefined;
    if (!reader) return;
    if (error === undefined) reader.resolve({ done: true, value: undefined });
    else reader.reject(error);
  }

  next(): Promise<IteratorResult<StateChange>> {
    if (this.#due) return Promise.resolve(this.#take());
    if (this.#over) {
      const { error } = this.#over;
      this.#over = {};
      return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      this.#reader?.resolve({ done: true, value: undefined });
      this.#reader = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<StateChange>> {
    this.#due = false;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
