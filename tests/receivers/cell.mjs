// One cell: a fresh server, the sender, and a receiver. First both are warmed up, then events come at a rate that every
// receiver keeps up with, then as fast as the receiver takes them.

import { cpus } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { Program } from "./program.mjs";
import { SENDER } from "./receivers.mjs";
import { start } from "./servers.mjs";

const LOST_MS = 5_000;

/** Measures: `{ paced, saturated, missing, others }`, the phases as `{ perSecond, micros, busy }`. */
export async function measure(system, receiver, options) {
  const server = await start(system);
  const programs = [];
  try {
    const heard = new Program(receiver.client, [...receiver.command, server.url], receiver.env);
    programs.push(heard);
    await heard.line((line) => line === "READY");
    const sender = new Program("the sender", [SENDER, system, server.url, `${options.window}`]);
    programs.push(sender);
    await sender.line((line) => line === "READY");
    return await phases(new Line(sender, heard), [server.program, sender, heard], options);
  } finally {
    for (const program of programs) await program.stop();
    await server.stop();
  }
}

async function phases(line, programs, { warmUpSeconds, seconds, rate }) {
  // In both ways: virtual machines compile what they do, and anew when they do something else.
  await line.phase(0, warmUpSeconds);
  await line.phase(rate, warmUpSeconds);
  const before = totals(programs);
  const paced = await line.phase(rate, seconds);
  const saturated = await line.phase(0, seconds);
  const others = share(before, totals(programs));
  return { paced, saturated, missing: await line.missing(), others };
}

/** The sender and the receiver, and between them what the receiver says that it has heard. */
class Line {
  #sender;
  #receiver;
  #said = 0;
  #last = { count: 0 };
  #first = null;

  constructor(sender, receiver) {
    this.#sender = sender;
    this.#receiver = receiver;
    receiver.onLine = (line) => this.#heard(line);
  }

  /** A phase, measured from the first to the last of the receiver's lines in it. */
  async phase(rate, seconds) {
    this.#first = null;
    this.#sender.tell(`pace ${rate}`);
    await pause(seconds * 1_000);
    const rested = this.#sender.line((line) => line.startsWith("said "));
    const [first, last] = [this.#first, this.#last];
    this.#sender.tell("rest");
    this.#said = Number((await rested).slice(5));
    await this.#allHeard();
    if (first === null || last === first) throw new Error("too little was heard");
    const [events, wallMicros] = [last.count - first.count, (last.at - first.at) * 1_000];
    const cpuMicros = last.cpu - first.cpu;
    return { perSecond: (events / wallMicros) * 1e6, micros: cpuMicros / events, busy: cpuMicros / wallMicros };
  }

  /** How many events of those that were said have not come, by the receiver's own account at its end. */
  async missing() {
    const ended = this.#receiver.line((line) => line.startsWith("{"));
    this.#receiver.endInput();
    return this.#said - JSON.parse(await ended).received;
  }

  async #allHeard() {
    const deadline = performance.now() + LOST_MS;
    while (this.#last.count < this.#said && performance.now() < deadline) await pause(5);
  }

  #heard(line) {
    const count = Number(line);
    if (Number.isNaN(count)) return;
    this.#sender.tell(`heard ${count}`);
    this.#last = { count, at: performance.now(), cpu: this.#receiver.cpuMicros() };
    this.#first ??= this.#last;
  }
}

/** CPU of the whole machine, and of what takes part in the measurement, in µs. */
function totals(programs) {
  const times = cpus().map(({ times: { user, nice, sys, irq, idle } }) => ({ busy: user + nice + sys + irq, idle }));
  const sum = (what) => times.reduce((all, each) => all + each[what], 0) * 1_000;
  const { user, system } = process.cpuUsage();
  return { busy: sum("busy"), idle: sum("idle"), ours: user + system + programs.reduce((all, each) => all + each.cpuMicros(), 0) };
}

/** Which share of the machine others have used between two totals. */
function share(before, after) {
  const grown = (what) => after[what] - before[what];
  return Math.max(0, grown("busy") - grown("ours")) / (grown("busy") + grown("idle"));
}
