// How long to wait before the next try: full jitter over an exponentially growing window. Pure arithmetic; the clock
// and the loop are in `life.ts`.

/** The window grows from `firstMs` to `maxMs`. */
export interface BackoffOptions {
  firstMs: number;
  maxMs: number;
}

/** 250 ms, doubling, up to 30 s. */
export const BACKOFF: BackoffOptions = { firstMs: 250, maxMs: 30_000 };

/** A random wait before try number `attempt`, which counts from 0. */
export function backoff(attempt: number, options: BackoffOptions = BACKOFF, random: () => number = Math.random): number {
  const window = Math.min(options.maxMs, options.firstMs * 2 ** Math.min(attempt, 30));
  return Math.round(random() * window);
}
