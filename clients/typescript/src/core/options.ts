// What a session can be told at its beginning, with the defaults. Read by `session.ts` and `life.ts`; changes nothing.

import { BACKOFF, type BackoffOptions } from "./backoff.js";
import { OFFLINE, type OfflineOptions } from "./outbox.js";
import type { TokenSource } from "./token.js";

/** What a session can be told. */
export interface SessionOptions {
  /** Who this is, for servers without authentication. With authentication leave it out. */
  user?: string;
  /** JWT or API key, or what gives one. */
  token?: TokenSource;
  /** What others see beside the session, for example a display name. */
  attributes?: Readonly<Record<string, string>>;
  /** The program, for the server's logs. */
  program?: { readonly name: string; readonly version: string };
  /** Ends the session when it fires. */
  signal?: AbortSignal;
  /** Longest time for one attempt to connect. Default 10 s. */
  connectTimeoutMs?: number;
  /** Longest time for a command, waiting for a connection included. Default 10 s. */
  deadlineMs?: number;
  /** Has `connect` go on trying when the first attempt fails. Default: it fails with that. `open` always goes on. */
  waitForServer?: boolean;
  /** How much may wait to be sent, for how long, and what goes when it is too much. */
  offlineBuffer?: Partial<OfflineOptions>;
  /** So many events may wait for each reader that is behind; then the session waits too. Default 256. */
  eventsWaiting?: number;
  /** The window of the waits between attempts. */
  backoff?: Partial<BackoffOptions>;
}

/** The same with the defaults filled in. */
export interface Settings extends Required<Omit<SessionOptions, "signal" | "offlineBuffer" | "backoff">> {
  readonly offlineBuffer: OfflineOptions;
  readonly backoff: BackoffOptions;
}

/** The version of this package, as it is told to servers. */
export const VERSION = "0.1.0";

/** Fills in the defaults. */
export function settings({ signal: _, ...options }: SessionOptions): Settings {
  return {
    user: "",
    token: "",
    attributes: {},
    program: { name: "rialto-typescript", version: VERSION },
    connectTimeoutMs: 10_000,
    deadlineMs: 10_000,
    waitForServer: true,
    eventsWaiting: 256,
    ...options,
    offlineBuffer: { ...OFFLINE, ...options.offlineBuffer },
    backoff: { ...BACKOFF, ...options.backoff },
  };
}
