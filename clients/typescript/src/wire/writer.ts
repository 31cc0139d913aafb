// Writes protobuf into bytes that grow. https://protobuf.dev/programming-guides/encoding/

const TEXT = /*@__PURE__*/ new TextEncoder();
const MASK = 0xffff_ffff_ffff_ffffn;

/** Writes values one after the other. */
export class Writer {
  #bytes = new Uint8Array(256);
  #at = 0;

  /** A number of 32 bits without a sign. Throws for any other. */
  uint32(value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw new RangeError(`${value} is no number from 0 to 4,294,967,295`);
    this.#grow(5);
    for (; value > 127; value >>>= 7) this.#bytes[this.#at++] = (value & 127) | 128;
    this.#bytes[this.#at++] = value;
  }

  /** A number of 64 bits; a negative one as its complement. Throws for a larger one. */
  int64(value: bigint): void {
    if (value > MASK || value < -(MASK >> 1n) - 1n) throw new RangeError(`${value} has more than 64 bits`);
    this.#grow(10);
    let rest = value & MASK;
    for (; rest > 127n; rest >>= 7n) this.#bytes[this.#at++] = Number(rest & 127n) | 128;
    this.#bytes[this.#at++] = Number(rest);
  }

  /** Bytes, and their number before them. */
  delimited(bytes: Uint8Array): void {
    this.uint32(bytes.length);
    this.#grow(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** A text in UTF-8. */
  text(text: string): void {
    this.delimited(TEXT.encode(text));
  }

  /** What `write` writes, and its length before it. */
  nested(write: () => void): void {
    const start = this.#at;
    write();
    const inner = this.#bytes.slice(start, this.#at);
    this.#at = start;
    this.delimited(inner);
  }

  /** Everything that was written. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  #grow(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    const larger = new Uint8Array((this.#at + more) * 2);
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}
