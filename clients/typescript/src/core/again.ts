// Saying the same again: after which failures that may help, and after what waits. Only for what has one effect however
// often it is said; who asks knows that.

import { backoff, type BackoffOptions } from "./backoff.js";
import type { RialtoError } from "./errors.js";
import { sleep } from "./time.js";

/** Failures without a word from a server. It may have heard, or not. */
const UNHEARD = /^(unavailable|unknown_outcome|timed_out)$/;

/** With less time left nothing is asked again: all that could come of it is that time was up, which says less than what came before. */
const TRY_MS_MIN = 20;

/** Whether the same may go well later. */
export function passes({ kind, code, advice, said }: RialtoError): boolean {
  return said ? advice === "later" || code === "INTERNAL" : UNHEARD.test(kind);
}

/** How long to wait before try number `attempt`, which counts from 0: not less than the server has said. */
export function pauseMs({ afterMs = 0 }: RialtoError, attempt: number, options?: BackoffOptions): number {
  return Math.max(afterMs, backoff(attempt, options));
}

/** What bounds the tries. */
export interface Persistence {
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** Asks again while that may help and there is time; `ask` is told how much is left. */
export async function persist<T>(ask: (leftMs: number) => Promise<T>, { timeoutMs, signal }: Persistence): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask(Math.max(0, end - performance.now()));
    } catch (cause) {
      const error = cause as RialtoError;
      const waitMs = pauseMs(error, attempt);
      if (!passes(error) || performance.now() + waitMs + TRY_MS_MIN >= end) throw error;
      await sleep(waitMs, signal);
    }
  }
}
