// Chats at three nodes, each page behind a load balancer that begins at a node of its own: a node is killed for ever, or
// stopped as for a new version, while people talk. Each test has a cluster of its own.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Cluster } from "./lib/cluster.mjs";
import { Front } from "./lib/front.mjs";
import { browse, Person } from "./lib/pages.mjs";
import { lost, told, watch } from "./lib/told.mjs";

const LOST = /Failed to load resource|net::ERR_/;
/** Whoever was on a node that dies has left everywhere within this time (docs/guarantees.md). */
const GHOSTS_MAX_MS = 15_000;
/** What a page may say about a node that it has lost. */
const COMING_BACK = /^Connection lost\. |^Connected again\. (Nothing was missed\.|Getting what was missed…)$/;

let browser;
before(async () => {
  browser = await browse();
});
after(() => browser?.close());

/** Three nodes, and a page at each of them, which goes to the next one when its own is not there. */
async function three(t) {
  const cluster = await Cluster.start(3);
  t.after(() => cluster.stop());
  const urls = cluster.nodes.map(({ url }) => url);
  const people = [];
  for (const [at, name] of ["Ann", "Bob", "Carol"].entries()) {
    const front = await Front.before([...urls.slice(at), ...urls.slice(0, at)]);
    t.after(() => front.close());
    const person = await Person.enter(browser, front.url, name);
    person.node = cluster.nodes[at];
    people.push(person);
  }
  for (const person of people) {
    await person.sees(3);
    await person.page.getByRole("button", { name: "3 people here" }).click();
    // A slow beginning has its own words.
    await person.page.locator(".banner").waitFor({ state: "detached" });
    await watch(person);
  }
  return { people, keeper: await cluster.keeper() };
}

/** What somebody says as number so much. */
const words = (person, number) => `${person.name} ${number}`;

/** Says one thing after the other, each when the one before was taken, until it is told to end; says again what was `unsure`
 * if that may be. All of it stands in `person.said`, in order. */
async function talk(person, talking, { unsure }) {
  person.said = [];
  while (talking.goesOn) {
    const text = words(person, person.said.length + 1);
    person.said.push(text);
    await person.say(text);
    if (await person.taken(text)) continue;
    const failure = person.message(text).getByRole("alert");
    assert.match(await failure.textContent(), /Perhaps not sent\./);
    assert.ok(unsure, `${text}: ${await failure.textContent()}`);
    await failure.getByRole("button", { name: "Try again" }).click();
    assert.ok(await person.taken(text), text);
  }
}

/** Everybody shows all that was said, once and in one order, which is also that of each who spoke; no page has anything else
 * to tell. */
async function showsAll(people, said) {
  for (const person of people) for (const texts of said) await person.hears(texts.at(-1));
  const [one, ...others] = await Promise.all(people.map((person) => person.texts()));
  for (const texts of said) assert.deepEqual(one.filter((text) => texts.includes(text)), texts);
  assert.equal(one.length, said.flat().length, "nothing else was said");
  for (const texts of others) assert.deepEqual(texts, one);
  for (const { log } of people) assert.equal(await log.locator("li.notice, .failure").count(), 0, "nothing to tell");
}

/** Everybody sees three people, none of them twice or away, before a time is over. */
async function noGhosts(people, patienceMs) {
  const end = Date.now() + patienceMs;
  for (const person of people) {
    const { page } = person;
    const three = page.getByRole("button", { name: "3 people here" });
    await three.waitFor({ timeout: Math.max(1, end - Date.now()) }).catch(async (cause) => {
      const list = await page.getByRole("list", { name: "People" }).innerText();
      throw new Error(`${person.name} sees ${JSON.stringify(list)} after ${JSON.stringify(await told(person))}`, { cause });
    });
    const beside = await page.getByRole("list", { name: "People" }).locator("bdi ~ span").allTextContents();
    assert.deepEqual(beside, ["you"]);
  }
}

/** Who has lost a node says so, that it is back, and that nothing was missed; then it says nothing any more. */
async function isBack(person) {
  await person.page.locator(".banner").waitFor({ state: "detached" });
  const { banners } = await told(person);
  assert.deepEqual(banners.filter((text) => !COMING_BACK.test(text)), []);
  assert.ok(banners.length === 0 || banners.at(-1) === "Connected again. Nothing was missed.", banners.at(-1));
}

test("a message is seen by those at other nodes, and says so", async (t) => {
  const { people } = await three(t);
  for (const person of people) {
    await person.say(`${person.name} is here`);
    await person.delivered(`${person.name} is here`, "Seen by 2");
  }
  for (const person of people) await person.leave();
});

/** Two talk while the node of the third is killed, which is the one that keeps the room, or is not. */
async function killed(t, keeps) {
  const { people, keeper } = await three(t);
  const third = people.find(({ node }) => (node === keeper) === keeps);
  const two = people.filter((person) => person !== third);
  const talking = { goesOn: true };
  // What is on its way to the node that keeps the room may be lost with it or not.
  const talks = Promise.all(two.map((person) => talk(person, talking, { unsure: keeps })));
  talks.catch(() => {});
  for (const person of two) await third.hears(words(person, 3));

  const died = Date.now();
  await third.node.kill();
  await lost(third);
  await third.attached();
  await third.page.getByRole("button", { name: /^\d people here/ }).waitFor();
  await third.say("here again");
  for (const person of two) await person.hears("here again");
  talking.goesOn = false;

  await talks;
  await showsAll(people, [...two.map(({ said }) => said), ["here again"]]);
  await noGhosts(people, died + GHOSTS_MAX_MS - Date.now());
  await third.say("was I missed?");
  await third.delivered("was I missed?", "Seen by 2");
  await isBack(third);
  for (const person of two) assert.deepEqual((await told(person)).banners, [], "others have lost nothing");
  // With a ghost of it there would be three still.
  await third.leave(LOST);
  for (const person of two) await person.sees(2);
  for (const person of two) await person.leave();
}

test("two talk while the third's node, which keeps the room, is killed; the third comes back on another node with nothing missing", (t) => killed(t, true));

test("two talk while the third's node, which does not keep the room, is killed; the third comes back on another node with nothing missing", (t) => killed(t, false));

test("three talk while the node of one is stopped: it takes its session along, and the others notice nothing", async (t) => {
  const { people, keeper } = await three(t);
  const third = people.find(({ node }) => node === keeper);
  const two = people.filter((person) => person !== third);
  const talking = { goesOn: true };
  const talks = Promise.all(people.map((person) => talk(person, talking, { unsure: false })));
  talks.catch(() => {});
  for (const person of people) await third.hears(words(person, 3));

  await third.node.stop();
  await lost(third);
  await third.attached();
  const next = words(third, third.said.length + 1);
  for (const person of two) await person.hears(next);
  talking.goesOn = false;

  await talks;
  await showsAll(people, people.map(({ said }) => said));
  await noGhosts(people, GHOSTS_MAX_MS);
  await third.say("did you notice?");
  await third.delivered("did you notice?", "Seen by 2");
  await isBack(third);
  for (const person of two) {
    const { banners, counts } = await told(person);
    assert.deepEqual({ banners, counts }, { banners: [], counts: ["3 people here"] });
  }
  // A request of its own may have met the end of the node.
  await third.leave(LOST);
  for (const person of two) await person.leave();
});
