// The driver in real Chromium pages. A node answers the pages of its own origin, so each node that a command names has a page
// there, whose content this process puts in the place of the node's own. Commands go into the page that knows who they are by.

import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { browse } from "../../../browser/lib/pages.mjs";

/** So many pages are open at once; of more the one goes that was used longest ago, whose scenario is over. */
const PAGES_MAX = 24;
/** Where commands go whose address names no origin. */
const NOWHERE = "http://127.0.0.1";
const DOCUMENT = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script src="/driver.js"></script>';

const write = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** The driver and the client as one script. */
async function bundle() {
  const entry = fileURLToPath(new URL("page.mjs", import.meta.url));
  const lib = { entry, formats: ["iife"], name: "conformance" };
  const { output } = [await build({ configFile: false, logLevel: "error", build: { lib, write: false, minify: false } })].flat()[0];
  return output[0].code;
}

/** The pages, by origin. */
class Pages {
  #browser;
  #script;
  #pages = new Map();
  /** At which origin somebody is, by name. */
  #homes = new Map();

  constructor(browser, script) {
    this.#browser = browser;
    this.#script = script;
  }

  /** The page that a command is for. Commands are put into it in the order of their lines. */
  at({ by, url, as }) {
    const origin = url === undefined ? (this.#homes.get(by) ?? NOWHERE) : originOf(url);
    this.#homes.set(by, origin);
    if (as !== undefined) this.#homes.set(as, origin);
    const page = this.#pages.get(origin) ?? this.#open(origin);
    this.#pages.delete(origin);
    this.#pages.set(origin, page);
    this.#trim();
    return page;
  }

  async #open(origin) {
    // A context of its own: contexts share no connections, and a browser has six per site.
    const context = await this.#browser.newContext();
    await context.route((address) => address.pathname === "/driver.js" || address.pathname === "/driver", (route) => {
      const script = new URL(route.request().url()).pathname === "/driver.js";
      const contentType = `text/${script ? "javascript" : "html"}; charset=utf-8`;
      return route.fulfill({ contentType, body: script ? this.#script : DOCUMENT });
    });
    const page = await context.newPage();
    page.on("pageerror", (error) => console.error(`${origin}: ${error.stack}`));
    await page.exposeFunction("write", write);
    await page.goto(`${origin}/driver`);
    return page;
  }

  #trim() {
    if (this.#pages.size <= PAGES_MAX) return;
    const [origin, page] = this.#pages.entries().next().value;
    this.#pages.delete(origin);
    for (const [by, home] of this.#homes) if (home === origin) this.#homes.delete(by);
    page.then((old) => old.context().close()).catch((error) => console.error(String(error)));
  }
}

function originOf(url) {
  const { protocol, origin } = URL.canParse(url) ? new URL(url) : {};
  return /^https?:$/.test(protocol) ? origin : NOWHERE;
}

const [browser, script] = await Promise.all([browse(), bundle()]);
const pages = new Pages(browser, script);
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  pages.at(command)
    .then((page) => page.evaluate((taken) => void globalThis.driver.take(taken), command))
    .catch((error) => write({ id: command.id, failed: { kind: "other", reason: String(error) } }));
}
await browser.close();
process.exit(0);
