// Waiting for something that nobody announces.

const PATIENCE_MS = 20_000;
const LOOK_MS = 20;

/** Looks until there is something, and returns it; fails with `what` when there is nothing in time. */
export async function until(what, look, patienceMs = PATIENCE_MS) {
  const end = Date.now() + patienceMs;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${patienceMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
