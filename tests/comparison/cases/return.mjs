// A client that was cut off and comes back: what it missed, who it is, and what it is told when something is gone.

import { delivery, impossible, number, outcome } from "../outcome.mjs";
import { pause } from "../wait.mjs";
import { at, away, end, hear, member, ROOM, say, texts } from "./steps.mjs";

const MISSED = 20;
const OTHERS = 15_000;
const SHORT_WINDOW_MS = 1_000;
const QUIET_WINDOW_MS = 5_000;
const QUIET_MS = 66_000;

const missed = texts("missed", MISSED);

async function inWindow(system) {
  return at(system, {}, async (site) => {
    const client = await member(site);
    await client.note("blue");
    const before = await client.self();
    const { told } = await away(site, client, missed);
    const after = await client.self();
    const found = delivery(missed, client.texts, told);
    const same = { id: before.id === after.id, rooms: after.rooms.includes(ROOM), data: after.note === "blue" };
    const gone = Object.keys(same).filter((key) => !same[key]);
    const words = `${found.words}; ${gone.length === 0 ? "id, rooms and data too" : `without its ${gone.join(" and ")}`}`;
    return { ...found, words, holds: found.holds && gone.length === 0, figures: { ...found.figures, same } };
  });
}

async function atAnotherNode(system) {
  if (system.nodesMax < 2) return impossible(system.elsewhere);
  return at(system, { nodes: 2 }, async (site) => {
    const client = await member(site);
    await client.cut();
    await say(site, missed);
    client.link.heal(site.port(1));
    const { told } = await client.back();
    await end(site, client);
    return delivery(missed, client.texts, told);
  });
}

async function nothingHeard(system) {
  return at(system, {}, async (site) => {
    const client = await member(site, { warm: false });
    const { told } = await away(site, client, missed);
    return delivery(missed, client.texts, told);
  });
}

async function othersBusy(system) {
  return at(system, {}, async (site) => {
    const client = await member(site);
    for (let index = 0; index < OTHERS; index += 1) {
      await site.broadcast("elsewhere", `other:${index}`);
      if (index % 100 === 99) await new Promise(setImmediate);
    }
    await site.said?.();
    const { told } = await away(site, client, missed);
    return delivery(missed, client.texts, told);
  });
}

async function quiet(system) {
  return at(system, { windowMs: QUIET_WINDOW_MS }, async (site) => {
    const client = await member(site);
    await pause(QUIET_MS);
    const { told } = await away(site, client, missed);
    return delivery(missed, client.texts, told);
  });
}

async function tooLate(system) {
  return at(system, { windowMs: SHORT_WINDOW_MS }, async (site) => {
    const client = await member(site);
    return judged(client, await away(site, client, missed, SHORT_WINDOW_MS * 2));
  });
}

async function madeUp(system) {
  return at(system, {}, async (site) => {
    const client = await member(site);
    await client.cut();
    client.forget();
    await say(site, missed);
    client.link.heal();
    const back = await client.back();
    await end(site, client);
    return judged(client, back);
  });
}

/** What is gone is gone; being told exactly how much is as good as an answer can be. */
function judged(client, { told, gap = 0 }) {
  const found = delivery(missed, client.texts, told);
  return { ...found, holds: found.holds || gap === found.figures.lost };
}

async function unaltered(system) {
  return at(system, {}, async (site) => {
    const client = await member(site);
    const live = texts("live", 5);
    for (const text of live) await hear(site, client, text);
    await away(site, client, missed);
    const all = [...live, ...missed];
    const heard = client.heard.filter(({ text }) => all.includes(text));
    const altered = heard.filter(({ extra }) => extra > 0).length;
    const figures = { events: heard.length, altered };
    if (altered === 0) return outcome("unaltered", `unaltered, ${heard.length} of ${heard.length}`, true, figures);
    return outcome("altered", `${altered} of ${heard.length} have an argument more`, false, figures);
  });
}

async function afterVolatile(system) {
  return at(system, {}, async (site) => {
    const client = await member(site);
    await site.broadcast(ROOM, "fleeting", { volatile: true });
    await pause(100);
    const { told } = await away(site, client, missed);
    return delivery(missed, client.texts, told);
  });
}

export const cases = [
  {
    id: "50a",
    sentence: `A member that has heard an event is cut off, ${MISSED} events are said, it comes back within the window; counted: those it hears, and whether id, rooms and data are the same.`,
    run: inWindow,
  },
  { id: "50b", sentence: `The same, and it comes back at another node.`, run: atAnotherNode },
  { id: "51a", sentence: `As 50a, but the member had heard nothing before it was cut off.`, run: nothingHeard },
  {
    id: "51b",
    sentence: `As 50a, but after its last event the room was silent while ${number(OTHERS)} events went to other rooms.`,
    run: othersBusy,
  },
  {
    id: "51c",
    sentence: `As 50a, but after its last event everything was silent for ${QUIET_MS / 1_000} s, connected, with a window of ${QUIET_WINDOW_MS / 1_000} s.`,
    run: quiet,
    background: true,
  },
  {
    id: "56a",
    sentence: `A member stays away twice as long as the window of ${SHORT_WINDOW_MS / 1_000} s while ${MISSED} events are said; counted: those it hears, and whether it is told.`,
    run: tooLate,
  },
  { id: "56b", sentence: `A member comes back in time with a position that never was; counted as in 56a.`, run: madeUp },
  { id: "57a", sentence: `A member hears 5 events live and ${MISSED} after its return; counted: events that differ from what was said.`, run: unaltered },
  { id: "57b", sentence: `As 50a, but the last event before the cut was a volatile one whose payload is text.`, run: afterVolatile },
];
