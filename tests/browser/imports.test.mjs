// Files are imported in view of everybody in a room: handed over, followed, cancelled, paused, told at their end, also to who comes later.
// The work is done by a worker of the test's own, so that it goes as far as the test lets it; the last test has the program do it.
// These tests have a server of their own, because all imports of a workspace are in one queue.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { connect, createClient, Fail, Jobs, Worker } from "@rialto/client/node";
import { browse, Person } from "./lib/pages.mjs";
import { binary, DURABLE, Server } from "./lib/server.mjs";

const LOST = /Failed to load resource|net::ERR_/;
const PLACE = { namespace: "chat", queue: "imports" };
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const FOUND = {
  rows: 1204, accepted: 1190, rejected: 14, seconds: 1.2,
  reasons: [{ line: 12, column: "email", reason: "is not an address" }, { line: 31, column: "", reason: "has 3 fields instead of 2" }],
};
let browser;
let server;
let client;
before(async () => {
  [browser, server] = await Promise.all([browse(), Server.start(DURABLE)]);
  client = createClient(server.url);
});
after(async () => {
  client?.close();
  await browser?.close();
  await server?.stop();
});

const enter = (name, room, more = {}) => Person.enter(browser, server.url, name, { rooms: { chat: [room] }, ...more });

/** Has a person choose a file. */
async function choose(person, name, content) {
  const begin = person.page.getByRole("button", { name: "Import a CSV file" });
  const [chooser] = await Promise.all([person.page.waitForEvent("filechooser"), begin.click()]);
  await chooser.setFiles({ name, mimeType: "text/csv", buffer: Buffer.from(content) });
}

/** The card of a file; its name is no part of another one's. */
const card = (person, name) => person.log.locator("li.import").filter({ hasText: name });
const button = (person, verb, name) => card(person, name).getByRole("button", { name: `${verb} the import of ${name}` });
const says = (person, name, words) => card(person, name).getByText(words, { exact: true }).waitFor();
const share = (person, name, value) => card(person, name).locator(`[role=progressbar][aria-valuenow="${value}"]`).waitFor();

/** Has a function do the imports until the test ends. */
function work(t, fn) {
  const worker = new Worker(client, { queues: [PLACE] });
  const ended = worker.run(fn);
  t.after(async () => {
    await worker.stop({ timeoutMs: 0 });
    await ended.catch(() => {});
  });
}

/** A promise that the test settles. */
function gate() {
  let open;
  const opened = new Promise((resolve) => (open = resolve));
  return { open, opened };
}

test("an import waits, moves along and ends before the eyes of everybody, and who comes later finds it", async (t) => {
  const ann = await enter("Ann Import", "imports");
  const bob = await enter("Bob Import", "imports");
  await ann.sees(2);
  await choose(ann, "people.csv", "name,email\nann,ann@example.org\n");
  for (const person of [ann, bob]) {
    await says(person, "people.csv", "Waits for a worker.");
    await card(person, "people.csv").getByText("Ann Import", { exact: true }).waitFor();
  }
  const [half, all] = [gate(), gate()];
  let given;
  work(t, async (job) => {
    given = [job.type, job.contentType, job.text, job.attributes.file];
    job.progress(301, 1204, "301 of 1,204 rows");
    await half.opened;
    job.progress(602, 1204, "602 of 1,204 rows");
    await all.opened;
    return FOUND;
  });
  for (const person of [ann, bob]) await share(person, "people.csv", 25);
  await says(bob, "people.csv", "301 of 1,204 rows");
  half.open();
  for (const person of [ann, bob]) await share(person, "people.csv", 50);
  await bob.say("said meanwhile");
  await ann.hears("said meanwhile");
  all.open();
  const late = await enter("Late Import", "imports");
  for (const person of [ann, bob, late]) {
    await says(person, "people.csv", "Completed: 1,204 rows in 1.2 s, 14 rejected.");
    assert.deepEqual(await card(person, "people.csv").locator("dd").allTextContents(), ["1,204", "1,190", "14"]);
    await card(person, "people.csv").getByText("14 rejected rows").click();
    await says(person, "people.csv", "Line 12, email: is not an address");
    await says(person, "people.csv", "Line 31: has 3 fields instead of 2");
    await says(person, "people.csv", "And 12 more.");
    assert.equal(await person.log.locator("li.import").count(), 1, "one card");
    assert.match(await person.log.locator("li.message").last().textContent(), /people\.csv/, "it stands where it has ended");
  }
  assert.deepEqual(given, ["csv", "text/csv", "name,email\nann,ann@example.org\n", "people.csv"]);
  for (const person of [ann, bob]) {
    const told = await person.page.locator("body > [role=status]").textContent();
    assert.equal(told, "Import of people.csv: Completed: 1,204 rows in 1.2 s, 14 rejected.");
  }
  for (const person of [ann, bob, late]) await person.leave();
});

