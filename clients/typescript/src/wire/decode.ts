// Takes messages from the wire. What is not known is passed over, whatever it is; what cannot be a message throws.

import type { Field, Fields, Letter, MessageType } from "./message.js";
import { Reader, Wire } from "./reader.js";

/** The message that these bytes are. Throws when they are none. */
export function decode<T extends object>(type: MessageType<T>, bytes: Uint8Array): T {
  return read(new Reader(bytes), type, bytes.length) as T;
}

function read(reader: Reader, type: MessageType<object>, end: number): Fields {
  const message = type.blank();
  while (reader.at < end) {
    const tag = reader.uint32();
    const field = type.field(tag >>> 3);
    if (!field || !take(reader, field, tag & 7, message)) reader.skip(tag & 7);
  }
  within(reader, end);
  return message;
}

/** Takes a field, unless it travels in another way than it should. */
function take(reader: Reader, field: Field, wire: number, message: Fields): boolean {
  const { name, many, choice, letter, type } = field;
  const delimited = type !== undefined || letter === "s" || letter === "y" || letter === "m";
  if (wire !== (delimited ? Wire.DELIMITED : Wire.VARINT)) {
    // Numbers may travel together.
    if (!many || delimited || wire !== Wire.DELIMITED) return false;
    const end = reader.end();
    while (reader.at < end) (message[name] as unknown[]).push(TAKE[letter!](reader));
    within(reader, end);
  } else if (letter === "m") {
    takeEntry(reader, message[name] as Record<string, string>);
  } else {
    const value = type ? read(reader, type, reader.end()) : TAKE[letter!](reader);
    if (choice !== undefined) message[choice] = { case: name, value };
    else if (many) (message[name] as unknown[]).push(value);
    else message[name] = value;
  }
  return true;
}

function takeEntry(reader: Reader, texts: Record<string, string>): void {
  const entry: [string, string] = ["", ""];
  const end = reader.end();
  while (reader.at < end) {
    const tag = reader.uint32();
    if (tag === ((1 << 3) | Wire.DELIMITED)) entry[0] = reader.text();
    else if (tag === ((2 << 3) | Wire.DELIMITED)) entry[1] = reader.text();
    else reader.skip(tag & 7);
  }
  within(reader, end);
  // Not an assignment: a key may be called like something that every object has.
  Object.defineProperty(texts, entry[0], { value: entry[1], enumerable: true, configurable: true, writable: true });
}

function within(reader: Reader, end: number): void {
  if (reader.at !== end) throw new RangeError("a value is longer than what holds it");
}

const TAKE: Record<Letter, (reader: Reader) => unknown> = {
  s: (reader) => reader.text(),
  y: (reader) => reader.delimited(),
  b: (reader) => reader.uint64() !== 0n,
  u: (reader) => reader.uint32(),
  i: (reader) => reader.uint32() | 0,
  z: (reader) => {
    const value = reader.uint32();
    return (value >>> 1) ^ -(value & 1);
  },
  U: (reader) => reader.uint64(),
  I: (reader) => BigInt.asIntN(64, reader.uint64()),
  m: () => undefined,
};
