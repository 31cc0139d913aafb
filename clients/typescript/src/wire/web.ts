// Calls over grpc-web, which needs nothing but fetch. One message goes up, any number comes down; trailers are the last of them.
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md

import { enveloped, Envelopes } from "./envelope.js";
import { judge, judgeAnswer } from "./status.js";
import { deadline, type Transport } from "./transport.js";

const TRAILERS = 0x80;

/** Makes calls to a server; `init` is told to each fetch. */
export function webTransport(url: string, fetch: typeof globalThis.fetch, init: RequestInit = {}): Transport {
  const base = url.replace(/\/+$/, "");
  return {
    async call(path, messages, limits) {
      const { signal } = limits;
      const { value } = await messages[Symbol.asyncIterator]().next();
      const response = await fetch(base + path, {
        ...init,
        method: "POST",
        redirect: "error",
        headers: { ...limits.headers, ...deadline(limits), "content-type": "application/grpc-web+proto", "x-grpc-web": "1" },
        body: enveloped(value) as BodyInit,
        signal: signal ?? null,
      });
      const header = (name: string) => response.headers.get(name);
      const over = judgeAnswer(response.status, header("content-type") ?? "", header);
      return answers(over ? null : response.body, signal);
    },
  };
}

async function* answers(body: ReadableStream<Uint8Array> | null, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  if (!body) return;
  const reader = body.getReader();
  const envelopes = new Envelopes();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      // Some end what was given up as if it were complete.
      signal?.throwIfAborted();
      if (done) throw new Error("the connection was lost");
      for (const { flags, data } of envelopes.take(value)) {
        if (!(flags & TRAILERS)) yield data;
        else if (judge(trailersOf(data))) return;
      }
    }
  } finally {
    // Whoever reads no further wants no more of it.
    reader.cancel().catch(() => {});
  }
}

function trailersOf(data: Uint8Array): (name: string) => string | undefined {
  const lines = new TextDecoder().decode(data).split("\r\n");
  const trailers = new Map(lines.map((line) => {
    const at = line.indexOf(":");
    return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()];
  }));
  return (name) => trailers.get(name);
}
