// Puts the recovery and delivery cases to Socket.IO and to Rialto, and says what came of each. Nothing is asserted: what is
// printed is what was measured. Fails only when a case could not be measured.
//   node tests/comparison/run.mjs [--systems a,b] [--cases 50a,52b] [--json FILE] [--write docs/comparison.md]

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { cases as admission } from "./cases/admission.mjs";
import { cases as order } from "./cases/order.mjs";
import { cases as sending } from "./cases/sending.mjs";
import { cases as returns } from "./cases/return.mjs";
import { cases as seam } from "./cases/seam.mjs";
import { outcome } from "./outcome.mjs";
import { heading, mark, table, write } from "./table.mjs";
import { within } from "./wait.mjs";

const SYSTEMS = ["socketio-memory", "socketio-redis", "rialto"];
const CASE_MS_MAX = 20_000;
const BACKGROUND_MS_MAX = 90_000;
const CASES = [order, returns, seam, admission, sending].flat().sort((a, b) => a.id.localeCompare(b.id));

const { values: options } = parseArgs({
  options: {
    systems: { type: "string", default: SYSTEMS.join(",") },
    cases: { type: "string", default: CASES.map(({ id }) => id).join(",") },
    json: { type: "string" },
    write: { type: "string" },
  },
});

/** One case on one system. Cases that mostly wait run beside the others. */
async function measure(system, each) {
  const began = performance.now();
  let found;
  try {
    found = await within("the end of the case", each.run(system), each.background ? BACKGROUND_MS_MAX : CASE_MS_MAX);
  } catch (error) {
    found = outcome("not measured", `not measured: ${error.message}`, false);
  }
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  console.error(`${each.id.padEnd(4)} ${system.id.padEnd(16)} ${seconds.padStart(5)} s  ${mark(found)} ${found.words}`);
  return found;
}

/** All cases on all systems: by case, then by system. */
async function measureAll(systems, chosen) {
  const outcomes = Object.fromEntries(chosen.map(({ id }) => [id, {}]));
  const note = async (system, each) => {
    outcomes[each.id][system.id] = await measure(system, each);
  };
  const pairs = chosen.flatMap((each) => systems.map((system) => ({ system, each })));
  const waiting = pairs.filter(({ each }) => each.background).map(({ system, each }) => note(system, each));
  for (const { system, each } of pairs) if (!each.background) await note(system, each);
  await Promise.all(waiting);
  return outcomes;
}

function chosenFrom(known, wanted, what) {
  return wanted.split(",").map((id) => {
    const found = known.find((each) => (each.id ?? each) === id);
    if (found === undefined) throw new Error(`there is no ${what} ${id}`);
    return found;
  });
}

async function main() {
  const began = performance.now();
  const chosen = chosenFrom(CASES, options.cases, "case");
  const systems = [];
  try {
    for (const id of chosenFrom(SYSTEMS, options.systems, "system")) systems.push(await (await import(`./systems/${id}.mjs`)).start());
    const outcomes = await measureAll(systems, chosen);
    const report = {
      date: new Date().toISOString().slice(0, 10),
      seconds: Math.round((performance.now() - began) / 1_000),
      node: process.versions.node,
      systems: systems.map(({ id, title, versions }) => ({ id, title, versions })),
      cases: chosen.map(({ id, sentence }) => ({ id, sentence, outcomes: outcomes[id] })),
    };
    console.log(`${heading(report)}\n\n${table(report)}`);
    if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
    if (options.write) write(options.write, report);
    return Object.values(outcomes).every((by) => Object.values(by).every((found) => found.outcome !== "not measured"));
  } finally {
    for (const system of systems) await system.stop();
  }
}

// Programs that were started are ended with this one, however it ends.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
// Connections to Redis that wait for an answer would hold the process for some seconds more.
process.exit();
