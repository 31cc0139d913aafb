// Taking back what tokens, users and sessions may. For operators; needs the right `admin` in all namespaces.

import { timestampDate, type Timestamp } from "../wire/wellknown.js";
import { listRevocationsMethod, reinstateMethod, revokeMethod, type Revocation as WireRevocation, type Revoked as WireRevoked } from "../gen/rialto/v1/admin_pb.js";
import type { Caller } from "./caller.js";
import { duration, toDurability, type Durability } from "./command.js";
import { RialtoError } from "./errors.js";
import type { CallWait } from "./kept.js";
import { Listing } from "./listing.js";

/** What is revoked: all tokens of a user that were made until then, one token by its `jti`, or one session. */
export type Revoked = { readonly user: string } | { readonly tokenId: string } | { readonly sessionId: string };

/** A revocation as it is kept. */
export interface Revocation {
  readonly revoked: Revoked;
  readonly revokedAt: Date;
  /** The tokens that it is about have expired by then. */
  readonly keptUntil: Date;
  readonly reason: string;
}

/** How something is revoked. */
export interface RevokeOptions extends CallWait {
  /** How long it is kept. Default 30 days, at most 10 years. */
  keepMs?: number;
  /** Why, for operators. At most 256 bytes. */
  reason?: string;
}

/** What a revocation has done. */
export interface RevokeOutcome {
  readonly revocation: Revocation;
  readonly sessionsEnded: number;
  /** Nodes that did not answer; they follow as soon as they are reached. */
  readonly nodesMissing: readonly string[];
  readonly durability: Durability;
}

/** Revocations. */
export class Admin {
  readonly #client: Caller;

  constructor(client: Caller) {
    this.#client = client;
  }

  /** Revokes; when it resolves the sessions have ended. */
  async revoke(revoked: Revoked, { keepMs, reason = "", ...wait }: RevokeOptions = {}): Promise<RevokeOutcome> {
    const request = { revoked: from(revoked), reason, ...(keepMs === undefined ? {} : { keep: duration(keepMs) }) };
    const { revocation, sessionsEnded, nodesMissing, durability } = await this.#client.ask(revokeMethod, request, wait);
    if (!revocation) throw new RialtoError("PROTOCOL", "the answer to a revocation is none");
    return { revocation: toRevocation(revocation), sessionsEnded, nodesMissing, durability: toDurability(durability) };
  }

  /** What is revoked, the newest first. */
  revocations({ pageSize = 0, ...wait }: CallWait & { pageSize?: number } = {}): Listing<Revocation> {
    return new Listing(async (pageToken) => {
      const { revocations, nextPageToken } = await this.#client.ask(listRevocationsMethod, { pageSize, pageToken }, wait);
      return { entries: revocations.map(toRevocation), nextPageToken };
    });
  }

  /** Ends a revocation before its time. `wasRevoked`: there was one. */
  async reinstate(revoked: Revoked, wait: CallWait = {}): Promise<{ wasRevoked: boolean; nodesMissing: readonly string[] }> {
    const { wasRevoked, nodesMissing } = await this.#client.ask(reinstateMethod, { revoked: from(revoked) }, wait);
    return { wasRevoked, nodesMissing };
  }
}

function from(revoked: Revoked) {
  if ("user" in revoked) return { what: { case: "user" as const, value: revoked.user } };
  if ("tokenId" in revoked) return { what: { case: "tokenId" as const, value: revoked.tokenId } };
  return { what: { case: "sessionId" as const, value: revoked.sessionId } };
}

function to({ what }: WireRevoked): Revoked {
  if (what.case === "tokenId") return { tokenId: what.value };
  return what.case === "sessionId" ? { sessionId: what.value } : { user: what.value ?? "" };
}

function toRevocation({ revoked, revokedAt, keptUntil, reason }: WireRevocation): Revocation {
  return { revoked: revoked ? to(revoked) : { user: "" }, revokedAt: date(revokedAt), keptUntil: date(keptUntil), reason };
}

function date(time: Timestamp | undefined): Date {
  return time ? timestampDate(time) : new Date(0);
}
