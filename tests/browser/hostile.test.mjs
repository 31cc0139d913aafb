// Text from strangers stays text: markup, scripts, links, bidi tricks, endless names and messages.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect } from "@rialto/client/node";
import { browse, Person } from "./lib/pages.mjs";

const url = process.env.RIALTO_URL;
let browser;
before(async () => {
  assert.ok(url, "RIALTO_URL must be the address of a server");
  browser = await browse();
});
after(() => browser?.close());

const MARKUP = '<img src=x onerror="document.title=\'owned\';alert(1)"><script>alert(2)</script>';
const LINKS = "javascript:alert(3) data:text/html,<b>x https://example.org/ok?<i> JAVASCRIPT:alert(4)";

test("markup in messages and names is shown, not obeyed", async () => {
  const ann = await Person.enter(browser, url, "Ann Hostile", { rooms: { chat: ["hostile"] } });
  const mallory = await connect(url, { user: "mallory", attributes: { name: MARKUP } });
  const room = mallory.namespace("chat").room("hostile");
  await room.join();
  await ann.sees(2);
  await room.emit("message", MARKUP);
  await room.emit("ask", MARKUP, { headers: { choices: JSON.stringify([MARKUP, "ok"]) } });
  await ann.page.locator(".text", { hasText: "<img src=x onerror=" }).waitFor();
  await ann.page.locator(".question", { hasText: "<script>" }).waitFor();
  await ann.page.locator(".author", { hasText: "<img src=x" }).first().waitFor();
  await ann.page.getByRole("button", { name: "2 people here" }).click();
  await ann.page.getByRole("complementary").getByText("<img src=x").waitFor();
  assert.equal(await ann.page.locator("#app img, #app script, #app iframe").count(), 0);
  assert.doesNotMatch(await ann.page.title(), /owned/);
  await mallory.close();
  await ann.leave();
});

test("only http and https become links, which open apart from the page", async () => {
  const ann = await Person.enter(browser, url, "Ann Links", { rooms: { chat: ["links"] } });
  await ann.say(LINKS);
  const links = ann.log.locator(".text a");
  await links.first().waitFor();
  assert.deepEqual(await links.evaluateAll((all) => all.map((a) => [a.getAttribute("href"), a.target, a.rel])), [
    ["https://example.org/ok", "_blank", "noopener noreferrer nofollow ugc"],
  ]);
  assert.equal(await ann.log.locator(".text").textContent(), LINKS);
  await ann.leave();
});

test("bidi overrides change nothing outside their message, and vanish from names", async () => {
  const ann = await Person.enter(browser, url, "Ann Bidi", { rooms: { chat: ["bidi"] } });
  const mallory = await connect(url, { user: "m", attributes: { name: "\u202eyrollaM\u2066" } });
  const room = mallory.namespace("chat").room("bidi");
  await room.join();
  await ann.sees(2);
  await room.emit("message", "\u202egnp.exe");
  await ann.page.locator(".author", { hasText: "yrollaM" }).waitFor();
  assert.equal(await ann.page.locator(".author").first().textContent(), "yrollaM");
  const isolated = await ann.page.locator(".text").first().evaluate((text) => getComputedStyle(text).unicodeBidi);
  assert.match(isolated, /isolate|plaintext/);
  await mallory.close();
  await ann.leave();
});

test("endless names and words do not push anything out of a phone's screen", async () => {
  const ann = await Person.enter(browser, url, "Ann Long", { rooms: { chat: ["long"] }, viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true });
  const mallory = await connect(url, { user: "long", attributes: { name: "W".repeat(900) } });
  const room = mallory.namespace("chat").room("long");
  await room.join();
  await ann.sees(2);
  await room.emit("message", "x".repeat(60_000));
  await room.emit("message", "end");
  await ann.hears("end");
  const wide = () => document.documentElement.scrollWidth <= innerWidth && document.querySelector(".log").scrollWidth <= document.querySelector(".log").clientWidth;
  assert.ok(await ann.page.evaluate(wide));
  await ann.page.getByRole("button", { name: "2 people here" }).tap();
  await ann.page.getByRole("complementary").getByText("WWW").waitFor();
  assert.ok(await ann.page.evaluate(wide));
  await mallory.close();
  await ann.leave();
});

test("foreign marks, results and typing of nonsense do no harm", async () => {
  const ann = await Person.enter(browser, url, "Ann Nonsense", { rooms: { chat: ["nonsense"] } });
  const mallory = await connect(url, { user: "nonsense" });
  const namespace = mallory.namespace("chat");
  const room = namespace.room("nonsense");
  await room.join({ presence: true });
  await ann.sees(2);
  const [session] = [...room.presence.current.members.keys()].filter((id) => id !== mallory.id);
  for (const payload of ["", "{", "null", "[1]", '{"__proto__":1}', new Uint8Array([255, 0])]) {
    await namespace.to({ sessions: [session] }).emit("seen", payload, { headers: { room: "nonsense" } });
    await room.emit("answers", payload, { headers: { ask: "none" } });
    await room.emit("typing", payload);
    await room.emit("ask", payload, { headers: { choices: "{", seconds: "-1" } });
  }
  await room.emit("message", new Uint8Array([0xff, 0xfe, 0x41]));
  await room.emit("message", "still here");
  await ann.hears("still here");
  await mallory.close();
  await ann.leave();
});
