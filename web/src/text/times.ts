// Times and counts as people read them, in the language of the browser. Pure functions.

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

/** Hours and minutes. */
export function clock(at: Date): string {
  return CLOCK.format(at);
}

/** Everything, for a tooltip. */
export function full(at: Date): string {
  return FULL.format(at);
}

/** A day's name. */
export function day(at: Date, now = new Date()): string {
  if (sameDay(at, now)) return "Today";
  return DAY.format(at);
}

/** True when both are on one day. */
export function sameDay(a: Date, b: Date): boolean {
  return a.toDateString() === b.toDateString();
}

/** A count and its noun. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}

/** A short number for a badge. */
export function badge(count: number): string {
  return count > 99 ? "99+" : String(count);
}

/** Names in a sentence. */
export function listed(names: readonly string[]): string {
  if (names.length <= 1) return names[0] ?? "";
  return `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;
}

/** A length of time. */
export function lasted(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 90) return counted(seconds, "second");
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? counted(minutes, "minute") : counted(Math.round(minutes / 60), "hour");
}