test("a large file is uploaded with a bar, and comes to the worker byte for byte", async (t) => {
  const ann = await enter("Ann Large", "large");
  const content = Buffer.from("id,value\n" + Array.from({ length: 200_000 }, (_, row) => `${row},${row * 7}\n`).join(""));
  const held = gate();
  let chunks = 0;
  await ann.page.route("**/UploadChunk", async (route) => {
    if (++chunks > 1) await held.opened;
    await route.continue();
  });
  let got;
  work(t, async (job) => {
    const pieces = [];
    for await (const piece of job.read()) pieces.push(piece);
    got = Buffer.concat(pieces);
    return { rows: 200_000, accepted: 200_000, rejected: 0, reasons: [], seconds: 0.5 };
  });
  await choose(ann, "large.csv", content);
  const bar = card(ann, "large.csv").getByRole("progressbar", { name: "Upload of large.csv" });
  await card(ann, "large.csv").locator('[role=progressbar]:not([aria-valuenow="0"])').waitFor();
  assert.match(await bar.getAttribute("aria-valuetext"), /^\d+ %, Uploading: [\d.]+ kB of 2\.\d MB\.$/);
  held.open();
  await says(ann, "large.csv", "Completed: 200,000 rows in 0.5 s, none rejected.");
  assert.ok(content.equals(got), "byte for byte");
  await ann.leave();
});

test("an upload is cancelled, taken up again and discarded, and nobody else sees anything of it", async () => {
  const ann = await enter("Ann Stops", "stops");
  const bob = await enter("Bob Stops", "stops");
  const held = gate();
  await ann.page.route("**/UploadChunk", async (route) => {
    await held.opened;
    await route.continue().catch(() => {});
  });
  await choose(ann, "stop.csv", Buffer.alloc(1 << 20, "a,b\n"));
  for (const then of ["Try again", "Discard"]) {
    await button(ann, "Cancel", "stop.csv").click();
    await says(ann, "stop.csv", "Cancelled before it was handed over.");
    await ann.page.waitForFunction(() => document.activeElement?.id === "composer");
    await card(ann, "stop.csv").getByRole("button", { name: then }).click();
  }
  await card(ann, "stop.csv").waitFor({ state: "detached" });
  await ann.page.waitForFunction(() => document.activeElement?.id === "composer");
  await ann.say("that was all");
  await bob.hears("that was all");
  assert.equal(await bob.log.locator("li.import").count(), 0);
  const { entries } = await new Jobs(client, PLACE).list().page();
  assert.deepEqual(entries.filter(({ attributes }) => attributes.file === "stop.csv"), []);
  held.open();
  await ann.leave(LOST);
  await bob.leave();
});

test("anybody cancels an import that waits or runs, and everybody sees who it was", async (t) => {
  const ann = await enter("Ann Cancels", "cancels");
  const bob = await enter("Bob Cancels", "cancels");
  await choose(ann, "waits.csv", "a\n1\n");
  await button(bob, "Cancel", "waits.csv").click();
  for (const person of [ann, bob]) await says(person, "waits.csv", "Cancelled: by Bob Cancels");
  const begun = gate();
  work(t, (job) => {
    begun.open();
    return new Promise((_, fail) => job.cancelled.addEventListener("abort", () => fail(job.cancelled.reason)));
  });
  await choose(ann, "runs.csv", "a\n1\n");
  await begun.opened;
  await says(ann, "runs.csv", "Running.");
  await button(ann, "Cancel", "runs.csv").click();
  for (const person of [ann, bob]) {
    await says(person, "runs.csv", "Cancelled: by Ann Cancels");
    assert.equal(await card(person, "runs.csv").getByRole("button").count(), 0);
  }
  await ann.leave();
  await bob.leave();
});

