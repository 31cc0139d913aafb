// Calls of gRPC over HTTP/2, in Node: both sides stream. The connection is the library's, which opens it when it is first needed, again
// when it was lost, and asks it for signs of life.

import type { Http2SessionManager } from "@connectrpc/connect-node";
import { constants, type ClientHttp2Stream, type IncomingHttpHeaders } from "node:http2";
import { enveloped, Envelopes } from "./envelope.js";
import { judge, judgeAnswer, type Header } from "./status.js";
import { deadline, type CallLimits, type Transport } from "./transport.js";

/** Makes calls over a connection. */
export function http2Transport(connection: Http2SessionManager): Transport {
  return {
    async call(path, messages, limits) {
      limits.signal?.throwIfAborted();
      const headers = { ...limits.headers, ...deadline(limits), "content-type": "application/grpc+proto", te: "trailers" };
      const stream = await opened(connection.request("POST", path, headers, {}), limits.signal);
      return new Call(connection, stream, limits).begin(messages);
    },
  };
}

/** One call that is under way. */
class Call {
  readonly #connection: Http2SessionManager;
  readonly #stream: ClientHttp2Stream;
  readonly #signal: AbortSignal | undefined;
  #trailers: IncomingHttpHeaders = {};

  constructor(connection: Http2SessionManager, stream: ClientHttp2Stream, { signal }: CallLimits) {
    this.#connection = connection;
    this.#stream = stream;
    this.#signal = signal;
    stream.once("trailers", (trailers) => (this.#trailers = trailers));
    // Whoever reads is told; nobody may do so any more.
    stream.on("error", () => {});
    const stop = () => this.#cancel();
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
    stream.once("close", () => signal?.removeEventListener("abort", stop));
  }

  /** Says what there is to say, and resolves when there are answers. */
  async begin(messages: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
    void this.#say(messages);
    try {
      const header = reader(await this.#response());
      const over = judgeAnswer(Number(header(":status")), header("content-type") ?? "", header);
      return over ? none() : this.#answers();
    } catch (cause) {
      this.#cancel();
      throw cause;
    }
  }

  async #say(messages: AsyncIterable<Uint8Array>): Promise<void> {
    const stream = this.#stream;
    try {
      for await (const message of messages) {
        // The next one when this one is on its way: so the server's pace is felt here.
        await new Promise<void>((resolve, reject) => stream.write(enveloped(message), (error) => (error ? reject(error) : resolve())));
      }
      stream.end();
    } catch (cause) {
      stream.destroy(cause as Error);
    }
  }

  #response(): Promise<IncomingHttpHeaders> {
    return new Promise((resolve, reject) => {
      this.#stream.once("response", resolve);
      this.#stream.once("error", (error) => reject(this.#end(error)));
      this.#stream.once("close", () => reject(this.#end()));
    });
  }

  async *#answers(): AsyncGenerator<Uint8Array> {
    const envelopes = new Envelopes();
    try {
      for await (const piece of this.#stream as AsyncIterable<Uint8Array>) {
        this.#connection.notifyResponseByteRead(this.#stream);
        // Not as a Buffer, whose `slice` is another one than that of the bytes which are promised.
        const { buffer, byteOffset, byteLength } = piece;
        for (const { data } of envelopes.take(new Uint8Array(buffer, byteOffset, byteLength))) yield data;
      }
    } catch (cause) {
      throw this.#end(cause);
    } finally {
      this.#cancel();
    }
    if (this.#signal?.aborted || !judge(reader(this.#trailers))) throw this.#end();
  }

  #cancel(): void {
    this.#stream.close(constants.NGHTTP2_CANCEL);
    this.#stream.resume();
  }

  /** Why it is over without a status. */
  #end(cause?: unknown): unknown {
    if (this.#signal?.aborted) return this.#signal.reason;
    return cause ?? new Error("the connection was lost");
  }
}

/** The stream of a call; who gives up does not wait for a connection that may never come. */
function opened(opening: Promise<ClientHttp2Stream>, signal: AbortSignal | undefined): Promise<ClientHttp2Stream> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      reject(signal?.reason);
      opening.then((stream) => stream.close(constants.NGHTTP2_CANCEL)).catch(() => {});
    };
    signal?.addEventListener("abort", stop, { once: true });
    opening.then(resolve, reject).finally(() => signal?.removeEventListener("abort", stop));
  });
}

function reader(headers: IncomingHttpHeaders): Header {
  return (name) => headers[name]?.toString();
}

async function* none(): AsyncGenerator<Uint8Array> {}
