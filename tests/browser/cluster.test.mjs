// Chats at three nodes, each page behind a load balancer that begins at a node of its own. Each test has a cluster of its own.

import { after, before, test } from "node:test";
import { Cluster } from "./lib/cluster.mjs";
import { Front } from "./lib/front.mjs";
import { browse, Person } from "./lib/pages.mjs";

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
    people.push(person);
  }
  for (const person of people) await person.sees(3);
  return people;
}

test("a message is seen by those at other nodes, and says so", async (t) => {
  const people = await three(t);
  for (const person of people) {
    await person.say(`${person.name} is here`);
    await person.delivered(`${person.name} is here`, "Seen by 2");
  }
  for (const person of people) await person.leave();
});
