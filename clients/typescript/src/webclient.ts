// A client without a session for browsers, over grpc-web. Apart from `web.ts`, so that pages without jobs do not carry it.

import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { Client, type ClientOptions } from "./core/client.js";

/** What a client in a browser can be told. */
export interface WebClientOptions extends ClientOptions {
  /** Another `fetch`, for example with its own credentials mode. */
  fetch?: typeof globalThis.fetch;
}

/** Makes a client without a session, for jobs. */
export function createClient(url: string, options: WebClientOptions = {}): Client {
  const { fetch = globalThis.fetch } = options;
  const transport = createGrpcWebTransport({ baseUrl: url, fetch: (input, init) => fetch(input, init) });
  return new Client({ transport, streamsUp: false }, options);
}
