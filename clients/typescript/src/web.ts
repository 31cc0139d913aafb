// The client for browsers: a session in two halves over grpc-web, which needs nothing but `fetch`. Watches the page's
// surroundings, so that a laptop that wakes up or a network that returns is noticed at once.

import { address } from "./core/address.js";
import type { Carrier, Surroundings } from "./core/carrier.js";
import { openHalves } from "./core/halves.js";
import type { SessionOptions } from "./core/options.js";
import { Session } from "./core/session.js";
import { webTransport } from "./wire/web.js";

export * from "./index.js";
export { createCaller, type WebClientOptions } from "./webcaller.js";
export { createClient } from "./webclient.js";
export { webTransport };

/** What a session in a browser can be told. */
export interface WebOptions extends SessionOptions {
  /** Another `fetch`, for example with its own credentials mode. */
  fetch?: typeof globalThis.fetch;
}

const DOUBT_MS = 4_000;

/** Opens a session and returns at once; its status says how it goes. It waits for a server that is not there yet. */
export function open(url: string, options: WebOptions = {}): Session {
  const { fetch = globalThis.fetch } = options;
  const transport = webTransport(address(url), fetch);
  const lasting = webTransport(url, fetch, { keepalive: true });
  const carrier: Carrier = {
    transport,
    open: (hello, signal) => openHalves(transport, hello, signal, lasting),
    inflate: async () => (await import("./core/inflate.js")).inflate,
    watch,
  };
  return new Session(carrier, options);
}

/** Opens a session and waits until it is attached. Rejects, and leaves nothing behind, when the first attempt fails; with
 * `waitForServer` only when something closes the session. */
export async function connect(url: string, options: WebOptions = {}): Promise<Session> {
  const session = open(url, { waitForServer: false, ...options });
  await session.ready();
  return session;
}

function watch(surroundings: Surroundings): () => void {
  if (typeof window === "undefined") return () => {};
  const hope = () => surroundings.hope();
  const doubt = () => surroundings.doubt(DOUBT_MS);
  const look = () => {
    if (document.visibilityState !== "visible") return;
    surroundings.hope();
    surroundings.doubt(DOUBT_MS);
  };
  // A page that may come back is away meanwhile.
  const gone = (event: PageTransitionEvent) => event.persisted || surroundings.gone();
  window.addEventListener("pagehide", gone);
  window.addEventListener("online", hope);
  window.addEventListener("offline", doubt);
  window.addEventListener("pageshow", look);
  document.addEventListener("visibilitychange", look);
  return () => {
    window.removeEventListener("pagehide", gone);
    window.removeEventListener("online", hope);
    window.removeEventListener("offline", doubt);
    window.removeEventListener("pageshow", look);
    document.removeEventListener("visibilitychange", look);
  };
}
