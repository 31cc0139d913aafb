// The connection as the page tells it: a server that dies and comes back, a network that is cut, rooms that keep nothing.
// These tests have a server of their own.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browse, Person } from "./lib/pages.mjs";
import { connect } from "@rialto/client/node";
import { FORGETFUL, Server } from "./lib/server.mjs";
import { Wire } from "./lib/wire.mjs";

const LOST = /Failed to load resource|net::ERR_/;
let browser;
let server;
before(async () => {
  [browser, server] = await Promise.all([browse(), Server.start(FORGETFUL)]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("a lost server is said, counted down to the next try, and its return is said too", async () => {
  const ann = await Person.enter(browser, server.url, "Ann Lost");
  const bob = await Person.enter(browser, server.url, "Bob Lost");
  await ann.sees(2);
  await server.kill();
  await ann.page.locator(".banner", { hasText: "Connection lost." }).waitFor();
  await ann.page.locator(".banner", { hasText: /Trying again in \d+ seconds?\./ }).waitFor();
  await ann.page.getByRole("button", { name: "Unknown how many people here" }).waitFor();
  await ann.say("written while nobody listens");
  assert.equal(await ann.message("written while nobody listens").getAttribute("data-delivery"), "sending");
  await ann.delivered("written while nobody listens", "Waiting for the connection");
  await ann.page.locator(".banner", { hasText: "1 message of yours waits." }).waitFor();
  await server.start();
  await ann.page.locator(".banner[data-state=recovered]").waitFor();
  await bob.attached();
  await ann.sees(2);
  await bob.sees(2);
  await ann.log.getByText(/You were disconnected at .* This room keeps no messages: what others wrote meanwhile may be missing\./).waitFor();
  await ann.page.locator(".banner", { hasText: "Some messages may be missing" }).waitFor();
  await ann.page.locator("li.message[data-delivery=accepted]", { hasText: "written while nobody listens" }).waitFor();
  await ann.say("back again");
  await bob.hears("back again");
  await ann.leave(LOST);
  await bob.leave(LOST);
});

test("a message that cannot be sent says so, stays, and is sent by a click", async () => {
  const ann = await Person.enter(browser, server.url, "Ann Retry", { rooms: { chat: ["retry"] }, clock: true });
  const bob = await Person.enter(browser, server.url, "Bob Retry", { rooms: { chat: ["retry"] } });
  await ann.sees(2);
  await ann.context.setOffline(true);
  await ann.page.locator(".banner", { hasText: "Connection lost." }).waitFor();
  await ann.say("from the tunnel");
  const failed = ann.message("from the tunnel");
  await ann.delivered("from the tunnel", "Waiting for the connection");
  await ann.page.clock.fastForward("04:10");
  await failed.getByText("Not sent. There is no connection.").waitFor();
  await ann.context.setOffline(false);
  await ann.attached();
  await ann.sees(2);
  await failed.getByRole("button", { name: "Try again" }).click();
  await bob.hears("from the tunnel");
  await ann.delivered("from the tunnel", "Seen by 1");
  await ann.leave(LOST);
  await bob.leave(LOST);
});

/** A page at the end of a wire that can be cut. */
async function wired(t, name, rooms) {
  const wire = await Wire.to(server.url);
  t.after(() => wire.close());
  const person = await Person.enter(browser, wire.url, name, { rooms });
  return { wire, person };
}

test("while the network is gone messages wait, and go once and in order; what others say meanwhile comes", async (t) => {
  const rooms = { chat: ["wire"] };
  const { wire, person: ann } = await wired(t, "Ann Wire", rooms);
  const bob = await Person.enter(browser, server.url, "Bob Wire", { rooms });
  await ann.sees(2);
  await ann.say("before");
  await bob.hears("before");
  wire.part();
  await ann.page.locator(".banner", { hasText: "Connection lost." }).waitFor();
  for (const text of ["one", "two", "three"]) await ann.say(text);
  await ann.delivered("three", "Waiting for the connection");
  await ann.page.locator(".banner", { hasText: "3 messages of yours wait." }).waitFor();
  await bob.say("said meanwhile");
  await bob.delivered("said meanwhile", "Sent");
  wire.join();
  await ann.page.getByRole("button", { name: "Try now" }).click({ timeout: 2_000 }).catch(() => {});
  await ann.cameBack("Connected again. Nothing was missed.");
  await ann.hears("said meanwhile");
  await ann.delivered("three", "Seen by 1");
  await bob.hears("three");
  assert.deepEqual(await bob.texts(), ["before", "said meanwhile", "one", "two", "three"]);
  assert.deepEqual(await ann.texts(), ["before", "said meanwhile", "one", "two", "three"]);
  assert.equal(await ann.log.locator("li.notice").count(), 0, "nothing to tell");
  await ann.leave(LOST);
  await bob.leave();
});

test("who has lost the connection is away, and back with it; what is unread is counted through it", async (t) => {
  const { wire, person: ann } = await wired(t, "Ann Away", { chat: ["here", "there"] });
  const bob = await Person.enter(browser, server.url, "Bob Away", { rooms: { chat: ["here"] } });
  const carol = await connect(server.url, { user: "carol" });
  t.after(() => carol.close());
  await carol.namespace("chat").enter();
  const there = carol.namespace("chat").room("there");
  await bob.sees(2);
  await bob.page.getByRole("button", { name: "2 people here" }).click();
  const line = bob.page.getByRole("complementary").locator("li", { hasText: "Ann Away" });
  await line.waitFor();
  await there.emit("message", "1");
  await ann.room("there , 1 unread message").waitFor();
  wire.part();
  await line.getByText("away", { exact: true }).waitFor();
  for (const text of ["2", "3"]) await there.emit("message", text);
  wire.join();
  await ann.room("there , 3 unread messages").waitFor();
  await line.getByText("away", { exact: true }).waitFor({ state: "detached" });
  await ann.room("there").click();
  await ann.hears("3");
  assert.deepEqual(await ann.texts(), ["1", "2", "3"]);
  await ann.leave(LOST);
  await bob.leave();
});
