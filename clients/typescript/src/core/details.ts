// The three of Google's error details that Rialto's servers send and this client obeys, as their messages. Knows nothing of codes;
// `errors.ts` reads them.

import { MessageType } from "../wire/message.js";
import { DurationSchema, type Duration } from "../wire/wellknown.js";

/** `google.rpc.ErrorInfo`. */
export const ErrorInfo = /*@__PURE__*/ new MessageType<{ reason: string; domain: string; metadata: Record<string, string> }>("reason=1s domain=2s metadata=3m");

/** `google.rpc.RetryInfo`. */
export const RetryInfo = /*@__PURE__*/ new MessageType<{ retryDelay?: Duration }>("retryDelay=1:0", () => [DurationSchema]);

/** A field of a request that is wrong. */
export interface Violation {
  readonly field: string;
  readonly description: string;
}

const FieldViolation = /*@__PURE__*/ new MessageType<Violation>("field=1s description=2s");
/** `google.rpc.BadRequest`. */
export const BadRequest = /*@__PURE__*/ new MessageType<{ fieldViolations: Violation[] }>("fieldViolations=1*:0", () => [FieldViolation]);