test("anybody pauses an import that waits, by keyboard too, and who comes later has it go on", async () => {
  const ann = await enter("Ann Waits", "pauses-waiting");
  const bob = await enter("Bob Waits", "pauses-waiting");
  await choose(ann, "held.csv", "a\n1\n");
  await button(bob, "Pause", "held.csv").focus();
  await bob.page.keyboard.press("Enter");
  for (const person of [ann, bob]) await says(person, "held.csv", "Paused.");
  await button(bob, "Resume", "held.csv").and(bob.page.locator(":focus")).waitFor();
  const late = await enter("Late Waits", "pauses-waiting");
  await says(late, "held.csv", "Paused.");
  await button(late, "Resume", "held.csv").click();
  for (const person of [ann, bob, late]) await says(person, "held.csv", "Waits for a worker.");
  await button(late, "Pause", "held.csv").click();
  await button(ann, "Resume", "held.csv").waitFor();
  await button(ann, "Cancel", "held.csv").click();
  for (const person of [ann, bob, late]) {
    await says(person, "held.csv", "Cancelled: by Ann Waits");
    assert.equal(await card(person, "held.csv").getByRole("button").count(), 0);
    await person.leave();
  }
});

test("an import that runs is paused before the eyes of everybody, and goes on where it was", async (t) => {
  const ann = await enter("Ann Pauses", "pauses-running");
  const bob = await enter("Bob Pauses", "pauses-running");
  const [back, end] = [gate(), gate()];
  const begun = [];
  work(t, async (job) => {
    const asked = new Promise((resolve) => job.toPause.addEventListener("abort", resolve));
    begun.push([job.attempt, new TextDecoder().decode(job.lastCheckpoint)]);
    job.progress(begun.length, 4, `${begun.length} of four`);
    await (begun.length > 1 ? end.opened : Promise.all([back.opened, asked]));
    job.checkpoint("one of four");
    job.toPause.throwIfAborted();
    return FOUND;
  });
  await choose(ann, "runs.csv", "a\n1\n");
  for (const person of [ann, bob]) await share(person, "runs.csv", 25);
  await button(bob, "Pause", "runs.csv").click();
  for (const person of [ann, bob]) await says(person, "runs.csv", "Is being paused.");
  back.open();
  const late = await enter("Late Pauses", "pauses-running");
  for (const person of [ann, bob, late]) {
    await says(person, "runs.csv", "Paused.");
    await share(person, "runs.csv", 25);
  }
  await button(ann, "Resume", "runs.csv").click();
  for (const person of [ann, bob, late]) await share(person, "runs.csv", 50);
  await button(ann, "Pause", "runs.csv").waitFor();
  end.open();
  for (const person of [ann, bob, late]) await says(person, "runs.csv", "Completed: 1,204 rows in 1.2 s, 14 rejected.");
  assert.deepEqual(begun, [[1, ""], [1, "one of four"]]);
  for (const person of [ann, bob, late]) await person.leave();
});

test("who may not cancel or pause is told so once, and the import goes on", async () => {
  const part = (field, bytes) => Buffer.from([(field << 3) | 2, bytes.length, ...Buffer.from(bytes)]);
  const info = Buffer.concat([part(1, "FORBIDDEN"), part(2, "rialto")]);
  const details = part(3, Buffer.concat([part(1, "type.googleapis.com/google.rpc.ErrorInfo"), part(2, info)]));
  const headers = {
    "content-type": "application/grpc-web+proto",
    "grpc-status": "7",
    "grpc-message": "not%20you",
    "grpc-status-details-bin": Buffer.concat([Buffer.from([8, 7]), details]).toString("base64"),
  };
  for (const verb of ["Cancel", "Pause"]) {
    const [ann, file] = [await enter(`Ann May Not ${verb}`, "may-not"), `${verb}.csv`];
    await ann.page.route(`**/${verb}Job`, (route) => route.fulfill({ status: 200, headers, body: "" }));
    await choose(ann, file, "a\n1\n");
    await button(ann, verb, file).click();
    await says(ann, file, "You are not allowed to do that here.");
    await card(ann, file).getByRole("button").first().waitFor({ state: "detached" });
    await ann.page.waitForFunction(() => document.activeElement?.id === "composer");
    await says(ann, file, "Waits for a worker.");
    await ann.leave();
  }
  await new Jobs(client, PLACE).purge();
});

