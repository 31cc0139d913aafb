// What calls travel over, whatever it is: `web.ts` over fetch, `http2.ts` in Node.

/** What a call may be given. */
export interface CallLimits {
  signal?: AbortSignal | undefined;
  /** Told to the server, which gives up then; this side has to see to it by itself. */
  timeoutMs?: number | undefined;
  headers?: Record<string, string> | undefined;
}

/** Makes calls to one server. Messages are their bytes. */
export interface Transport {
  /** Resolves when the server has begun to answer. Rejects, here or while its messages are read, with a `StatusError` when the server
   * says no, with the reason of the signal when that fires, and else with what the surroundings have made of it. */
  call(path: string, messages: AsyncIterable<Uint8Array>, limits: CallLimits): Promise<AsyncIterable<Uint8Array>>;
}

/** How a server is told the time that it has. */
export function deadline({ timeoutMs }: CallLimits): Record<string, string> {
  // Deadlines travel in whole milliseconds.
  return timeoutMs === undefined ? {} : { "grpc-timeout": `${Math.max(1, Math.ceil(timeoutMs))}m` };
}
