// How a call ended, as a server says it in headers or trailers.

import { decode } from "./decode.js";
import { MessageType } from "./message.js";

/** Numbers of `google.rpc.Code` that mean something here. */
export const Code = { CANCELLED: 1, UNKNOWN: 2, DEADLINE_EXCEEDED: 4, PERMISSION_DENIED: 7, FAILED_PRECONDITION: 9, ABORTED: 10, UNIMPLEMENTED: 12, INTERNAL: 13, UNAVAILABLE: 14, UNAUTHENTICATED: 16 };

/** Something that a status says beside its code. */
export interface Detail {
  typeUrl: string;
  value: Uint8Array;
}

/** A call that a server has ended with no. */
export class StatusError extends Error {
  /** A number of `google.rpc.Code`. */
  readonly status: number;
  readonly details: readonly Detail[];

  constructor(status: number, message: string, details: readonly Detail[] = []) {
    super(message);
    this.status = status;
    this.details = details;
  }
}

const Any = /*@__PURE__*/ new MessageType<Detail>("typeUrl=1s value=2y");
const Status = /*@__PURE__*/ new MessageType<{ code: number; message: string; details: Detail[] }>("code=1i message=2s details=3*:0", () => [Any]);

/** Reads one header or trailer. */
export type Header = (name: string) => string | null | undefined;

/** Throws when these headers, or trailers, say no. False when they say nothing. */
export function judge(header: Header): boolean {
  const said = header("grpc-status");
  if (said == null) return false;
  if (said === "0") return true;
  const details = header("grpc-status-details-bin");
  throw new StatusError(Number(said) || Code.UNKNOWN, text(header("grpc-message") ?? ""), details ? detailsOf(details) : []);
}

/** Throws when an answer comes from something that is no server of gRPC, or says no at once. True when it says that all is over. */
export function judgeAnswer(httpStatus: number, contentType: string, header: Header): boolean {
  if (judge(header)) return true;
  if (httpStatus === 200 && /^application\/grpc/.test(contentType)) return false;
  throw new StatusError(BY_HTTP[httpStatus] ?? Code.INTERNAL, `an answer of HTTP ${httpStatus} that is none of gRPC`);
}

/** https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md */
const BY_HTTP: Partial<Record<number, number>> = {
  401: Code.UNAUTHENTICATED,
  403: Code.PERMISSION_DENIED,
  404: Code.UNIMPLEMENTED,
  429: Code.UNAVAILABLE,
  502: Code.UNAVAILABLE,
  503: Code.UNAVAILABLE,
  504: Code.UNAVAILABLE,
};

function text(escaped: string): string {
  try {
    return decodeURIComponent(escaped);
  } catch {
    return escaped;
  }
}

/** Details that cannot be read are no reason to lose the status that carried them. */
function detailsOf(base64: string): Detail[] {
  try {
    return decode(Status, Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))).details;
  } catch {
    return [];
  }
}
