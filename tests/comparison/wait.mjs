// Waiting for facts, with a deadline each.

const POLL_MS = 4;

/** Lets time pass: for windows that must run out, and for writers that keep a rate. */
export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Resolves to `true` when `fact` holds, to `false` when it does not within `ms`. */
export async function holds(fact, ms = 3_000) {
  const end = performance.now() + ms;
  while (!fact()) {
    if (performance.now() > end) return false;
    await pause(POLL_MS);
  }
  return true;
}

/** Resolves when `fact` holds; fails with `what` when it does not within `ms`. */
export async function until(what, fact, ms = 5_000) {
  if (!(await holds(fact, ms))) throw new Error(`not within ${ms} ms: ${what}`);
}

/** Resolves to what `promise` does; fails with `what` when that takes longer than `ms`. */
export async function within(what, promise, ms = 5_000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves when `count()` has not changed for `ms`. */
export async function settled(count, ms = 250) {
  let last = count();
  let since = performance.now();
  while (performance.now() - since < ms) {
    await pause(POLL_MS * 5);
    if (count() === last) continue;
    last = count();
    since = performance.now();
  }
}
