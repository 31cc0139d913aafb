// The thread of a session through its streams: who it is, which frame was heard last, what of that the server knows.
// Owns the numbers that resuming rests on. Pure: opens nothing and sends nothing; `life.ts` does.

import { create } from "../wire/message.js";
import { ResumeSchema, type Resume, type Welcome } from "../gen/rialto/v1/session_pb.js";
import { millis, RialtoError } from "./errors.js";

/** So many frames are heard before the server is told. */
const SEEN_FRAMES = 64;

/** How a session came to its stream. */
export type Arrival =
  /** It is the first of this client. */
  | "first"
  /** The one before goes on: nothing was missed. */
  | "resumed"
  /** Another one took the place of the one before, which could not go on. */
  | "afresh";

/** The thread of one session. */
export class Thread {
  #id = "";
  #secret = "";
  #lasts = false;
  #known = false;
  #heard = 0;
  #told = 0;
  /** The number that the next frame of the stream must have; zero until the welcome. */
  #expected = 0;

  /** What the next greeting says to take up the session; nothing when there is none that could go on. */
  get resume(): Resume | undefined {
    if (!this.#lasts) return undefined;
    return create(ResumeSchema, { sessionId: this.#id, sessionSecret: this.#secret, seq: this.#heard, afresh: true });
  }

  /** How many frames were heard that the server was not told of. */
  get unconfirmed(): number {
    return this.#heard - this.#told;
  }

  /** Whether it is time to tell the server at once. */
  get due(): boolean {
    return this.unconfirmed >= SEEN_FRAMES;
  }

  /** A new stream begins. */
  opened(): void {
    this.#expected = 0;
  }

  /** The welcome has come. */
  welcomed(welcome: Welcome): Arrival {
    const arrival: Arrival = welcome.resumed ? "resumed" : this.#known ? "afresh" : "first";
    if (welcome.resumed && welcome.sessionId !== this.#id) {
      this.forget();
      throw new RialtoError("PROTOCOL", "another session was resumed");
    }
    if (!welcome.resumed) this.#heard = this.#told = 0;
    // The greeting has told it.
    else this.#told = this.#heard;
    this.#id = welcome.sessionId;
    this.#secret = welcome.sessionSecret;
    this.#lasts = millis(welcome.resumeWindow) > 0;
    this.#known = true;
    this.#expected = this.#heard + 1;
    return arrival;
  }

  /** Whether the frame with this number is to be handed on; throws when frames before it are missing. */
  takes(seq: number): boolean {
    if (seq === 0) return true;
    // The welcome of a new session is its first frame.
    if (this.#expected === 0 ? seq !== 1 : seq > this.#expected) throw new RialtoError("PROTOCOL", "frames are missing");
    return this.#expected === 0 || seq === this.#expected;
  }

  /** The frame with this number was handed on. */
  handedOn(seq: number): void {
    if (seq === 0) return;
    this.#heard = seq;
    this.#expected = seq + 1;
  }

  /** The number to tell the server, which is then taken as told. */
  tell(): number {
    this.#told = this.#heard;
    return this.#heard;
  }

  /** The session does not go on. */
  forget(): void {
    this.#lasts = false;
  }
}
