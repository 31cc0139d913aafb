// What asks without a session in browsers, over grpc-web: enough for `new Jobs` and `new Worker`. Apart from the whole client, so
// that pages which only hand work over do not carry all of it.

import { address } from "./core/address.js";
import { Caller, type ClientLine, type ClientOptions } from "./core/caller.js";
import { webTransport } from "./wire/web.js";

/** What a client in a browser can be told. */
export interface WebClientOptions extends ClientOptions {
  /** Another `fetch`, for example with its own credentials mode. */
  fetch?: typeof globalThis.fetch;
}

/** Makes what jobs and workers ask through. */
export function createCaller(url: string, options: WebClientOptions = {}): Caller {
  return new Caller(line(url, options), options);
}

/** The way to a server. */
export function line(url: string, { fetch = globalThis.fetch }: WebClientOptions): ClientLine {
  return { transport: webTransport(address(url), fetch), streamsUp: false };
}
