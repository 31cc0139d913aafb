// The page for everybody: axe finds nothing in either theme and on a phone, and all of it works by keyboard alone.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { connect } from "@rialto/client/node";
import { browse, Person } from "./lib/pages.mjs";
import { DURABLE, Server } from "./lib/server.mjs";
import { Wire } from "./lib/wire.mjs";

const url = process.env.RIALTO_URL;
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const LOOKS = [
  ["light", { colorScheme: "light", viewport: { width: 1280, height: 800 } }],
  ["dark", { colorScheme: "dark", viewport: { width: 1280, height: 800 } }],
  ["a light phone", { colorScheme: "light", viewport: { width: 360, height: 640 } }],
  ["a dark phone", { colorScheme: "dark", viewport: { width: 360, height: 640 } }],
];

let browser;
let bob;
before(async () => {
  assert.ok(url, "RIALTO_URL must be the address of a server");
  browser = await browse();
  bob = await connect(url, { user: "bob-access", attributes: { name: "Bob" } });
  for (const name of ["other", "drawer", ...LOOKS.map(([look]) => look)]) await bob.namespace("chat").room(name).join();
});
after(async () => {
  await bob?.close();
  await browser?.close();
});

async function violations(page) {
  if (!(await page.evaluate(() => "axe" in window))) await page.addScriptTag({ path: axe });
  const { violations: found } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ").slice(0, 300)}`);
}

for (const [look, options] of LOOKS) {
  test(`axe finds nothing in ${look}`, async () => {
    const rooms = { chat: [look, "other"], default: [] };
    const ann = await Person.enter(browser, url, `Ann ${look}`, { rooms, bypassCSP: true, reducedMotion: "reduce", ...options });
    await ann.sees(2);
    await bob.namespace("chat").room(look).emit("message", "look at https://example.org/");
    await bob.namespace("chat").room(look).emit("ask", "Well?");
    await bob.namespace("chat").room("other").emit("message", "unread");
    await ann.log.locator(".text a").waitFor();
    await ann.say("mine");
    await ann.delivered("mine", "Sent");
    assert.deepEqual(await violations(ann.page), []);
    await ann.page.getByRole("button", { name: "2 people here" }).click();
    await ann.page.getByRole("complementary").waitFor();
    assert.deepEqual(await violations(ann.page), [], "with the list of people");
    await ann.page.keyboard.press("Escape");
    if (options.viewport.width < 821) await ann.page.getByRole("button", { name: /^Rooms/ }).click();
    await ann.page.getByRole("button", { name: "Join or create a room" }).click();
    await ann.page.getByRole("dialog").waitFor();
    assert.deepEqual(await violations(ann.page), [], "with a dialog");
    await ann.leave();
  });
}

test("axe finds nothing where earlier messages are offered, somebody is away and a message waits", async (t) => {
  const server = await Server.start(DURABLE);
  const wire = await Wire.to(server.url);
  const carol = await connect(wire.url, { user: "Carol" });
  t.after(async () => {
    await carol.close();
    await wire.close();
    await server.stop();
  });
  const room = carol.namespace("chat").room("away");
  await room.join();
  for (let index = 0; index < 60; index++) await room.emit("message", `m${index}`);
  for (const [look, options] of LOOKS) {
    wire.join();
    carol.retryNow();
    const ann = await Person.enter(browser, server.url, `Ann ${look}`, { rooms: { chat: ["away"] }, bypassCSP: true, reducedMotion: "reduce", ...options });
    await ann.sees(2);
    await ann.hears("m59");
    await ann.page.getByRole("button", { name: "2 people here" }).click();
    wire.part();
    await ann.page.getByRole("complementary").getByText("away", { exact: true }).waitFor();
    await ann.page.getByRole("button", { name: "Show earlier messages" }).waitFor({ state: "attached" });
    await ann.context.setOffline(true);
    await ann.page.locator(".banner", { hasText: "Connection lost." }).waitFor();
    if (options.viewport.width < 1081) await ann.page.getByRole("button", { name: "Close the list of people" }).click();
    await ann.say("waits");
    await ann.delivered("waits", "Waiting for the connection");
    assert.deepEqual(await violations(ann.page), [], look);
    await ann.context.setOffline(false);
    await ann.attached();
    await ann.delivered("waits", "Sent");
    await ann.leave(/Failed to load resource|net::ERR_/);
  }
});

test("everything works by keyboard alone", async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  const { keyboard } = page;
  const focused = () =>
    page.evaluate(() => {
      const element = document.activeElement;
      return element === null || element === document.body ? "" : (element.getAttribute("aria-label") ?? element.textContent.trim());
    });
  const tabTo = async (wanted, key = "Tab") => {
    const passed = [];
    for (let step = 0; step < 30; step++) {
      await keyboard.press(key);
      const now = await focused();
      passed.push(now);
      if (now.includes(wanted)) return;
    }
    assert.fail(`"${wanted}" is not reached by ${key}; passed ${passed.join(", ")}`);
  };
  await page.goto(url);
  await page.getByLabel("Your name").waitFor();
  await keyboard.type("Kay Board");
  await keyboard.press("Enter");
  await page.locator("textarea#composer").waitFor();
  await page.waitForFunction(() => document.activeElement?.id === "composer");
  await keyboard.type("typed");
  await keyboard.press("Shift+Enter");
  await keyboard.type("two lines");
  await keyboard.press("Enter");
  await page.locator(".text", { hasText: "two lines" }).waitFor();
  assert.equal(await page.locator("textarea#composer").inputValue(), "");
  await page.waitForFunction(() => document.activeElement?.id === "composer");

  await page.reload();
  await page.locator("textarea#composer").waitFor();
  await tabTo("Skip to the message field", "Shift+Tab");
  await keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement?.id === "composer");

  await tabTo("Join or create a room", "Shift+Tab");
  await keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.waitForFunction(() => document.activeElement?.tagName === "INPUT");
  await keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.match(await focused(), /Join or create a room/, "the focus returns");
  // However fast it is opened again, it opens.
  for (let time = 0; time < 20; time++) {
    await keyboard.press("Enter");
    await keyboard.press("Escape");
  }
  await keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await keyboard.type("keys");
  await keyboard.press("Enter");
  await page.getByRole("log", { name: "Messages in keys" }).waitFor();
  await page.waitForFunction(() => document.activeElement?.id === "composer");
  await tabTo("Leave the room keys", "Shift+Tab");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outline, "none", "the focus is seen");
  await keyboard.press("Enter");
  await page.getByRole("log", { name: "Messages in general" }).waitFor();
  await context.close();
});

test("on a phone the rooms are in a drawer that takes the focus and gives it back", async () => {
  const ann = await Person.enter(browser, url, "Ann Drawer", { rooms: { chat: ["drawer", "other"] }, viewport: { width: 360, height: 640 } });
  const open = ann.page.getByRole("button", { name: /^Rooms/ });
  await open.click();
  await ann.page.waitForFunction(() => document.activeElement?.getAttribute("aria-current") === "page");
  await ann.page.keyboard.press("Escape");
  await ann.page.waitForFunction(() => document.activeElement?.classList.contains("to-drawer"));
  await open.click();
  await ann.room("other").click();
  await ann.page.getByRole("log", { name: "Messages in other" }).waitFor();
  await ann.page.locator(".sidebar").waitFor({ state: "hidden" });
  await ann.leave();
});
