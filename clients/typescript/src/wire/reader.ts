// Reads what protobuf writes, from bytes that anybody may have sent: every step is within them, or throws.
// https://protobuf.dev/programming-guides/encoding/

/** How a field travels: the lowest three bits of its tag. */
export const Wire = { VARINT: 0, BYTES_8: 1, DELIMITED: 2, BYTES_4: 5 };

const TEXT = /*@__PURE__*/ new TextDecoder("utf-8", { ignoreBOM: true });
/** Below this many bytes a text is read faster here than by the platform, as long as it is ASCII. */
const SHORT = 40;
/** Bits after which a number must have ended. */
const BITS_MAX = 70;

/** Reads values one after the other. */
export class Reader {
  readonly #bytes: Uint8Array;
  /** Where the next value begins. */
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** A number of 32 bits; of a larger one the lowest. */
  uint32(): number {
    let value = 0;
    for (let shift = 0; shift < BITS_MAX; shift += 7) {
      const byte = this.#byte();
      if (shift < 32) value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
    }
    throw new RangeError("a number that does not end");
  }

  /** A number of 64 bits. */
  uint64(): bigint {
    let [low, high] = [0, 0];
    for (let shift = 0; shift < BITS_MAX; shift += 7) {
      const byte = this.#byte();
      if (shift < 32) low |= (byte & 127) << shift;
      if (shift === 28) high = (byte & 127) >> 4;
      else if (shift > 28) high |= (byte & 127) << (shift - 32);
      if (byte < 128) return high === 0 ? BigInt(low >>> 0) : (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
    }
    throw new RangeError("a number that does not end");
  }

  /** So many bytes as are told before them. They are not copied. */
  delimited(): Uint8Array {
    const end = this.end();
    const bytes = this.#bytes.subarray(this.at, end);
    this.at = end;
    return bytes;
  }

  /** A text in UTF-8; what is none of it is shown as U+FFFD. */
  text(): string {
    const end = this.end();
    const start = this.at;
    this.at = end;
    let text = "";
    let at = end - start < SHORT ? start : end;
    for (; at < end && this.#bytes[at]! < 128; at++) text += String.fromCharCode(this.#bytes[at]!);
    return at === end && text.length === end - start ? text : TEXT.decode(this.#bytes.subarray(start, end));
  }

  /** Where what is told next ends; its length is read. */
  end(): number {
    const end = this.uint32() + this.at;
    if (end > this.#bytes.length) throw new RangeError("a value is longer than what holds it");
    return end;
  }

  /** Passes over a value. */
  skip(wire: number): void {
    if (wire === Wire.VARINT) this.uint64();
    else if (wire === Wire.DELIMITED) this.at = this.end();
    else if (wire === Wire.BYTES_4 || wire === Wire.BYTES_8) this.at += wire === Wire.BYTES_4 ? 4 : 8;
    else throw new RangeError("a value that travels in no known way");
  }

  #byte(): number {
    const byte = this.#bytes[this.at++];
    if (byte === undefined) throw new RangeError("a value is longer than what holds it");
    return byte;
  }
}
