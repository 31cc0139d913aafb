// The two ways to call a method over a transport. A thin layer instead of a generated client: it keeps the page small.
// Knows nothing of what is called.

import { decode } from "../wire/decode.js";
import { encode } from "../wire/encode.js";
import type { Init, MessageType, Method } from "../wire/message.js";
import type { CallLimits, Transport } from "../wire/transport.js";
import { invalid, RialtoError } from "./errors.js";
import { bound } from "./time.js";

/** One question, one answer, before its time is up. */
export async function unary<I extends object, O extends object>(
  transport: Transport,
  { path, input, output }: Method<I, O>,
  message: Init<I>,
  { signal, timeoutMs, headers }: CallLimits,
): Promise<O> {
  const control = new AbortController();
  const clear = bound({ timeoutMs: timeoutMs ?? Infinity, signal, what: "the answer" }, (error) => control.abort(error));
  try {
    const answers = await transport.call(path, encoded(input, single(message)), { signal: control.signal, timeoutMs, headers });
    let answer: Uint8Array | undefined;
    // To its end, where the status is.
    for await (answer of answers);
    if (!answer) throw new RialtoError("PROTOCOL", "an answer that says nothing");
    return decoded(output, answer);
  } finally {
    clear();
  }
}

/** A stream of answers to one question or to a stream of them; resolves when it is open. */
export async function stream<I extends object, O extends object>(
  transport: Transport,
  { path, input, output }: Method<I, O>,
  messages: AsyncIterable<Init<I>>,
  limits: CallLimits,
): Promise<AsyncIterable<O>> {
  const answers = await transport.call(path, encoded(input, messages), limits);
  return (async function* () {
    for await (const answer of answers) yield decoded(output, answer);
  })();
}

/** One question as a stream. */
export async function* single<T>(value: T): AsyncGenerator<T> {
  yield value;
}

async function* encoded<I extends object>(type: MessageType<I>, messages: AsyncIterable<Init<I>>): AsyncGenerator<Uint8Array> {
  for await (const message of messages) {
    let bytes: Uint8Array;
    try {
      bytes = encode(type, message);
    } catch (cause) {
      throw invalid(`this cannot be said: ${(cause as Error).message}`);
    }
    yield bytes;
  }
}

function decoded<O extends object>(type: MessageType<O>, bytes: Uint8Array): O {
  try {
    return decode(type, bytes);
  } catch (cause) {
    throw new RialtoError("PROTOCOL", `what was answered cannot be read: ${(cause as Error).message}`);
  }
}
