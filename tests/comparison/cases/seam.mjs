// The seam between what is repeated and what is live: events that are said while a client is coming back.

import { count, delivery, number, outcome } from "../outcome.mjs";
import { pause } from "../wait.mjs";
import { at, end, member, writer } from "./steps.mjs";

const SLOW_MS = 300;
const SLOW_PER_SECOND = 100;
const RETURNERS = 5;
const RETURNS = 8;
const PER_SECOND = 1_000;

async function slowAdmission(system) {
  return at(system, { admission: { always: true, delayMs: SLOW_MS } }, async (site) => {
    const client = await member(site);
    const writing = writer(site, "event", SLOW_PER_SECOND);
    await pause(100);
    await client.cut();
    await pause(100);
    client.link.heal();
    const { told } = await client.back();
    await pause(100);
    const sent = await writing.stop();
    await end(site, client);
    return delivery(sent, client.texts, told);
  });
}

async function steadyWrites(system) {
  return at(system, {}, async (site) => {
    const clients = [];
    for (let index = 0; index < RETURNERS; index += 1) clients.push(await member(site, { user: `user-${index}` }));
    const writing = writer(site, "event", PER_SECOND);
    const told = await Promise.all(clients.map(comeAndGo));
    const sent = await writing.stop();
    for (const client of clients) await end(site, client);
    return total(sent, clients, told.flat().filter((what) => what !== "").length);
  });
}

async function comeAndGo(client, place) {
  const told = [];
  await pause(100 + 37 * place);
  for (let turn = 0; turn < RETURNS; turn += 1) {
    await client.cut();
    await pause(100 + ((place * 31 + turn * 17) % 90));
    client.link.heal();
    told.push((await client.back()).told);
    await pause(300 + ((place * 53 + turn * 29) % 150));
  }
  return told;
}

function total(sent, clients, fresh) {
  const sum = { of: 0, lost: 0, duplicated: 0, disordered: 0 };
  for (const client of clients) {
    const found = count(sent, client.texts);
    for (const key of Object.keys(sum)) sum[key] += found[key];
  }
  const figures = { ...sum, returns: RETURNERS * RETURNS, fresh };
  if (sum.lost + sum.duplicated + sum.disordered === 0) return outcome("kept", `kept ${number(sum.of)} of ${number(sum.of)}`, true, figures);
  const parts = Object.entries({ lost: sum.lost, duplicated: sum.duplicated, "out of order": sum.disordered })
    .filter(([, events]) => events > 0)
    .map(([what, events]) => `${what} ${events}`);
  const told = fresh === 0 ? "not told" : `told at ${fresh} of ${figures.returns} returns`;
  const words = `${parts.join(", ")} of ${number(sum.of)}${sum.lost > 0 ? `, ${told}` : ""}`;
  return outcome(sum.lost > 0 ? "lost" : "duplicated", words, false, figures);
}

export const cases = [
  {
    id: "52a",
    sentence: `A member is cut off and comes back while ${SLOW_PER_SECOND} events a second are said; its admission takes ${SLOW_MS} ms; counted: events lost or heard twice.`,
    run: slowAdmission,
  },
  {
    id: "52b",
    sentence: `${RETURNERS} members are cut off ${RETURNS} times each while ${number(PER_SECOND)} events a second are said, without admission checks; counted: events lost or heard twice, of all deliveries.`,
    run: steadyWrites,
  },
];
