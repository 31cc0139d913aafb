// The whole shop as it is run by hand: orders in a real page, before and after a price service was killed.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import test from "node:test";
import { browse } from "../../tests/browser/lib/pages.mjs";

const OPEN_MS = 120_000;
const SHOWN_MS = 20_000;
const END_MS = 30_000;

/** The shop: its processes, where its page is, and which processes tell prices. */
class Shop {
  #process = spawn(fileURLToPath(new URL("run", import.meta.url)), {
    env: { ...process.env, SHOP_PORT: "0", SHOP_NODE_PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  #ended = once(this.#process, "exit");
  url = "";
  prices = [];

  async open() {
    let said = "";
    const listen = async () => {
      for await (const chunk of this.#process.stdout.setEncoding("utf8").iterator({ destroyOnReturn: false })) {
        said += chunk;
        const found = /open at (\S+)\nPrices are told by the processes (\d+) and (\d+)/.exec(said);
        if (found) return found;
      }
      throw new Error("it ended");
    };
    const [, url, ...prices] = await within(OPEN_MS, () => `the shop did not open:\n${said}`, listen());
    this.#process.stdout.resume();
    [this.url, this.prices] = [url, prices.map(Number)];
  }

  /** Closes it as Ctrl-C does, and gives its exit code. */
  async close() {
    this.#process.kill("SIGINT");
    const [code] = await within(END_MS, () => "the shop did not close", this.#ended);
    return code;
  }
}

async function within(ms, what, promise) {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), ms);
  try {
    return await Promise.race([promise, once(late.signal, "abort").then(() => Promise.reject(new Error(what())))]);
  } finally {
    clearTimeout(timer);
  }
}

async function order(page, counts) {
  for (const [article, count] of Object.entries(counts)) await page.getByLabel(article).fill(String(count));
  await page.getByRole("button", { name: "Order" }).click();
}

/** Waits for the invoice with this sum. */
async function invoice(page, sum) {
  const shown = page.locator("#orders pre").filter({ hasText: new RegExp(`^Sum +${sum}$`, "m") });
  await shown.waitFor();
  return shown.textContent();
}

test("orders come to invoices, also when a price service is killed, and a page that comes again finds them", { timeout: 300_000 }, async (t) => {
  const shop = new Shop();
  let closed;
  t.after(() => closed ?? shop.close());
  await shop.open();
  const browser = await browse();
  t.after(() => browser.close());
  const page = await browser.newPage();
  page.setDefaultTimeout(SHOWN_MS);
  const wrongs = [];
  page.on("pageerror", (error) => wrongs.push(String(error.stack)));
  page.on("console", (message) => message.type() === "error" && wrongs.push(message.text()));

  await page.goto(`${shop.url}?customer=bob`);
  await page.getByText("Connected as bob.").waitFor();
  await order(page, { Tea: 2, Cake: 1 });
  assert.match(await invoice(page, "9.80"), /^Invoice for bob\n +2 × tea +2\.80 +5\.60\n +1 × cake +4\.20 +4\.20\n/);

  process.kill(shop.prices[0], "SIGKILL");
  await order(page, { Coffee: 3, Tea: 1 });
  await invoice(page, "13.30");

  await order(page, {});
  await page.getByRole("alert").filter({ hasText: "an order has a name and 1 to 20 lines" }).waitFor();

  await page.reload();
  await invoice(page, "9.80");
  await invoice(page, "13.30");
  assert.equal(await page.locator("#orders li").count(), 2);
  assert.deepEqual(wrongs, []);
  await page.close();
  closed = shop.close();
  assert.equal(await closed, 0);
});
