// The keyed state of a room: read and changed through the server, and followed when the room was joined with `state`.
// The local map is always one that was true at some moment: it changes whole when the server begins anew.

import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { StateChanges, StateEntry as WireEntry } from "../gen/rialto/v1/state_pb.js";
import type { Durability } from "./command.js";
import { bodyText, who, type Payload, type Who } from "./event.js";
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

/** A change of one key. */
export interface StateChange {
  readonly key: string;
  /** The key as it became; absent when it was taken away or has expired. */
  readonly entry?: StateEntry;
}

/** The state of a room as far as it is known here. */
export interface RoomStateView {
  readonly entries: ReadonlyMap<string, StateEntry>;
  /** Which life of the room's state revisions count in. */
  readonly epoch: string;
  /** True when all keys are known. */
  readonly complete: boolean;
}

/** How a key is set. */
export interface SetOptions {
  contentType?: string;
  /** How long the value holds; at least 1 s. Absent: until it is set again or taken away. */
  expiresInMs?: number;
  timeoutMs?: number;
  signal?: AbortSignal;
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

/** What a state needs of its session. */
export interface StateCore {
  get(keys: readonly string[]): Promise<readonly StateEntry[]>;
  set(key: string, value: Payload | undefined, options: SetOptions, expected?: bigint): Promise<StateSet>;
  follow(): Promise<void>;
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
export class StateMap implements Observable<RoomStateView> {
  readonly #core: StateCore;
  readonly #value = new Value<RoomStateView>(NOTHING);
  readonly #watches = new Set<Watch>();
  /** What is told since the server began anew, until it is complete. */
  #anew: Map<string, StateEntry> | undefined;

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

  /** Asks the server for a key; nothing when there is none. */
  async get(key: string): Promise<StateEntry | undefined> {
    return (await this.#core.get([key]))[0];
  }

  /** Asks the server for all keys. */
  async all(): Promise<ReadonlyMap<string, StateEntry>> {
    return new Map((await this.#core.get([])).map((entry) => [entry.key, entry]));
  }

  /** Sets a key. */
  set(key: string, value: Exclude<Payload, undefined>, options: SetOptions = {}): Promise<StateSet> {
    return this.#core.set(key, value, options);
  }

  /** Sets a key if it has this revision now; 0: if there is no such key. Rejects with `CONFLICT` and its `revision`. */
  setIf(key: string, revision: bigint, value: Exclude<Payload, undefined>, options: SetOptions = {}): Promise<StateSet> {
    return this.#core.set(key, value, options, revision);
  }

  /** Takes a key away; with `revision` only if it has that now. */
  remove(key: string, options: Pick<SetOptions, "timeoutMs" | "signal"> & { revision?: bigint } = {}): Promise<StateSet> {
    return this.#core.set(key, undefined, options, options.revision);
  }

  /**
   * What changes, key by key, beginning with all that is there. Joins the room with `state` if need be. A reader that is
   * slow hears of each key the newest only.
   */
  watch(options: WatchOptions = {}): AsyncIterableIterator<StateChange> {
    const watch: Watch = new Watch(() => void this.#watches.delete(watch));
    this.#watches.add(watch);
    if (options.signal?.aborted) watch.end();
    else options.signal?.addEventListener("abort", () => watch.end(), { once: true });
    if (this.current.complete) for (const entry of this.current.entries.values()) watch.push({ key: entry.key, entry });
    this.#core.follow().catch((error: unknown) => watch.end(error));
    return watch;
  }

  /** The server has told the state, or a change. Called by the session. */
  apply({ epoch, entries, reset, complete }: StateChanges): void {
    if (reset) this.#anew = new Map();
    const before = this.current.entries;
    const map = this.#anew ?? new Map(before);
    for (const wire of entries) {
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
    if (this.#watches.size === 0) return;
    for (const key of before.entries.keys()) if (!view.entries.has(key)) this.#tell({ key });
    const same = before.epoch === view.epoch;
    for (const [key, entry] of view.entries) {
      if (!same || before.entries.get(key)?.revision !== entry.revision) this.#tell({ key, entry });
    }
  }

  #tell(change: StateChange): void {
    for (const watch of this.#watches) watch.push(change);
  }
}

/** Changes to iterate over: at most one waits for each key. */
class Watch implements AsyncIterableIterator<StateChange> {
  readonly #waiting = new Map<string, StateChange>();
  readonly #ended: () => void;
  #reader: { resolve: (result: IteratorResult<StateChange>) => void; reject: (error: unknown) => void } | undefined;
  #over: { error?: unknown } | undefined;

  constructor(ended: () => void) {
    this.#ended = ended;
  }

  push(change: StateChange): void {
    if (this.#over) return;
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader) return reader.resolve({ done: false, value: change });
    this.#waiting.delete(change.key);
    this.#waiting.set(change.key, change);
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
    for (const [key, value] of this.#waiting) {
      this.#waiting.delete(key);
      return Promise.resolve({ done: false, value });
    }
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
    this.#waiting.clear();
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
