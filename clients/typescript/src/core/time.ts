// Waiting with an end: sleeping, deadlines, promises that are settled elsewhere. Every timer made here is cleared when
// what it guards is over, so that nothing keeps a process alive.

import { RialtoError } from "./errors.js";

/** Timers count no further. */
export const TIMER_MAX_MS = 2 ** 31 - 1;

/** A promise that its owner settles. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/** A promise that its owner settles; nobody has to look at its failure. */
export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}

/** The error of a fired signal. */
export function aborted(signal: AbortSignal): RialtoError {
  if (signal.reason instanceof RialtoError) return signal.reason;
  return new RialtoError("ABORTED", "the caller gave up", { advice: "never" });
}

/** Waits; rejects when the signal fires first. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted(signal));
    const stop = () => {
      clearTimeout(timer);
      reject(aborted(signal as AbortSignal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** What bounds a wait. */
export interface Bound {
  /** `Infinity` for no bound in time. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  /** What was waited for, for the error's text. */
  what: string;
}

/** Calls `over` with an error when the time is up or the signal fires; returns what clears it. */
export function bound({ timeoutMs, signal, what }: Bound, over: (error: RialtoError) => void): () => void {
  const late = () => {
    clear();
    over(new RialtoError("TIMED_OUT", `${what} took longer than ${timeoutMs} ms`, { advice: "later" }));
  };
  const timer = timeoutMs <= TIMER_MAX_MS ? setTimeout(late, timeoutMs) : undefined;
  const stop = () => {
    clear();
    over(aborted(signal as AbortSignal));
  };
  const clear = () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  };
  if (signal?.aborted) queueMicrotask(stop);
  else signal?.addEventListener("abort", stop, { once: true });
  return clear;
}

/** A promise that fails when its bound is reached. */
export async function within<T>(promise: Promise<T>, limits: Bound): Promise<T> {
  const end = deferred<never>();
  const clear = bound(limits, end.reject);
  try {
    return await Promise.race([promise, end.promise]);
  } finally {
    clear();
  }
}
