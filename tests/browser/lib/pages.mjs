// People in real browser pages: opens the chat under a name, finds its parts by their roles, and holds every page to
// its word that nothing failed in it. Uses the Chromium of the system.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const WAIT_MS = 15_000;

/** Why there can be no browser tests; empty when there can. */
export function missing() {
  if (existsSync(CHROMIUM)) return "";
  return `Chromium is missing: ${CHROMIUM} does not exist. Install it (Debian: apt-get install chromium) or let CHROMIUM name it.`;
}

/** A browser. */
export async function browse() {
  const why = missing();
  if (why !== "") throw new Error(why);
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

/** One person at one page. */
export class Person {
  /** What went wrong in the page. */
  wrongs = [];

  /** Opens the chat under a name; in `rooms` by workspace, `{ chat: ["general"] }` if nothing is said. */
  static async enter(browser, url, name, { rooms = { chat: ["general"] }, ...context } = {}) {
    const person = new Person();
    person.name = name;
    person.context = await browser.newContext(context);
    person.context.setDefaultTimeout(WAIT_MS);
    person.page = await person.context.newPage();
    person.page.on("console", (message) => message.type() === "error" && person.wrongs.push(message.text()));
    person.page.on("pageerror", (error) => person.wrongs.push(String(error.stack)));
    person.page.on("dialog", (dialog) => {
      person.wrongs.push(`a dialog said ${dialog.message()}`);
      void dialog.dismiss();
    });
    const workspaces = Object.entries(rooms).map(([workspace, names]) => ({ name: workspace, rooms: names }));
    await person.page.addInitScript(
      ([remembered, list]) => {
        if (localStorage.getItem("rialto.name") !== null) return;
        localStorage.setItem("rialto.name", remembered);
        localStorage.setItem("rialto.workspaces", JSON.stringify(list));
      },
      [name, workspaces],
    );
    await person.page.goto(url);
    await person.attached();
    return person;
  }

  /** The connection stands. */
  attached() {
    return this.page.locator(".connection[data-state=attached]").waitFor({ state: "attached" });
  }

  /** The field to write in. */
  get field() {
    return this.page.locator("textarea#composer");
  }

  /** The log. */
  get log() {
    return this.page.getByRole("log");
  }

  /** A message with exactly this text. */
  message(text) {
    return this.log.locator("li.message").filter({ has: this.page.locator(".text").getByText(text, { exact: true }) });
  }

  /** Writes a message and sends it with Enter. */
  async say(text) {
    await this.field.fill(text);
    await this.field.press("Enter");
  }

  /** Waits until a message is here. */
  async hears(text) {
    await this.message(text).first().waitFor();
  }

  /** Waits until the room has this many members. */
  async sees(count) {
    await this.page.getByRole("button", { name: `${count} ${count === 1 ? "person" : "people"} here` }).waitFor();
  }

  /** Waits until a message of one's own has this delivery, in words. */
  async delivered(text, words) {
    await this.message(text).locator(".tick .hidden").getByText(words, { exact: true }).waitFor({ state: "attached" });
  }

  /** The link of a room in the list. */
  room(name) {
    return this.page.getByRole("navigation", { name: "Rooms" }).getByRole("link", { name });
  }

  /** Leaves; fails if anything went wrong in the page that is not expected. */
  async leave(expected = /^$/) {
    await this.context.close();
    assert.deepEqual(this.wrongs.filter((wrong) => !expected.test(wrong)), [], `something failed in the page of ${this.name}`);
  }
}
