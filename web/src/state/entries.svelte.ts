// What stands in a room's log: messages, questions with their answers, notices. Holds what changes about them; rooms
// create and feed them, the page shows them.

import { byChance, Keys } from "./keys.ts";
import type { Place, RialtoEvent } from "@rialto/client/web";
import type { Snippet } from "svelte";
import type { Import } from "../imports/import.svelte.ts";
import type { Markable } from "./seen.ts";

/** Who wrote something, as it was known then. */
export interface Author {
  readonly session: string;
  readonly name: string;
}

/** What happened to a message of ours. */
export type Delivery = "received" | "sending" | "accepted" | "failed";

const keys = new Keys();

/** A message. */
export class Message implements Markable {
  readonly kind = "message";
  readonly key = keys.next();
  readonly own: boolean;
  readonly author: Author;
  readonly text: string;
  at = $state.raw(new Date());
  delivery = $state<Delivery>("received");
  eventId = "";
  /** Its place in the history of the room, when it has one. */
  place: Place | undefined;
  /** Names the message for ever, so that it is sent once however often it is tried. */
  readonly idempotencyKey = byChance();
  recipients = $state(0);
  seenBy = $state.raw<ReadonlySet<string>>(new Set());
  failure = $state("");
  /** True when a failed message may have been sent all the same. */
  unsure = $state(false);

  constructor(own: boolean, author: Author, text: string, at: Date) {
    this.own = own;
    this.author = author;
    this.text = text;
    this.at = at;
  }

  /** True while it waits to be sent or to be answered. */
  get waits(): boolean {
    return this.delivery === "sending";
  }

  /** How many have seen it; never more than received it. */
  get seen(): number {
    return Math.min(this.seenBy.size, this.recipients);
  }
}

/** A line about the room itself. */
export class Notice {
  readonly kind = "notice";
  readonly key = keys.next();
  readonly text: string;
  readonly at: Date;

  constructor(text: string, at = new Date()) {
    this.text = text;
    this.at = at;
  }
}

/** A question to the room, ours or another's. */
export class Ask {
  readonly kind = "ask";
  readonly key = keys.next();
  readonly own: boolean;
  readonly author: Author;
  readonly question: string;
  readonly choices: readonly string[];
  readonly at: Date;
  readonly endsAt: number;
  /** The event, when the question came from another. */
  readonly event: RialtoEvent | undefined;
  eventId = "";
  /** How often each choice was given. */
  counts = $state.raw<ReadonlyMap<string, number>>(new Map());
  /** What was answered here. */
  answer = $state("");
  /** How many were asked. */
  asked = $state(0);
  over = $state(false);
  failure = $state("");

  constructor(own: boolean, author: Author, question: string, choices: readonly string[], seconds: number, at: Date, event?: RialtoEvent) {
    this.own = own;
    this.author = author;
    this.question = question;
    this.choices = choices;
    this.at = at;
    this.endsAt = Date.now() + seconds * 1000;
    this.event = event;
  }

  /** Counts one more answer; what is none of the choices is counted by its own text, within bounds. */
  count(answer: string): void {
    const choice = answer.slice(0, 80);
    if (!this.counts.has(choice) && this.counts.size >= 12) return;
    this.counts = new Map(this.counts).set(choice, (this.counts.get(choice) ?? 0) + 1);
  }
}

/** A place for a job. What stands there is found by the part of the page that knows jobs, which comes when it is needed. */
export class JobLine {
  readonly kind = "job";
  readonly key = keys.next();
  readonly at: Date;
  /** What was heard of it. */
  readonly event: RialtoEvent | undefined;
  /** True when it is no news. */
  readonly known: boolean;
  job: Import | undefined;
  /** Shows the job; absent when there is nothing to show. */
  card = $state.raw<Snippet<[JobLine]>>();

  constructor(at: Date, event?: RialtoEvent, known = true) {
    this.at = at;
    this.event = event;
    this.known = known;
  }
}

/** Anything in a log. */
export type Entry = Message | Notice | Ask | JobLine;
