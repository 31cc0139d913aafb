// A server that a test plays, called over the same transport as a real one; and what is said on the wire.

import { decode } from "../../dist/wire/decode.js";
import { encode } from "../../dist/wire/encode.js";

/** Answers calls with what functions by method give, or throw: a message, or an iterable of messages. */
export function playing(...calls) {
  const byPath = new Map(calls.map(([method, answer]) => [method.path, { method, answer }]));
  return {
    async call(path, messages, { signal }) {
      const { method, answer } = byPath.get(path);
      const { value } = await messages[Symbol.asyncIterator]().next();
      const said = answer(decode(method.input, value));
      return answers(method, said?.[Symbol.asyncIterator] ? said : [said], signal);
    },
  };
}

async function* answers({ output }, said, signal) {
  for await (const message of said) {
    signal?.throwIfAborted();
    yield encode(output, await message);
  }
}

/** What arrives of a message: its fields that are not nothing. */
export function onTheWire(type, message) {
  return withoutNothing(decode(type, encode(type, message)));
}

function withoutNothing(value) {
  if (Array.isArray(value)) return value.map(withoutNothing);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  const said = Object.entries(value).filter(([, each]) => !isNothing(each));
  return Object.fromEntries(said.map(([name, each]) => [name, withoutNothing(each)]));
}

function isNothing(value) {
  // A message has its fields, also when none says something; texts by texts have none then.
  if (typeof value === "object") return Object.keys(value).length === 0 || ("case" in value && value.case === undefined);
  return !value;
}

/** The bytes of a field that is a text. */
export const textField = (number, text) => [(number << 3) | 2, text.length, ...new TextEncoder().encode(text)];
/** A detail of a status by which a server of this kind gives its reason. */
export const reasonDetail = (reason, domain = "rialto", more = []) => ({
  typeUrl: "type.googleapis.com/google.rpc.ErrorInfo",
  value: new Uint8Array([...textField(1, reason), ...textField(2, domain), ...more]),
});
