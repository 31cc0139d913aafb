// Who may come back: admission at a return, and what a refused or a doubled client gets.

import { outcome } from "../outcome.mjs";
import { holds, pause } from "../wait.mjs";
import { at, hear, member, ROOM, say, texts, USER } from "./steps.mjs";

const MISSED = 10;
const missed = texts("secret", MISSED);

async function refusedHears(system) {
  return at(system, { admission: { always: true, delayMs: 50 } }, async (site) => {
    const { client, back } = await returnRefused(site);
    const kept = client.link.kept();
    const reached = missed.filter((text) => new RegExp(`${text}(?!\\d)`).test(kept)).length;
    const figures = { of: MISSED, reached, refused: Boolean(back.refused) };
    const refused = back.refused ? "refused" : "not refused";
    if (reached === 0 && back.refused) return outcome("refused", "refused, and sent nothing", true, figures);
    return outcome("disclosed", `${refused}, and sent ${reached} of ${MISSED}`, false, figures);
  });
}

function asked(always) {
  return async (system) =>
    at(system, { admission: { always } }, async (site) => {
      const { client, asked, back } = await returnRefused(site);
      const figures = { asked, refused: Boolean(back.refused) };
      if (back.refused) return outcome("refused", "asked, and refused", true, figures);
      await hear(site, client, "after");
      return outcome("admitted", asked ? "asked, and admitted" : "not asked: it is back and hears the room", false, figures);
    });
}

/** A member is cut off, loses its right to be there, and tries to come back. */
async function returnRefused(site) {
  const client = await member(site);
  const before = site.admissions.length;
  await client.cut();
  site.refuse(USER);
  await say(site, missed);
  client.link.keep();
  client.link.heal();
  const back = await client.back();
  await pause(300);
  return { client, back, asked: site.admissions.length > before };
}

async function twins(system) {
  return at(system, {}, async (site) => {
    const client = await member(site);
    const found = await site.twins(client);
    const recovered = found.filter((twin) => twin.recovered).map((twin) => twin.client);
    const ids = new Set(recovered.map(({ id }) => id));
    await site.broadcast(ROOM, "after");
    await holds(() => recovered.every(({ texts: heard }) => heard.includes("after")), 500);
    const hearing = recovered.filter(({ texts: heard }) => heard.includes("after")).length;
    const figures = { recovered: recovered.length, ids: ids.size, hearing };
    if (recovered.length === 1) return outcome("fenced", `one is it, the other is ${found.find((twin) => !twin.recovered).told ?? "new"}`, hearing === 1, figures);
    if (recovered.length === 0) return outcome("none", "neither is it", false, figures);
    return outcome("doubled", `both are it, with ${ids.size === 1 ? "one id" : "two ids"}; ${hearing} of them hears the room`, false, figures);
  });
}

export const cases = [
  {
    id: "53",
    sentence: `A member is cut off, is banned, ${MISSED} events are said, and it tries to come back to a server that checks admission at every return; counted: events that its line carried.`,
    run: refusedHears,
  },
  {
    id: "54a",
    sentence: `A member is cut off, is banned, and comes back to a server as shipped; noted: whether admission was asked.`,
    run: asked(false),
  },
  { id: "54b", sentence: `The same with a server that is told to check admission at every return.`, run: asked(true) },
  {
    id: "55",
    sentence: `Two connections present one client's right to come back, at the same time; counted: those that are it, and those that hear the room.`,
    run: twins,
  },
];
