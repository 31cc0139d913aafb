// Streams that a test plays the other end of: it says frames under the numbers that a node would give them, and waits for
// commands. Used by the tests of the session.

import { BoundedQueue } from "../../dist/core/queue.js";
import { Session } from "../../dist/core/session.js";
import { CloseCode } from "../../dist/gen/rialto/v1/code_pb.js";
import { ServerFrameSchema } from "../../dist/gen/rialto/v1/frame_pb.js";
import { create } from "../../dist/wire/message.js";

/** A carrier whose streams the test plays the other end of. */
class Script {
  streams = [];
  #waiting = [];
  transport = {};
  /** The number of the next frame of the session. */
  seq = 1;

  constructor(numbered, more) {
    this.numbered = numbered;
    Object.assign(this, more);
  }

  open(hello, signal) {
    const bursts = new BoundedQueue(1000);
    signal.addEventListener("abort", () => bursts.end(signal.reason));
    const sent = new BoundedQueue(1000);
    const make = (frames) => frames.map((frame) => create(ServerFrameSchema, frame));
    const stream = {
      hello,
      signal,
      batches: [],
      /** Says frames; a welcome of a new session begins to count anew, other welcomes and closes have no number. */
      say: (...frames) => {
        const [{ frame }] = frames;
        if (frame.case === "welcome" && !frame.value.resumed) this.seq = 1;
        const bare = frame.case === "close" || (frame.case === "welcome" && frame.value.resumed);
        const numbered = bare ? frames.slice(1) : frames;
        if (bare) bursts.push({ firstSeq: 0, frames: make(frames.slice(0, 1)) });
        if (numbered.length === 0) return;
        bursts.push({ firstSeq: this.seq, frames: make(numbered) });
        this.seq += numbered.length;
      },
      skip: () => this.seq++,
      end: (error) => bursts.end(error),
      /** The next command of a kind; what comes before it is passed over. */
      command: async (wanted) => {
        for (;;) {
          const { value } = await sent.next();
          if (value.command.case === wanted) return value;
        }
      },
    };
    this.streams.push(stream);
    this.#waiting.shift()?.(stream);
    const send = async (batch) => {
      stream.batches.push(batch);
      if (signal.aborted) throw signal.reason;
      for (const frame of batch.frames) sent.push(frame);
      if (stream.held) await Promise.race([stream.held, new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))]);
    };
    return { bursts, numbered: this.numbered, send, farewell: (batch) => (stream.farewell = batch) };
  }

  watch(surroundings) {
    this.surroundings = surroundings;
    return () => {};
  }

  /** The next stream that is opened. */
  next() {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

const WINDOW = { seconds: 120n, nanos: 0 };

/** A frame that begins a session. */
export const welcome = (more = {}) => ({ frame: { case: "welcome", value: { sessionId: "n-1", sessionSecret: "s", ...more } } });
/** A frame that begins a session which outlives its stream. */
export const lasting = (more = {}) => welcome({ resumeWindow: WINDOW, ...more });
/** A frame with which a session goes on. */
export const resumed = (more = {}) => lasting({ resumed: true, ...more });
/** An answer to a join. */
export const joined = (namespace, ...rooms) => ({
  frame: { case: "joined", value: { namespace, rooms: rooms.map((room) => (typeof room === "string" ? { room, memberCount: 1 } : { memberCount: 1, ...room })) } },
});
/** The end of a stream. */
export const close = (code) => ({ frame: { case: "close", value: { code } } });
/** An event of a room. */
export const event = (room, text, more = {}) => ({
  frame: { case: "event", value: { namespace: "chat", rooms: [room].flat(), eventId: `id-${text}`, content: { event: "message", body: { case: "text", value: text } }, ...more } },
});
/** An answer to an emit. */
export const accepted = (ref, more = {}) => ({ ref, frame: { case: "accepted", value: { eventId: `e-${ref}`, recipientsHere: 1, ...more } } });

/** A session with the first of its streams. */
export async function start(t, { numbered = false, carrier = {}, ...options } = {}) {
  const script = new Script(numbered, carrier);
  const opening = script.next();
  const session = new Session(script, { backoff: { firstMs: 1, maxMs: 1 }, ...options });
  t.after(() => {
    script.streams.at(-1).signal.aborted || script.streams.at(-1).say(close(CloseCode.BYE));
    return session.close();
  });
  return { script, session, stream: await opening };
}

/** A session that is attached and in rooms; each room is given as the server describes it. */
export async function inRooms(t, rooms, { join = {}, ...options } = {}) {
  const { script, session, stream } = await start(t, options);
  stream.say(lasting());
  await session.ready();
  const found = [];
  for (const room of rooms) {
    const name = typeof room === "string" ? room : room.room;
    const joining = session.namespace("chat").room(name).join(join);
    const { ref } = await stream.command("join");
    stream.say({ ref, ...joined("chat", room) });
    await joining;
    found.push(session.namespace("chat").room(name));
  }
  return { script, session, stream, rooms: found };
}

/** Breaks a stream; the next one, which has greeted. */
export async function broken(script, stream) {
  const again = script.next();
  stream.end(new Error("cut"));
  return again;
}

/** What a room hears, in order: texts of its events and notices. */
export function hears(room) {
  const heard = [];
  room.onAny((event) => heard.push(event.text));
  room.onMissed((missed) => heard.push(missed));
  return heard;
}

/** Resolves when everything that was said so far was heard. */
export async function settled(stream) {
  stream.say({ frame: { case: "ping", value: {} } });
  await stream.command("pong");
}
