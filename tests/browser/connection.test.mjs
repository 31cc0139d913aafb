// The connection as the page tells it: a server that dies and comes back, a network that is cut. These tests have a
// server of their own.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browse, Person } from "./lib/pages.mjs";
import { Server } from "./lib/server.mjs";

const LOST = /Failed to load resource|net::ERR_/;
let browser;
let server;
before(async () => {
  [browser, server] = await Promise.all([browse(), Server.start()]);
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
  await server.start();
  await ann.page.locator(".banner[data-state=recovered]").waitFor();
  await bob.attached();
  await ann.sees(2);
  await bob.sees(2);
  await ann.log.getByText(/You were disconnected at .* What others wrote meanwhile is not shown\./).waitFor();
  await ann.page.locator("li.message[data-delivery=accepted]", { hasText: "written while nobody listens" }).waitFor();
  await ann.say("back again");
  await bob.hears("back again");
  await ann.leave(LOST);
  await bob.leave(LOST);
});

test("a message that cannot be sent says so, stays, and is sent by a click", async () => {
  const ann = await Person.enter(browser, server.url, "Ann Retry", { rooms: { chat: ["retry"] } });
  const bob = await Person.enter(browser, server.url, "Bob Retry", { rooms: { chat: ["retry"] } });
  await ann.sees(2);
  await ann.context.setOffline(true);
  await ann.page.locator(".banner", { hasText: "Connection lost." }).waitFor();
  await ann.say("from the tunnel");
  const failed = ann.message("from the tunnel");
  await failed.getByText("Not sent. There is no connection.").waitFor({ timeout: 40_000 });
  await ann.context.setOffline(false);
  await ann.attached();
  await ann.sees(2);
  await failed.getByRole("button", { name: "Try again" }).click();
  await bob.hears("from the tunnel");
  await ann.delivered("from the tunnel", "Seen by 1");
  await ann.leave(LOST);
  await bob.leave(LOST);
});
