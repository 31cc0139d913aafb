// What clients send: tries again, order, and what waits while there is no connection.

import { count, delivery, number, outcome } from "../outcome.mjs";
import { holds, pause, settled, until } from "../wait.mjs";
import { at, member, ROOM, texts } from "./steps.mjs";

const ROUNDS = 5;
const WINDOWED = 20;
const WAITING = 20_000;
const WAITING_BYTES = 1_024;

/** Someone who hears the room, and someone who speaks to it. */
async function pair(site, options) {
  const observer = await member(site, { user: "observer" });
  const sender = await site.client("sender", options);
  return { observer, sender };
}

async function answerLost(system) {
  return at(system, {}, async (site) => {
    const { observer, sender } = await pair(site, { retries: 3, answerMs: 2_000 });
    const sent = texts("once", ROUNDS);
    for (const text of sent) {
      sender.link.lose("down");
      const answered = sender.send(ROOM, text);
      await until("an event applied", () => observer.texts.includes(text));
      await sender.cut();
      sender.link.heal();
      await sender.back();
      await answered;
    }
    await settled(() => observer.heard.length);
    return delivery(sent, observer.texts);
  });
}

async function slowAnswers(system) {
  return at(system, {}, async (site) => {
    const { observer, sender } = await pair(site, { retries: 3, answerMs: 100 });
    sender.link.lag("down", 250);
    const sent = texts("slow", 3);
    const results = await Promise.allSettled(sent.map((text) => sender.send(ROOM, text)));
    await settled(() => observer.heard.length, 600);
    const found = count(sent, observer.texts);
    const confirmed = results.filter(({ status }) => status === "fulfilled").length;
    const applied = found.of - found.lost + found.duplicated;
    const figures = { ...found, applied, confirmed };
    const words = `applied ${applied} times, ${confirmed} of ${found.of} confirmed`;
    return outcome(found.duplicated > 0 ? "duplicated" : "once", words, found.duplicated + found.lost === 0, figures);
  });
}

function deadLine(options) {
  return async (system) =>
    at(system, {}, async (site) => {
      const { observer, sender } = await pair(site, options);
      sender.link.lose("up");
      const sent = texts("dead", 5);
      const results = sent.map((text) => sender.send(ROOM, text));
      await pause(100);
      await sender.cut();
      sender.link.heal();
      await sender.back();
      const settledAll = await Promise.allSettled(results);
      await settled(() => observer.heard.length, 500);
      const failed = settledAll.filter(({ status }) => status === "rejected").length;
      return delivery(sent, observer.texts, failed > 0 ? `of ${failed}` : "");
    });
}

async function windowed(system) {
  return at(system, {}, async (site) => {
    const { observer, sender } = await pair(site, { retries: 3, answerMs: 2_000 });
    sender.link.lag("up", 25);
    sender.link.lag("down", 25);
    const sent = texts("window", WINDOWED);
    const began = performance.now();
    await Promise.all(sent.map((text) => sender.send(ROOM, text)));
    const ms = Math.round(performance.now() - began);
    const found = delivery(sent, observer.texts);
    const roundTrips = Math.round(ms / 50);
    const holdsBoth = found.holds && roundTrips < WINDOWED / 2;
    return { ...found, words: `${found.words} in order, in ${ms} ms (${roundTrips} round trips)`, holds: holdsBoth, figures: { ...found.figures, ms } };
  });
}

async function windowedOverCut(system) {
  return at(system, {}, async (site) => {
    const { observer, sender } = await pair(site, { retries: 3, answerMs: 2_000 });
    sender.link.lag("down", 20);
    const sent = texts("order", WINDOWED);
    const all = Promise.all(sent.map((text) => sender.send(ROOM, text)));
    await until("some events applied", () => observer.texts.includes("order:5"));
    await sender.cut();
    sender.link.heal();
    await sender.back();
    await all;
    await settled(() => observer.heard.length);
    return delivery(sent, observer.texts);
  });
}

async function offline(system) {
  return at(system, {}, async (site) => {
    const { observer, sender } = await pair(site, {});
    await sender.cut();
    const sent = texts("waiting", WAITING);
    const padding = "x".repeat(WAITING_BYTES);
    const before = process.memoryUsage().heapUsed;
    let refused = 0;
    const results = sent.map((text) => sender.send(ROOM, `${text} ${padding}`).catch(() => (refused += 1)));
    await pause(50);
    const waiting = WAITING - refused;
    const heapMiB = Math.round((process.memoryUsage().heapUsed - before) / (1 << 20));
    sender.link.heal();
    await sender.back();
    await holds(() => observer.heard.length > waiting, 8_000);
    await Promise.all(results);
    await settled(() => observer.heard.length);
    const heard = count(sent, observer.texts.map((text) => text.split(" ")[0]));
    const delivered = heard.of - heard.lost;
    const figures = { of: WAITING, waiting, refused: WAITING - waiting, delivered, heapMiB };
    if (waiting >= WAITING) return outcome("no bound", `all wait, no bound; ${number(delivered)} heard after the return`, false, figures);
    const words = `${number(waiting)} wait, ${number(figures.refused)} refused at once; ${number(delivered)} heard after the return`;
    return outcome("bounded", words, delivered === waiting, figures);
  });
}

export const cases = [
  {
    id: "58a",
    sentence: `A client with 3 retries speaks, the line breaks after the server has it and before the answer, ${ROUNDS} times; counted: events applied again.`,
    run: answerLost,
  },
  {
    id: "58b",
    sentence: `Answers take 250 ms, a client with 3 retries waits 100 ms for each; 3 events; counted: how often they are applied.`,
    run: slowAnswers,
  },
  {
    id: "58c",
    sentence: `A client with 3 retries says 5 events into a line that is dead without a sign, which then breaks and heals; counted: those that are lost.`,
    run: deadLine({ retries: 3, answerMs: 1_000 }),
  },
  { id: "58d", sentence: `The same with a client as shipped.`, run: deadLine({}) },
  {
    id: "59a",
    sentence: `A client with 3 retries says ${WINDOWED} events at once over a line of 50 ms there and back; measured: the time until all are answered.`,
    run: windowed,
  },
  {
    id: "59b",
    sentence: `A client with 3 retries says ${WINDOWED} events at once, and the line breaks and heals in the middle; counted: events lost, applied again, or out of order.`,
    run: windowedOverCut,
  },
  {
    id: "60",
    sentence: `A client that is cut off says ${number(WAITING)} events of 1 KiB; counted: those that wait, are refused, and are heard after its return.`,
    run: offline,
  },
];
