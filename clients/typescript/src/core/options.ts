// What a session can be told at its beginning, with the defaults. Read by `session.ts` and `life.ts`; changes nothing.

import { BACKOFF, type BackoffOptions } from "./backoff.js";
import { OFFLINE, type OfflineOptions } from "./outbox.js";

/** Gives a token; called before each connection and before the token expires. */
export type TokenSource = string | ((signal: AbortSignal) => string | Promise<string>);

/** What a session can be told. */
export interface SessionOptions {
  /** Who this is, for servers without authentication. With authentication leave it out. */
  user?: string;
  /** JWT or API key, or what gives one. */
  token?: TokenSource;
  /** What others see beside the session, for example a display name. */
  attributes?: Readonly<Record<string, string>>;
  /** The program, for the server's logs. */
  client?: { readonly name: string; readonly version: string };
  /** Ends the session when it fires. */
  signal?: AbortSignal;
  /** Longest time for one attempt to connect. Default 10 s. */
  connectTimeoutMs?: number;
  /** Longest time for a command, waiting for a connection included. Default 20 s. */
  commandTimeoutMs?: number;
  /** How much may wait to be sent, for how long, and what goes when it is too much. */
  offline?: Partial<OfflineOptions>;
  /** The window of the waits between attempts. */
  backoff?: Partial<BackoffOptions>;
}

/** The same with the defaults filled in. */
export interface Settings {
  readonly user: string;
  readonly token: TokenSource;
  readonly attributes: Readonly<Record<string, string>>;
  readonly client: { readonly name: string; readonly version: string };
  readonly connectTimeoutMs: number;
  readonly commandTimeoutMs: number;
  readonly offline: OfflineOptions;
  readonly backoff: BackoffOptions;
}

/** The version of this package, as it is told to servers. */
export const VERSION = "0.1.0";

/** Fills in the defaults. */
export function settings(options: SessionOptions): Settings {
  return {
    user: options.user ?? "",
    token: options.token ?? "",
    attributes: options.attributes ?? {},
    client: options.client ?? { name: "rialto-typescript", version: VERSION },
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    commandTimeoutMs: options.commandTimeoutMs ?? 20_000,
    offline: { ...OFFLINE, ...options.offline },
    backoff: { ...BACKOFF, ...options.backoff },
  };
}
