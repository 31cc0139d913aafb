// People in real browser pages: opens the chat under a name, finds its parts by their roles, and holds every page to
// its word that nothing failed in it. Uses the Chromium of the system. RIALTO_PAGES may name a folder of built pages that
// are shown instead of those in the program.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { chromium } from "playwright-core";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const WAIT_MS = 15_000;

/** Why there can be no browser tests; empty when there can. */
export function missing() {
  if (existsSync(CHROMIUM)) return "";
  return `Chromium is missing: ${CHROMIUM} does not exist. Install it (Debian: apt-get install chromium) or let CHROMIUM name it.`;
}

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

/** Shows the pages of a folder, under the headers that the server gives its own. */
async function showPages(context, url, folder) {
  await context.route(`${url}/**`, async (route) => {
    const { pathname } = new URL(route.request().url());
    const file = join(folder, pathname === "/" ? "index.html" : pathname);
    if (route.request().method() !== "GET" || !existsSync(file)) return route.continue();
    const response = await route.fetch({ url: `${url}/` });
    return route.fulfill({ response, status: 200, contentType: TYPES[extname(file)], body: readFileSync(file) });
  });
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
  static async enter(browser, url, name, { rooms = { chat: ["general"] }, clock = false, ...context } = {}) {
    const person = new Person();
    person.name = name;
    person.context = await browser.newContext(context);
    if (process.env.RIALTO_PAGES) await showPages(person.context, url, process.env.RIALTO_PAGES);
    person.context.setDefaultTimeout(WAIT_MS);
    // Time that a test can move.
    if (clock) await person.context.clock.install();
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

  /** The texts of all messages, in order. */
  texts() {
    return this.log.locator("li.message .text").allTextContents();
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

  /** Whether a message of one's own was taken, once that is known. */
  async taken(text) {
    const settled = this.message(text).and(this.page.locator("[data-delivery=accepted], [data-delivery=failed]"));
    await settled.waitFor();
    return (await settled.getAttribute("data-delivery")) === "accepted";
  }

  /** The connection was lost, and there is one again; `words` say what became of it. */
  async cameBack(words) {
    await this.page.locator(".banner[data-state=recovered]").getByText(words).waitFor();
  }

  /** The link of a room in the list. */
  room(name) {
    return this.page.getByRole("navigation", { name: "Rooms" }).getByRole("link", { name });
  }

  /** Leaves by closing the tab, as people do; its context goes with the browser, because closing it would cut off the page's
   * goodbye. Fails if anything went wrong in the page that is not expected. */
  async leave(expected = /^$/) {
    await this.page.close();
    assert.deepEqual(this.wrongs.filter((wrong) => !expected.test(wrong)), [], `something failed in the page of ${this.name}`);
  }
}