test("an import that fails says why, and what it says is text", async (t) => {
  const ann = await enter("Ann Fails", "fails");
  const markup = '<img src=x onerror="document.title=\'owned\'">';
  work(t, () => {
    throw new Fail(`${markup} is no column`, { permanent: true });
  });
  await choose(ann, `${markup}.csv`.replaceAll("/", ""), "a\n1\n");
  await ann.log.getByText(`Failed: ${markup} is no column`, { exact: true }).waitFor();
  assert.equal(await ann.page.locator("#app img").count(), 0);
  assert.doesNotMatch(await ann.page.title(), /owned/);
  await ann.leave();
});

test("what others say of jobs is no word about them, nor is a job of another queue", async (t) => {
  const ann = await enter("Ann Unmoved", "unmoved");
  const mallory = await connect(server.url, { user: "mallory" });
  t.after(() => mallory.close());
  const room = mallory.namespace("chat").room("unmoved");
  await room.join();
  const forged = { ...PLACE, jobId: "forged", type: "csv", state: "JOB_STATE_COMPLETED", attributes: { file: "forged.csv" } };
  for (const payload of [forged, null, [], "{", { jobId: 7 }]) await room.emit("job.completed", payload);
  const others = new Jobs(client, { namespace: "chat", queue: "others" });
  await others.enqueue({ type: "csv", attributes: { file: "other.csv" }, notify: [{ room: "unmoved", states: ["waiting"] }] });
  await new Jobs(client, PLACE).enqueue({ id: "told", type: "csv", attributes: { file: "told.csv" }, notify: [{ room: "unmoved", states: ["waiting", "cancelled"] }] });
  await says(ann, "told.csv", "Waits for a worker.");
  await new Jobs(client, PLACE).cancel("told");
  await says(ann, "told.csv", "Cancelled.");
  assert.equal(await ann.log.locator("li.import").count(), 1);
  await ann.leave();
});

test("an import that ends in a room that nobody looks at is unread there", async () => {
  const ann = await enter("Ann Elsewhere", "", { rooms: { chat: ["here", "there"] } });
  // What comes before somebody is there is not unread.
  const bob = await enter("Bob There", "there");
  await bob.sees(2);
  const jobs = new Jobs(client, PLACE);
  await jobs.enqueue({ id: "there", type: "csv", attributes: { file: "there.csv" }, notify: [{ room: "there", states: ["waiting", "cancelled"] }] });
  await jobs.cancel("there");
  await ann.room("there , 1 unread message").click();
  await says(ann, "there.csv", "Cancelled.");
  await ann.log.getByText("New", { exact: true }).waitFor();
  await Promise.all([ann.leave(), bob.leave()]);
});

test("imports of before come with the earlier messages, each once and as it ended", async (t) => {
  const carol = await connect(server.url, { user: "Carol" });
  t.after(() => carol.close());
  await carol.namespace("chat").enter();
  const room = carol.namespace("chat").room("past");
  const jobs = new Jobs(client, PLACE);
  const notify = [{ room: "past", states: ["waiting", "cancelled"] }];
  await room.join();
  const heard = room.events({ limit: 100 });
  for (const id of ["past-1", "past-2"]) {
    await jobs.enqueue({ id, type: "csv", attributes: { file: `${id}.csv`, by: "Carol" }, notify });
    await jobs.cancel(id);
  }
  for (let ended = 0; ended < 2; ) if ((await heard.next()).value.name === "job.cancelled") ended++;
  await Promise.all(Array.from({ length: 60 }, (_, index) => room.emit("message", `m${index}`)));
  const ann = await enter("Ann Past", "past");
  await ann.hears("m59");
  assert.equal(await ann.log.locator("li.import").count(), 0);
  await ann.page.getByRole("button", { name: "Show earlier messages" }).focus();
  await ann.page.keyboard.press("Enter");
  await ann.hears("m0");
  for (const id of ["past-1", "past-2"]) await says(ann, `${id}.csv`, "Cancelled.");
  assert.equal(await ann.log.locator("li.import").count(), 2);
  await ann.leave();
});

test("the server dies while an import runs: its card goes on, in the pages that were there and in one that comes again", async (t) => {
  const ann = await enter("Ann Death", "death");
  const [begun, end] = [gate(), gate()];
  work(t, async (job) => {
    job.progress(1, 4, "one of four");
    begun.open();
    await end.opened;
    job.progress(3, 4, "three of four");
    return FOUND;
  });
  await choose(ann, "death.csv", "a\n1\n");
  await begun.opened;
  await share(ann, "death.csv", 25);
  await server.kill();
  await ann.page.locator(".banner", { hasText: "Connection lost." }).waitFor();
  await server.start();
  await ann.cameBack("Connected again. Nothing was missed.");
  await ann.page.reload();
  await card(ann, "death.csv").waitFor();
  end.open();
  await says(ann, "death.csv", "Completed: 1,204 rows in 1.2 s, 14 rejected.");
  assert.equal(await ann.log.locator("li.import").count(), 1);
  await ann.leave(LOST);
});

