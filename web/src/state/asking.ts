// The events of a quick poll and how they are read: `ask` goes to the room with a reply expected, `answers` tells the
// result to everybody. Pure; foreign input is checked here.

/** Most choices of a question. */
export const CHOICES_MAX = 4;
/** Most characters of a choice. */
export const CHOICE_CHARACTERS_MAX = 60;
/** How long the room may answer, in seconds. */
export const ASK_SECONDS = 30;
const DEFAULT_CHOICES = ["Yes", "No"];

/** Choices as a header, and back. */
export function readChoices(header: string | undefined): string[] {
  try {
    const found: unknown = JSON.parse(header ?? "");
    if (!Array.isArray(found)) return DEFAULT_CHOICES;
    const choices = found.filter((choice): choice is string => typeof choice === "string" && choice.trim() !== "");
    const cut = [...new Set(choices.map((choice) => choice.slice(0, CHOICE_CHARACTERS_MAX)))].slice(0, CHOICES_MAX);
    return cut.length > 0 ? cut : DEFAULT_CHOICES;
  } catch {
    return DEFAULT_CHOICES;
  }
}

/** Seconds from a header. */
export function readSeconds(header: string | undefined): number {
  const seconds = Number(header);
  return seconds > 0 && seconds <= 60 ? seconds : ASK_SECONDS;
}

/** A result, as it is told to the room. */
export interface Result {
  readonly counts: ReadonlyMap<string, number>;
  readonly asked: number;
}

/** A result as a payload. */
export function writeResult(result: Result): string {
  return JSON.stringify({ counts: [...result.counts], asked: result.asked });
}

/** A result from a payload; `undefined` when it is none. */
export function readResult(payload: string): Result | undefined {
  try {
    const { counts, asked } = JSON.parse(payload) as { counts?: unknown; asked?: unknown };
    if (!Array.isArray(counts) || typeof asked !== "number" || !Number.isSafeInteger(asked) || asked < 0) return undefined;
    const pairs = counts.filter(
      (pair): pair is [string, number] =>
        Array.isArray(pair) && typeof pair[0] === "string" && Number.isSafeInteger(pair[1]) && pair[1] >= 0,
    );
    return { counts: new Map(pairs.slice(0, 12).map(([choice, count]) => [choice.slice(0, 80), count])), asked };
  } catch {
    return undefined;
  }
}
