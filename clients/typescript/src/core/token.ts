// When a JWT expires, as it says itself. Reads one claim and trusts nothing: only the server judges tokens.

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
