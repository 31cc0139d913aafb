// A stream in one piece: the bidirectional call `Attach`, for runtimes that can stream upwards. Backpressure is the
// transport's: the next commands are handed over when it has asked for them.

import { create } from "../wire/message.js";
import type { Transport } from "../wire/transport.js";
import { ClientFrameSchema } from "../gen/rialto/v1/frame_pb.js";
import { AttachRequestSchema, attachMethod, type AttachRequest } from "../gen/rialto/v1/messaging_pb.js";
import type { Hello } from "../gen/rialto/v1/session_pb.js";
import { stream } from "./calls.js";
import type { Burst, Stream } from "./carrier.js";
import { Upstream } from "./upstream.js";

/** Opens a session in one bidirectional stream. */
export function openWhole(transport: Transport, hello: Hello, signal: AbortSignal): Stream {
  const up = new Upstream<AttachRequest>(signal);
  const first = create(ClientFrameSchema, { command: { case: "hello", value: hello } });
  void up.send(create(AttachRequestSchema, { frames: [first] })).catch(() => {});
  const send: Stream["send"] = ({ frames }) => up.send(create(AttachRequestSchema, { frames }));
  return { bursts: attach(transport, up, signal), numbered: false, send };
}

async function* attach(transport: Transport, up: Upstream<AttachRequest>, signal: AbortSignal): AsyncGenerator<Burst> {
  for await (const response of await stream(transport, attachMethod, up, { signal })) {
    yield { firstSeq: response.firstSeq, frames: response.frames };
  }
}
