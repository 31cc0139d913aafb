// An import in words and numbers, as people read them. Pure.

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

/** A number of bytes, in three figures or so. */
export function size(bytes: number): string {
  let [value, unit] = [bytes, 0];
  for (; value >= 1000 && unit < UNITS.length - 1; unit++) value /= 1000;
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toLocaleString(undefined, { maximumFractionDigits: digits })} ${UNITS[unit]}`;
}

/** How much of something, of a hundred; `undefined` when that is not known. It is all only when all is done. */
export function percent(done: number, total: number): number | undefined {
  return total > 0 ? Math.min(100, Math.floor((100 * done) / total)) : undefined;
}

/** What an import has found, in a sentence. */
export function foundWords({ rows, rejected, seconds }: { rows: number; rejected: number; seconds: number }): string {
  const all = `${rows.toLocaleString()} ${rows === 1 ? "row" : "rows"}`;
  // Less than a tenth of a second, when it is rounded, is no time at all.
  const time = seconds >= 0.05 ? ` in ${seconds.toLocaleString(undefined, { maximumFractionDigits: 1 })} s` : "";
  return `Completed: ${all}${time}, ${rejected === 0 ? "none" : rejected.toLocaleString()} rejected.`;
}

/** Where an import is that was handed over. */
export function stateWords({ state, error, progress }: { state: string; error: string; progress?: { message: string } | undefined }): string {
  switch (state) {
    case "waiting":
      return "Waits for a worker.";
    case "delayed":
      return error === "" ? "Waits for its time." : `An attempt failed, and there will be another one: ${error}`;
    case "running":
      return progress?.message || "Running.";
    case "paused":
      return "Paused.";
    case "completed":
      return "Completed.";
    case "dead":
      return error === "" ? "Failed." : `Failed: ${error}`;
    case "cancelled":
      return error === "" ? "Cancelled." : `Cancelled: ${error}`;
    case "expired":
      return "No worker came in time.";
    case "discarded":
      return error === "" ? "Was not done." : `Was not done: ${error}`;
    case "gone":
      return "How it ended is not known any more.";
    default:
      return "Waits.";
  }
}
