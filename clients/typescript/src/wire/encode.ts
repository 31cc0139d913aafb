// Puts messages on the wire.

import type { Choice, Field, Fields, Init, Letter, MessageType } from "./message.js";
import { Wire } from "./reader.js";
import { Writer } from "./writer.js";

/** The bytes of a message: what `message` does not say is not there. Throws for a number that its field cannot hold. */
export function encode<T extends object>(type: MessageType<T>, message: Init<T>): Uint8Array {
  const writer = new Writer();
  write(writer, type, message as Fields);
  return writer.finish();
}

function write(writer: Writer, type: MessageType<object>, message: Fields): void {
  for (const field of type.fields) {
    const { name, choice, many, letter } = field;
    const chosen = choice === undefined ? undefined : (message[choice] as Choice | undefined);
    const value = choice === undefined ? message[name] : chosen?.case === name ? chosen.value : undefined;
    if (value === undefined || value === null) continue;
    if (many) for (const each of value as unknown[]) writeOne(writer, field, each);
    else if (letter === "m") for (const entry of Object.entries(value as object)) writeEntry(writer, field, entry);
    else if (chosen || field.mayMiss || field.type || !isNothing(value)) writeOne(writer, field, value);
  }
}

function isNothing(value: unknown): boolean {
  return value === "" || value === 0 || value === 0n || value === false || (value instanceof Uint8Array && value.length === 0);
}

function writeOne(writer: Writer, { number, letter, type }: Field, value: unknown): void {
  writer.uint32((number << 3) | (type || letter === "s" || letter === "y" ? Wire.DELIMITED : Wire.VARINT));
  if (type) writer.nested(() => write(writer, type, value as Fields));
  else PUT[letter!](writer, value as never);
}

function writeEntry(writer: Writer, { number }: Field, entry: [string, string]): void {
  writer.uint32((number << 3) | Wire.DELIMITED);
  writer.nested(() =>
    entry.forEach((text, at) => {
      writer.uint32(((at + 1) << 3) | Wire.DELIMITED);
      writer.text(text);
    }),
  );
}

const PUT: Record<Letter, (writer: Writer, value: never) => void> = {
  s: (writer, value) => writer.text(value),
  y: (writer, value) => writer.delimited(value),
  b: (writer, value) => writer.uint32(value ? 1 : 0),
  u: (writer, value) => writer.uint32(value),
  i: (writer, value) => writer.int64(BigInt(value)),
  z: (writer, value: number) => writer.uint32(((value << 1) ^ (value >> 31)) >>> 0),
  U: (writer, value) => writer.int64(value),
  I: (writer, value) => writer.int64(value),
  m: () => {},
};
