// How messages follow each other in the body of a call: a byte of flags, four of length, the message. Pure.
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests

import { Code, StatusError } from "./status.js";

const HEAD = 5;
const COMPRESSED = 1;
/** Larger messages are not read. One carries all that waited. */
const BYTES_MAX = 16 << 20;

/** A message, or what a body ends with. */
export interface Envelope {
  readonly flags: number;
  readonly data: Uint8Array;
}

/** A message as it travels. */
export function enveloped(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEAD + message.length);
  new DataView(bytes.buffer).setUint32(1, message.length);
  bytes.set(message, HEAD);
  return bytes;
}

/** What a body has brought so far, message by message. */
export class Envelopes {
  #rest = new Uint8Array();

  /** Takes a piece of the body, whatever it holds. Gives the messages that are complete. Throws a `StatusError` when it cannot be read. */
  *take(piece: Uint8Array): Generator<Envelope> {
    let bytes = piece;
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + piece.length);
      bytes.set(this.#rest);
      bytes.set(piece, this.#rest.length);
    }
    let at = 0;
    while (bytes.length - at >= HEAD) {
      const length = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(1);
      if (length > BYTES_MAX) throw new StatusError(Code.INTERNAL, `a message of ${length} bytes`);
      const end = at + HEAD + length;
      if (end > bytes.length) break;
      const flags = bytes[at]!;
      if (flags & COMPRESSED) throw new StatusError(Code.INTERNAL, "a compressed message");
      yield { flags, data: bytes.subarray(at + HEAD, end) };
      at = end;
    }
    this.#rest = bytes.slice(at);
  }
}
