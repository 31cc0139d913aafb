// The client for Node: a session in one bidirectional stream over HTTP/2, in clear or over TLS, and a client without one.
// The transport's own pings watch the connection.

import { Http2SessionManager } from "@connectrpc/connect-node";
import type { SecureClientSessionOptions } from "node:http2";
import { inflateRawSync } from "node:zlib";
import { address } from "./core/address.js";
import type { ClientOptions } from "./core/caller.js";
import type { Carrier, Inflate } from "./core/carrier.js";
import { Client } from "./core/client.js";
import type { SessionOptions } from "./core/options.js";
import { Session } from "./core/session.js";
import { openWhole } from "./core/whole.js";
import { http2Transport } from "./wire/http2.js";

export * from "./index.js";
export { http2Transport };

/** What a session in Node can be told. */
export interface NodeOptions extends SessionOptions {
  /** Certificates and other options of the connection. */
  tls?: SecureClientSessionOptions;
}

const inflate: Inflate = (data, dictionary, bytesMax) => inflateRawSync(data, { dictionary, maxOutputLength: bytesMax });

/** What a client in Node can be told. */
export interface NodeClientOptions extends ClientOptions {
  /** Certificates and other options of the connection. */
  tls?: SecureClientSessionOptions;
}

/** Makes a client without a session. It connects when it is first used, and again when that is lost. */
export function createClient(url: string, options: NodeClientOptions = {}): Client {
  const { manager, transport } = line(url, options.tls);
  return new Client({ transport, streamsUp: true, close: () => manager.abort() }, options);
}

/** Opens a session and returns at once; its status says how it goes. It waits for a server that is not there yet. */
export function open(url: string, options: NodeOptions = {}): Session {
  const { manager, transport } = line(url, options.tls);
  const carrier: Carrier = {
    transport,
    open: (hello, signal) => openWhole(transport, hello, signal),
    inflate: () => Promise.resolve(inflate),
    close: () => manager.abort(),
  };
  return new Session(carrier, options);
}

/** Opens a session and waits until it is attached. Rejects, and leaves nothing behind, when the first attempt fails; with
 * `waitForServer` only when something closes the session. */
export async function connect(url: string, options: NodeOptions = {}): Promise<Session> {
  const session = open(url, { waitForServer: false, ...options });
  await session.ready();
  return session;
}

function line(url: string, tls: SecureClientSessionOptions | undefined) {
  const manager = new Http2SessionManager(address(url), { pingIntervalMs: 20_000, pingTimeoutMs: 10_000 }, tls);
  return { manager, transport: http2Transport(manager) };
}
