// Tokens: where they come from, and how long one is good for. Of a JWT one claim is read and nothing trusted: only the server
// judges tokens.

import { invalid } from "./errors.js";
import { within } from "./time.js";

/** A token, and how long it is good for where that is known. */
export interface Token {
  readonly token: string;
  readonly expiresInMs?: number;
}

/** Gives a token; called before each connection and before the token expires. */
export type TokenSource = string | ((signal: AbortSignal) => string | Token | Promise<string | Token>);

/** How a token is waited for. */
interface Wait {
  timeoutMs: number;
  signal: AbortSignal;
}

/** Asks for a token, within bounds. `expiresInMs` is `NaN` when nobody knows it. */
export async function tokenFrom(source: TokenSource, { timeoutMs, signal }: Wait): Promise<Required<Token>> {
  const given = typeof source === "string" ? source
    : await within(Promise.resolve(source(signal)), { timeoutMs, signal, what: "getting a token" });
  const { token, expiresInMs = expiryOf(token) - Date.now() } = typeof given === "string" ? { token: given } : given;
  // What cannot stand in metadata.
  if (/[^\x20-\x7e]/.test(token)) throw invalid("the token has characters that no token has");
  return { token, expiresInMs };
}

/** Milliseconds since 1970 at which the token expires; `NaN` when it does not say. */
export function expiryOf(token: string): number {
  const claims = token.split(".")[1];
  if (claims === undefined) return NaN;
  try {
    const text = atob(claims.replaceAll("-", "+").replaceAll("_", "/"));
    const { exp } = JSON.parse(text) as { exp?: unknown };
    return typeof exp === "number" ? exp * 1000 : NaN;
  } catch {
    return NaN;
  }
}
