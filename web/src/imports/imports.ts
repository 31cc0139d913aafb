// Imports of files, in the rooms where they were begun: one card for each, whatever is heard of it. The part of the page that is
// fetched when an import is begun or heard of; rooms call it. While an import is on its way it stands where it was heard of first,
// and then where it has ended, so that everybody finds the end in the same place.

import type { RialtoEvent } from "@rialto/client/web";
import { JobLine } from "../state/entries.svelte.ts";
import { byChance } from "../state/keys.ts";
import type { ChatRoom } from "../state/room.svelte.ts";
import { visible } from "../text/names.ts";
import { card } from "./Line.svelte";
import { announce } from "./announce.ts";
import { Import } from "./import.svelte.ts";
import { hasEnded, readJob, readSummary, type Known } from "./job.ts";
import { addStyles } from "./styles.ts";
import { foundWords, stateWords } from "./words.ts";

const FILE_CHARACTERS_MAX = 120;
/** Imports of one room that are known; the oldest go first. */
const IMPORTS_MAX = 500;

const byRoom = new WeakMap<ChatRoom, Map<string, Import>>();
addStyles();

/** Begins to import a file. */
export function begin(room: ChatRoom, file: File): void {
  const item = new Import(room, known(file.name, room.around.me), new Date(), file);
  const line = new JobLine(item.at);
  note(room, item);
  room.add(line);
  stand(item, line);
  void item.send();
}

/** A room was told of a job: finds out what stands in the line that was made for that, if anything. */
export function hear(room: ChatRoom, line: JobLine): void {
  const { event } = line;
  const job = event && byServer(event) ? readJob(event.text, room.workspace) : undefined;
  if (!event || !job) return room.discard(line);
  let item = byRoom.get(room)?.get(job.id);
  const heardAt = event.sentAt.getTime();
  if (item && (heardAt < item.heardAt || item.line?.event?.id === event.id)) return room.discard(line);
  const isNew = item === undefined;
  item ??= new Import(room, { ...job, file: visible(job.file), by: visible(job.by) }, event.sentAt);
  if (isNew) note(room, item);
  item.heardAt = heardAt;
  item.take({ ...job, file: item.known.file, by: item.known.by });
  if (isNew || hasEnded(job)) stand(item, line);
  else room.discard(line);
  if (line.known || !hasEnded(job)) return;
  room.news(line);
  const found = readSummary(item.known.result);
  if (room.around.watched(room)) announce(`Import of ${item.known.file}: ${found ? foundWords(found) : stateWords(item.known)}`);
}

/** Rooms are told of jobs by the server itself: what anybody else says of them is no word about a job. */
function byServer({ sender }: RialtoEvent): boolean {
  return sender.session === "" && sender.user === "";
}

function known(name: string, by: string): Known {
  const file = visible(name).slice(0, FILE_CHARACTERS_MAX);
  return { id: byChance(), file, by, state: "waiting", progress: undefined, error: "", cancelling: false, pausing: false, deliveries: 0, result: "" };
}

function note(room: ChatRoom, item: Import): void {
  const items = byRoom.get(room) ?? new Map<string, Import>();
  byRoom.set(room, items.set(item.id, item));
  const [oldest] = items.keys();
  if (items.size > IMPORTS_MAX && oldest !== undefined) items.delete(oldest);
}

/** Puts the card of an import into a line, and no other. */
function stand(item: Import, line: JobLine): void {
  const { line: former, room } = item;
  item.line = line;
  line.job = item;
  line.card = card;
  if (former) {
    former.card = undefined;
    room.discard(former);
  }
  // It has grown: whoever is at its end stays there.
  room.entries = [...room.entries];
}
