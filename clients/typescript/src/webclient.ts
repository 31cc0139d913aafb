// A client without a session for browsers, over grpc-web. Apart from `web.ts`, so that pages without it do not carry it.

import { Client } from "./core/client.js";
import { line, type WebClientOptions } from "./webcaller.js";

/** Makes a client without a session. */
export function createClient(url: string, options: WebClientOptions = {}): Client {
  return new Client(line(url, options), options);
}
