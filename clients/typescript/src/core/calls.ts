// The two ways to call a method over a transport. A thin layer instead of a generated client: it keeps the page small.
// Knows nothing of what is called.

import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";

/** What a call may be given. */
export interface CallLimits {
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
  headers?: Record<string, string> | undefined;
}

/** One question, one answer. */
export async function unary<I extends DescMessage, O extends DescMessage>(
  transport: Transport,
  method: DescMethodUnary<I, O>,
  input: MessageInitShape<I>,
  { signal, timeoutMs, headers }: CallLimits,
): Promise<MessageShape<O>> {
  const response = await transport.unary(method, signal, timeoutMs, headers, input);
  return response.message;
}

/** A stream of answers to one question or to a stream of them. */
export async function* stream<I extends DescMessage, O extends DescMessage>(
  transport: Transport,
  method: DescMethodStreaming<I, O>,
  input: AsyncIterable<MessageInitShape<I>>,
  signal: AbortSignal,
): AsyncGenerator<MessageShape<O>> {
  const response = await transport.stream(method, signal, undefined, undefined, input);
  for await (const message of response.message) yield message;
}

/** One question as a stream. */
export async function* single<T>(value: T): AsyncGenerator<T> {
  yield value;
}
