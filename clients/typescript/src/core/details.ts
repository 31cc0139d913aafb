// The three of Google's error details that Rialto's servers send and this client obeys, read from their bytes.
// Owns their field numbers. Knows nothing of codes or transports; `errors.ts` calls it.

import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** `google.rpc.ErrorInfo`, as far as it is used here. */
export interface ErrorInfo {
  reason: string;
  domain: string;
  limit: string;
}

/** A field of a request that is wrong. */
export interface Violation {
  readonly field: string;
  readonly description: string;
}

type Visit = (field: number, wire: WireType, reader: BinaryReader) => boolean;

function read(bytes: Uint8Array, visit: Visit): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (!visit(field, wire, reader)) reader.skip(wire, field);
  }
}

/** Reads an `ErrorInfo`; malformed bytes give what was read until then. */
export function readErrorInfo(bytes: Uint8Array): ErrorInfo {
  const info: ErrorInfo = { reason: "", domain: "", limit: "" };
  tolerant(() =>
    read(bytes, (field, wire, reader) => {
      if (wire !== WireType.LengthDelimited) return false;
      if (field === 1) info.reason = reader.string();
      else if (field === 2) info.domain = reader.string();
      else if (field === 3) readMetadata(reader.bytes(), info);
      else return false;
      return true;
    }),
  );
  return info;
}

function readMetadata(bytes: Uint8Array, info: ErrorInfo): void {
  const [key, value = ""] = readTexts(bytes);
  if (key === "limit") info.limit = value;
}

/** Reads the fields that a `BadRequest` names. */
export function readBadRequest(bytes: Uint8Array): Violation[] {
  const violations: Violation[] = [];
  tolerant(() =>
    read(bytes, (field, wire, reader) => {
      if (field !== 1 || wire !== WireType.LengthDelimited) return false;
      const [name = "", description = ""] = readTexts(reader.bytes());
      violations.push({ field: name, description });
      return true;
    }),
  );
  return violations;
}

/** The first two fields of a message, which are texts. */
function readTexts(bytes: Uint8Array): string[] {
  const texts: string[] = [];
  read(bytes, (field, wire, reader) => {
    if (field > 2 || wire !== WireType.LengthDelimited) return false;
    texts[field - 1] = reader.string();
    return true;
  });
  return texts;
}

/** Reads the delay of a `RetryInfo` in milliseconds; `undefined` when there is none. */
export function readRetryInfo(bytes: Uint8Array): number | undefined {
  let delay: number | undefined;
  tolerant(() =>
    read(bytes, (field, wire, reader) => {
      if (field !== 1 || wire !== WireType.LengthDelimited) return false;
      delay = readDuration(reader.bytes());
      return true;
    }),
  );
  return delay;
}

function readDuration(bytes: Uint8Array): number {
  let ms = 0;
  read(bytes, (field, wire, reader) => {
    if (wire !== WireType.Varint) return false;
    if (field === 1) ms += Number(reader.int64()) * 1000;
    else if (field === 2) ms += reader.int32() / 1e6;
    else return false;
    return true;
  });
  return ms;
}

function tolerant(work: () => void): void {
  try {
    work();
  } catch {
    // A detail that cannot be read is no reason to lose the error that carried it.
  }
}
