// One import as the page knows it: on its way to the server when it was begun here, and then a job, of which the room and a
// watch tell. What was told late changes nothing.

import { RialtoError, type Job } from "@rialto/client/web";
import type { JobLine } from "../state/entries.svelte.ts";
import { words, type ChatRoom } from "../state/room.svelte.ts";
import { jobsOf } from "./client.ts";
import { hasEnded, type Known } from "./job.ts";
import { enqueue, payloadOf } from "./sending.ts";

/** What becomes of a file before there is a job. */
export type Stage =
  | "uploading"
  /** It is there, and the job is put in. */
  | "handing-over"
  | "handed-over"
  /** It did not get there. */
  | "failed"
  /** Whoever has begun it wants it no more. */
  | "dropped";

/** An import. */
export class Import {
  readonly id: string;
  readonly room: ChatRoom;
  readonly at: Date;
  known = $state.raw() as Known;
  stage = $state<Stage>("handed-over");
  sentBytes = $state(0);
  /** Why it did not get there, or cannot be cancelled or paused. */
  failure = $state("");
  /** False once the server has said that this page may not. */
  mayChange = $state(true);
  /** This page has asked for its end. */
  asked = $state(false);
  /** When the room was told of it last. */
  heardAt = 0;
  /** Where it stands. */
  line: JobLine | undefined;
  /** The file, when it was begun here. */
  readonly file: File | undefined;
  #control = new AbortController();
  #looked = false;
  #asking = false;

  constructor(room: ChatRoom, known: Known, at: Date, file?: File) {
    this.id = known.id;
    this.room = room;
    this.known = known;
    this.at = at;
    this.file = file;
  }

  /** What its card is called in the page. */
  get cardId(): string {
    return `import-${this.id}`;
  }

  /** Whether there is nothing more to come of it. */
  get ended(): boolean {
    return this.stage === "failed" || this.stage === "dropped" || (this.stage === "handed-over" && hasEnded(this.known));
  }

  /** Looks once for what it has found, when that did not come with its end: it may have been too large for the room. */
  lookForResult(): void {
    if (this.#looked || this.known.state !== "completed" || this.known.result !== "") return;
    this.#looked = true;
    void this.look();
  }

  /** The room was told something newer, or a watch was. */
  take(next: Known): void {
    const { known } = this;
    const goesBack = (hasEnded(known) && !hasEnded(next)) || (known.state === "paused" && next.state === "running");
    const late = next.deliveries < known.deliveries || (goesBack && next.deliveries === known.deliveries);
    if (this.stage !== "handed-over") this.#become("handed-over");
    if (late && known.state !== "gone") return;
    if (hasEnded(next) && !hasEnded(known)) this.leaveCard();
    const before = next.deliveries === known.deliveries ? known.progress : undefined;
    this.known = { ...next, progress: next.progress ?? before, result: next.result || known.result };
    if (next.state !== known.state) this.#become("handed-over");
  }

  /** A watch tells. */
  told({ state, progress, error, cancelling, pausing, deliveries, result }: Job): void {
    const { id, file, by } = this.known;
    this.take({ id, file, by, state, progress, error: error?.message ?? "", cancelling, pausing, deliveries, result: result?.text ?? "" });
  }

  /** Looks how it is. False when it is forgotten. */
  async look(): Promise<boolean> {
    try {
      this.told(await jobsOf(this.room).get(this.id));
      return true;
    } catch (error) {
      if (!(error instanceof RialtoError) || error.code !== "NOT_FOUND") return true;
      if (!hasEnded(this.known)) this.known = { ...this.known, state: "gone" };
      return false;
    }
  }

  /** Begins anew, where it has failed or was dropped. */
  sendAgain(): Promise<void> {
    this.leaveCard();
    return this.send();
  }

  /** Gets the file to the server and puts the job in. */
  async send(): Promise<void> {
    const { file, room } = this;
    if (!file) return;
    this.#control = new AbortController();
    this.sentBytes = 0;
    this.#become("uploading");
    try {
      const payload = await payloadOf(room, file, (done) => (this.sentBytes = done), this.#control.signal);
      this.#control.signal.throwIfAborted();
      this.#become("handing-over");
      await enqueue(room, this.known, payload);
      this.#become("handed-over");
    } catch (error) {
      // The job may have been put in although nobody has answered: the room has told of it, or it is there when it is put in again.
      if (this.heardAt > 0) return;
      if (error instanceof RialtoError && error.code === "ALREADY_EXISTS") return this.#become("handed-over");
      const dropped = this.#control.signal.aborted;
      this.#become(dropped ? "dropped" : "failed", dropped ? "" : why(error));
    }
  }

  /** Forgets it, when it did not get there. */
  discard(): void {
    this.leaveCard();
    if (this.line) this.room.discard(this.line);
  }

  #become(stage: Stage, failure = ""): void {
    this.stage = stage;
    this.failure = failure;
    this.#grown();
  }

  /** Whoever is at the end of the log stays there. */
  #grown(): void {
    this.room.entries = [...this.room.entries];
  }

  /** What can be pressed in its card is about to go: the focus must not go with it. */
  leaveCard(): void {
    const card = document.getElementById(this.cardId);
    if (card?.contains(document.activeElement)) document.getElementById("composer")?.focus();
  }

  /** Whether it is paused, or is to be. */
  get held(): boolean {
    return this.known.state === "paused" || this.known.pausing;
  }

  /** Has it wait until somebody wants it to go on, or go on. What is pressed twice is done once. */
  async hold(held: boolean): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    this.failure = "";
    const { known } = this;
    try {
      const jobs = jobsOf(this.room);
      const job = await (held ? jobs.pauseJob(this.id) : jobs.resumeJob(this.id));
      // What was told meanwhile may be newer than the answer.
      if (this.known === known) this.told(job);
    } catch (error) {
      this.#notDone(error);
    }
    this.#asking = false;
  }

  /** Wants it no more. */
  async cancel(): Promise<void> {
    this.leaveCard();
    this.failure = "";
    if (this.stage === "uploading") return this.#control.abort();
    this.asked = true;
    try {
      this.told(await jobsOf(this.room).cancel(this.id, { reason: `by ${this.room.around.me}` }));
    } catch (error) {
      this.asked = false;
      this.#notDone(error);
    }
  }

  /** The server has not done what was asked. */
  #notDone(error: unknown): void {
    if (error instanceof RialtoError && error.code === "FORBIDDEN") {
      this.leaveCard();
      this.mayChange = false;
    }
    this.failure = why(error);
  }
}

function why(error: unknown): string {
  if (!(error instanceof RialtoError)) return "The file could not be read; perhaps it has changed.";
  return error.code === "PAYLOAD_TOO_LARGE" ? "The file is larger than this server takes." : words(error);
}
