// People talk: two pages, rooms, workspaces, typing, ticks, unread counts, presence, questions. Each test has rooms of
// its own, so that they do not meet.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { after, before, test } from "node:test";
import { connect } from "@rialto/client/node";
import { browse, Person } from "./lib/pages.mjs";

const run = promisify(execFile);
const url = process.env.RIALTO_URL;
let browser;
before(async () => {
  assert.ok(url, "RIALTO_URL must be the address of a server");
  browser = await browse();
});
after(() => browser?.close());

test("a new visitor gives a name, comes in, and is remembered", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(url);
  await page.getByLabel("Your name").fill("  Nora \u202e");
  await page.getByRole("button", { name: "Come in" }).click();
  await page.getByRole("log", { name: "Messages in general" }).waitFor();
  await page.reload();
  await page.getByRole("button", { name: /^Nora \s*Connected\s*, change your name$/ }).waitFor();
  await context.close();
});

test("two pages talk to each other, and the sender sees accepted, then seen", async () => {
  const rooms = { chat: ["talk"] };
  const ann = await Person.enter(browser, url, "Ann Talk", { rooms });
  await ann.say("anybody here?");
  await ann.delivered("anybody here?", "Sent, nobody else is here");
  const bob = await Person.enter(browser, url, "Bob Talk", { rooms });
  await ann.sees(2);
  await bob.sees(2);
  await ann.say("hello Bob");
  await bob.hears("hello Bob");
  await ann.delivered("hello Bob", "Seen by 1");
  await bob.say("hello Ann\nsecond line");
  await ann.page.locator(".text", { hasText: "second line" }).waitFor();
  assert.equal(await ann.page.locator(".author", { hasText: "Bob Talk" }).count(), 1);
  await ann.leave();
  await bob.leave();
});

test("typing shows while somebody types and goes when the message comes", async () => {
  const rooms = { chat: ["typing"] };
  const ann = await Person.enter(browser, url, "Ann Typing", { rooms });
  const bob = await Person.enter(browser, url, "Bob Typing", { rooms });
  await ann.sees(2);
  await bob.field.pressSequentially("so");
  const line = ann.page.getByText("Bob Typing is typing…");
  await line.waitFor();
  await bob.field.press("Enter");
  await ann.hears("so");
  await line.waitFor({ state: "detached" });
  await ann.leave();
  await bob.leave();
});

test("rooms and workspaces over one connection count what is unread", async () => {
  const rooms = { chat: ["one", "two"], default: ["three"] };
  const ann = await Person.enter(browser, url, "Ann Unread", { rooms });
  let listens = 0;
  ann.page.on("request", (request) => (listens += Number(request.url().endsWith("/Listen"))));
  const bob = await connect(url, { user: "bob-unread", attributes: { name: "Bob" } });
  const say = (workspace, room, text) => bob.namespace(workspace).room(room).emit("message", text);
  for (const [workspace, names] of Object.entries(rooms)) for (const name of names) await bob.namespace(workspace).room(name).join();
  await say("chat", "one", "seen at once");
  await ann.hears("seen at once");
  await say("chat", "two", "a");
  await say("chat", "two", "b");
  await say("default", "three", "c");
  await ann.room("two , 2 unread messages").waitFor();
  await ann.page.waitForFunction(() => document.title.startsWith("(3) "));
  await ann.room("two").click();
  await ann.hears("b");
  await ann.log.getByText("New", { exact: true }).waitFor();
  await ann.page.waitForFunction(() => document.title.startsWith("(1) "));
  await ann.page.getByRole("button", { name: "default, 1 unread" }).click();
  await ann.hears("c");
  await ann.page.waitForFunction(() => document.title.startsWith("#three"));
  await ann.say("answer from the page");
  await ann.delivered("answer from the page", "Sent");
  assert.equal(listens, 0, "no further connection was opened");
  await bob.close();
  await ann.leave();
});

test("a room is made, found in the list by others, joined and left", async () => {
  const ann = await Person.enter(browser, url, "Ann Rooms");
  await ann.page.getByRole("button", { name: "Join or create a room" }).click();
  await ann.page.getByLabel("Name of the room").fill("#workshop");
  await ann.page.getByRole("button", { name: "Create", exact: true }).click();
  await ann.sees(1);
  const bob = await Person.enter(browser, url, "Bob Rooms");
  await bob.page.getByRole("button", { name: "Join or create a room" }).click();
  await bob.page.getByLabel("Name of the room").fill("work");
  await bob.page.getByRole("button", { name: "# workshop 1 member" }).click();
  await ann.sees(2);
  assert.equal(new URL(bob.page.url()).hash, "#/chat/workshop");
  await bob.page.getByRole("button", { name: "Leave the room workshop" }).click();
  await ann.sees(1);
  await bob.page.getByRole("log", { name: "Messages in general" }).waitFor();
  await ann.leave();
  await bob.leave();
});

test("who is here follows those who come and go", async () => {
  const rooms = { chat: ["presence"] };
  const ann = await Person.enter(browser, url, "Ann Presence", { rooms });
  const bob = await Person.enter(browser, url, "Bob Presence", { rooms });
  await ann.page.getByRole("button", { name: "2 people here" }).click();
  const people = ann.page.getByRole("complementary", { name: "People in presence" });
  await people.getByText("Bob Presence").waitFor();
  await bob.leave();
  await people.getByText("Bob Presence").waitFor({ state: "detached" });
  await ann.sees(1);
  await ann.leave();
});

test("a question to the room gathers answers and tells the result", async () => {
  const rooms = { chat: ["poll"] };
  const ann = await Person.enter(browser, url, "Ann Poll", { rooms });
  const bob = await Person.enter(browser, url, "Bob Poll", { rooms });
  await ann.sees(2);
  await ann.page.getByRole("button", { name: "Ask the room" }).click();
  await ann.page.getByLabel("Question").fill("Ship it?");
  await ann.page.getByRole("button", { name: "Ask", exact: true }).click();
  await bob.log.getByRole("button", { name: "Yes" }).click();
  await ann.log.getByText("1 of 1 answered").waitFor();
  await bob.log.getByText("1 of 1 answered").waitFor();
  await ann.leave();
  await bob.leave();
});

test("what a terminal sends shows in the page, and what the page sends a terminal prints", async () => {
  const ann = await Person.enter(browser, url, "Ann Terminal", { rooms: { chat: ["terminal"] } });
  const place = ["--server", url, "--namespace", "chat", "--room", "terminal"];
  const listening = spawn(process.env.RIALTO_BIN, ["listen", ...place, "--event", "message", "--json", "--count", "2"]);
  const printed = [];
  listening.stdout.on("data", (data) => printed.push(data));
  const ended = once(listening, "exit");
  await ann.sees(2);

  await run(process.env.RIALTO_BIN, ["emit", ...place, "--user", "terminal", "--event", "message", "--data", "hi"]);
  await ann.hears("hi");
  await ann.log.getByText("terminal", { exact: true }).waitFor();
  await ann.say("hi yourself");

  assert.deepEqual(await ended, [0, null]);
  const messages = Buffer.concat(printed).toString().trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(messages.map((event) => event.text), ["hi", "hi yourself"]);
  await ann.leave();
});
