// Rooms that keep what was said: shown on coming in, page by page when scrolling back, and through the death of the server
// in front of the readers' eyes. These tests have a server of their own, which keeps its data.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect } from "@rialto/client/node";
import { browse, Person } from "./lib/pages.mjs";
import { DURABLE, Server } from "./lib/server.mjs";

const LOST = /Failed to load resource|net::ERR_/;
let browser;
let server;
before(async () => {
  [browser, server] = await Promise.all([browse(), Server.start(DURABLE)]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const numbered = (count, from = 1) => Array.from({ length: count }, (_, index) => `m${from + index}`);

/** Somebody who has said so much in a room, and goes after the test. */
async function spoke(t, room, texts) {
  const carol = await connect(server.url, { user: "Carol" });
  t.after(() => carol.close());
  await carol.namespace("chat").enter();
  await Promise.all(texts.map((text) => carol.namespace("chat").room(room).emit("message", text)));
  return carol;
}

test("who comes in sees the newest messages, and gets earlier ones by scrolling back without losing the place", async (t) => {
  const carol = await spoke(t, "long", numbered(130));
  const ann = await Person.enter(browser, server.url, "Ann History", { rooms: { chat: ["long", "other"] } });
  await ann.hears("m130");
  assert.deepEqual(await ann.texts(), numbered(50, 81));
  assert.equal(await ann.page.title(), "#long · Rialto", "what was said before is not unread");
  const place = (text) => ann.message(text).evaluate((line) => Math.round(line.getBoundingClientRect().top));
  const scrollUp = () => ann.log.evaluate((log) => (log.scrollTop = 100));
  await ann.log.evaluate((log) => (log.scrollTop = 300));
  await scrollUp();
  const before = await place("m81");
  await ann.hears("m31");
  assert.ok(Math.abs((await place("m81")) - before) <= 2, "what one reads stays where it is");
  assert.deepEqual(await ann.texts(), numbered(100, 31));
  await ann.page.getByRole("button", { name: "Show earlier messages" }).focus();
  await ann.page.keyboard.press("Enter");
  await ann.hears("m1");
  await ann.page.getByText("This is the beginning of long.").waitFor();
  assert.deepEqual(await ann.texts(), numbered(130));
  await carol.namespace("chat").room("long").emit("message", "now");
  await ann.page.getByRole("button", { name: "1 new message" }).click();
  await ann.hears("now");
  await ann.leave();
});

test("a page that comes again shows one's own messages as one's own, and all of them once", async () => {
  const ann = await Person.enter(browser, server.url, "Ann Again", { rooms: { chat: ["again"] } });
  for (const text of ["first", "second"]) {
    await ann.say(text);
    await ann.delivered(text, "Sent, nobody else is here");
  }
  await ann.page.reload();
  await ann.hears("second");
  // The page that went has said goodbye: it is not away.
  await ann.sees(1);
  assert.deepEqual(await ann.texts(), ["first", "second"]);
  assert.equal(await ann.log.locator("li.message.own").count(), 2);
  await ann.page.getByRole("button", { name: /change your name/ }).click();
  await ann.page.getByRole("dialog").getByRole("textbox").fill("Ann Other");
  await ann.page.getByRole("dialog").getByRole("textbox").press("Enter");
  await ann.page.getByRole("button", { name: /^Ann Other/ }).waitFor();
  await ann.attached();
  await ann.say("third");
  await ann.delivered("third", "Sent, nobody else is here");
  assert.deepEqual(await ann.texts(), ["first", "second", "third"], "nothing twice under another name");
  await ann.leave();
});

test("the server dies in front of two readers: nothing is missing, and what was typed meanwhile goes once and in order", async (t) => {
  const rooms = { chat: ["storm"] };
  const ann = await Person.enter(browser, server.url, "Ann Storm", { rooms });
  const bob = await Person.enter(browser, server.url, "Bob Storm", { rooms });
  const carol = await connect(server.url, { user: "Carol", backoff: { firstMs: 50, maxMs: 200 } });
  t.after(() => carol.close());
  await carol.namespace("chat").enter();
  const storm = carol.namespace("chat").room("storm");
  await ann.sees(2);
  await bob.sees(2);
  // More than is answered before the server dies: some were taken, some were not, and which is not known.
  const sent = numbered(60).map((text) => storm.emit("message", text, { deadlineMs: 60_000 }));
  await sent[4];
  await server.kill();
  for (const person of [ann, bob]) await person.page.locator(".banner", { hasText: "Connection lost." }).waitFor();
  for (const text of ["a1", "a2", "a3"]) await ann.say(text);
  for (const text of ["b1", "b2"]) await bob.say(text);
  await ann.delivered("a3", "Waiting for the connection");
  await server.start();
  for (const person of [ann, bob]) await person.cameBack("Connected again. Nothing was missed.");
  await Promise.all(sent);
  for (const [person, texts] of [[ann, ["b2", "m60"]], [bob, ["a3", "m60"]]]) for (const text of texts) await person.hears(text);
  await ann.page.locator("li.message[data-delivery=accepted]", { hasText: "a3" }).waitFor();
  await bob.page.locator("li.message[data-delivery=accepted]", { hasText: "b2" }).waitFor();
  for (const person of [ann, bob]) {
    const texts = await person.texts();
    const of = (sender) => texts.filter((text) => text.startsWith(sender));
    assert.deepEqual([of("m"), of("a"), of("b")], [numbered(60), ["a1", "a2", "a3"], ["b1", "b2"]], `in the page of ${person.name}`);
    assert.equal(await person.log.locator("li.notice").count(), 0, "nothing to tell");
  }
  const late = await Person.enter(browser, server.url, "Late Storm", { rooms });
  await late.hears("m60");
  assert.equal(new Set(await late.texts()).size, 50, "the history has each of them once");
  await ann.leave(LOST);
  await bob.leave(LOST);
  await late.leave();
});

test("what the history does not hold any more is said in its place", async (t) => {
  const small = await Server.start(DURABLE.replace('history = "durable"', 'history = "durable"\nhistory_events_max = 20'));
  t.after(() => small.stop());
  const rooms = { chat: ["small"] };
  const ann = await Person.enter(browser, small.url, "Ann Small", { rooms });
  const carol = await connect(small.url, { user: "Carol", backoff: { firstMs: 20, maxMs: 50 } });
  t.after(() => carol.close());
  const room = carol.namespace("chat").room("small");
  await room.join();
  await room.emit("message", "heard");
  await ann.hears("heard");
  await small.kill();
  await ann.page.locator(".banner", { hasText: "Connection lost." }).waitFor();
  // The page comes back later than the others.
  await ann.context.setOffline(true);
  await small.start();
  for (const text of numbered(60)) await room.emit("message", text);
  await ann.context.setOffline(false);
  await ann.cameBack(/Some messages may be missing/);
  await ann.hears("m60");
  await ann.log.getByText(/^Up to \d+ messages did not reach you and cannot be had any more\.$/).waitFor();
  const texts = await ann.texts();
  assert.deepEqual(texts.slice(1), numbered(texts.length - 1, 62 - texts.length), "what is there is whole and in order");
  await ann.leave(LOST);
});
