// What is known of the job of an import, and what it has found: read from the JSON that rooms are told and that workers give as
// results. Foreign input is checked here. Pure.

/** Where the jobs of imports are, and what kind they are. */
export const QUEUE = "imports";
export const TYPE = "csv";

/** A job as it is known here. */
export interface Known {
  readonly id: string;
  /** As the server says it, in lower case; `gone` when it is forgotten and nobody has said how it ended. */
  readonly state: string;
  /** Name of the file. */
  readonly file: string;
  /** Who has begun it. */
  readonly by: string;
  /** How far a worker has come, as it says. */
  readonly progress: Progress | undefined;
  /** Why it has failed, or was cancelled. */
  readonly error: string;
  /** Somebody wants it cancelled, and a worker has it. */
  readonly cancelling: boolean;
  /** Somebody wants it paused, and a worker has it. */
  readonly pausing: boolean;
  /** How often it was given to a worker. */
  readonly deliveries: number;
  /** What the worker has found; empty for nothing. */
  readonly result: string;
}

/** How far a worker has come. */
export interface Progress {
  readonly done: number;
  /** 0: not known. */
  readonly total: number;
  /** For people. */
  readonly message: string;
}

/** Why a row was rejected. */
export interface Reason {
  readonly line: number;
  /** Empty for the whole row. */
  readonly column: string;
  readonly reason: string;
}

/** What an import has found. */
export interface Summary {
  readonly rows: number;
  readonly accepted: number;
  readonly rejected: number;
  /** The first of them. */
  readonly reasons: readonly Reason[];
  readonly seconds: number;
}

const REASONS_MAX = 100;
const TEXT_CHARACTERS_MAX = 300;
const PASSING = new Set(["blocked", "delayed", "waiting", "running", "paused"]);

/** Whether a job stays where it is. */
export function hasEnded({ state }: { state: string }): boolean {
  return !PASSING.has(state);
}

/** A job as a room is told of it; `undefined` when that is none, or no import in this namespace. */
export function readJob(payload: string, namespace: string): Known | undefined {
  const job = read(payload);
  const [id, attributes] = [text(job["jobId"]), fields(job["attributes"])];
  if (id === "" || job["namespace"] !== namespace || job["queue"] !== QUEUE || job["type"] !== TYPE) return undefined;
  return {
    id,
    state: text(job["state"]).replace("JOB_STATE_", "").toLowerCase(),
    file: text(attributes["file"]),
    by: text(attributes["by"]),
    progress: job["progress"] === undefined ? undefined : readProgress(fields(job["progress"])),
    error: text(fields(job["error"])["message"]),
    cancelling: job["cancelling"] === true,
    pausing: job["pausing"] === true,
    deliveries: count(job["deliveries"]),
    result: text(fields(job["result"])["text"], Infinity),
  };
}

/** What a worker has found; `undefined` when that is no summary. */
export function readSummary(result: string): Summary | undefined {
  const found = read(result);
  if (typeof found["rows"] !== "number") return undefined;
  const reasons = Array.isArray(found["reasons"]) ? found["reasons"].slice(0, REASONS_MAX).map(fields) : [];
  return {
    rows: count(found["rows"]),
    accepted: count(found["accepted"]),
    rejected: count(found["rejected"]),
    reasons: reasons.map(({ line, column, reason }) => ({ line: count(line), column: text(column), reason: text(reason) })),
    seconds: typeof found["seconds"] === "number" && found["seconds"] >= 0 ? found["seconds"] : 0,
  };
}

function readProgress({ done, total, message }: Record<string, unknown>): Progress {
  return { done: count(done), total: count(total), message: text(message) };
}

function read(json: string): Record<string, unknown> {
  try {
    return fields(JSON.parse(json));
  } catch {
    return {};
  }
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown, charactersMax = TEXT_CHARACTERS_MAX): string {
  return typeof value === "string" ? value.slice(0, charactersMax) : "";
}

/** Numbers of 64 bits are texts in JSON. */
function count(value: unknown): number {
  const number = typeof value === "string" || typeof value === "number" ? Math.trunc(Number(value)) : 0;
  return number > 0 && number < Infinity ? number : 0;
}