test("axe finds nothing in cards, whatever they look like", async (t) => {
  const seed = await enter("Ann Axe", "axe");
  await choose(seed, "found.csv", "a\n1\n");
  await says(seed, "found.csv", "Waits for a worker.");
  const [jobs, half] = [new Jobs(client, PLACE), gate()];
  work(t, async (job) => {
    if (job.attributes.file === "found.csv") return FOUND;
    job.progress(job.attributes.file === "unknown.csv" ? 0 : 1, 0, "on its way");
    await half.opened;
  });
  await says(seed, "found.csv", "Completed: 1,204 rows in 1.2 s, 14 rejected.");
  await jobs.enqueue({ id: "unknown", type: "csv", attributes: { file: "unknown.csv", by: "Ann" }, notify: [{ room: "axe", states: ["running"] }] });
  await jobs.enqueue({ id: "paused", type: "csv", attributes: { file: "paused.csv", by: "Ann" }, notify: [{ room: "axe", states: ["paused"] }] });
  await jobs.pauseJob("paused");
  for (const [colorScheme, width] of [["light", 1280], ["dark", 1280], ["light", 360], ["dark", 360]]) {
    const ann = await enter(`Ann ${colorScheme} ${width}`, "axe", { bypassCSP: true, reducedMotion: "reduce", colorScheme, viewport: { width, height: 740 } });
    await says(ann, "unknown.csv", "on its way");
    await says(ann, "paused.csv", "Paused.");
    await card(ann, "found.csv").getByText("14 rejected rows").click();
    const motion = await card(ann, "unknown.csv").locator("rect").evaluate((rect) => getComputedStyle(rect).animationName);
    assert.equal(motion, "none", "nothing moves for who wants no motion");
    assert.ok(await ann.page.evaluate(() => document.querySelector(".log").scrollWidth <= document.querySelector(".log").clientWidth));
    await ann.page.addScriptTag({ path: axe });
    const { violations } = await ann.page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), [], `${colorScheme}, ${width}`);
    await ann.leave();
  }
  half.open();
  await jobs.cancel("paused");
  await seed.leave();
});

test("an import is begun by keyboard alone", async () => {
  const ann = await enter("Ann Keys", "keys");
  // The browser has to know of it before the key comes.
  const chosen = ann.page.waitForEvent("filechooser");
  await ann.field.focus();
  await ann.page.keyboard.press("Shift+Tab");
  const focused = await ann.page.evaluate(() => document.activeElement.getAttribute("aria-label"));
  assert.equal(focused, "Import a CSV file");
  await ann.page.keyboard.press("Enter");
  const chooser = await chosen;
  await chooser.setFiles({ name: "keys.csv", mimeType: "text/csv", buffer: Buffer.from("a\n1\n") });
  await says(ann, "keys.csv", "Waits for a worker.");
  await new Jobs(client, PLACE).purge();
  await card(ann, "keys.csv").getByText(/^Cancelled/).waitFor();
  await ann.leave();
});

test("the program that comes with the server does imports, small ones and uploaded ones", async (t) => {
  const program = spawn(binary(), ["import", "--server", server.url, "--namespace", "chat"], { stdio: ["ignore", "inherit", "inherit"] });
  t.after(() => program.kill("SIGKILL"));
  const ann = await enter("Ann Program", "program");
  await choose(ann, "small.csv", "name,email\nann,ann@example.org\nbob,nobody\ncid,cid@example.org\n");
  await card(ann, "small.csv").getByText(/^Completed: 3 rows\b.*1 rejected\.$/).waitFor();
  await card(ann, "small.csv").getByText("1 rejected row").click();
  await card(ann, "small.csv").getByText(/^Line 3, email: /).waitFor();
  const rows = Array.from({ length: 100_000 }, (_, row) => `n${row},n${row}@example.org\n`).join("");
  await choose(ann, "uploaded.csv", `name,email\n${rows}`);
  await card(ann, "uploaded.csv").getByText(/^Completed: 100,000 rows\b.*none rejected\.$/).waitFor();
  const ended = once(program, "exit");
  program.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null]);
  await ann.leave();
});
