// How many events a second each client receives, and what one costs its process, beside the peers' clients of the same
// language. Nothing is asserted: what is printed is what was measured. Fails when a cell could not be measured.
//   node tests/receivers/run.mjs [--languages Go,Java] [--systems rialto,nats] [--seconds 5] [--warm-up-seconds 3]
//     [--rounds 1] [--rate 5000] [--window 512] [--json FILE] [--write docs/benchmarks.md]

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";
import { parseArgs } from "node:util";
import { measure } from "./cell.mjs";
import { RECEIVERS } from "./receivers.mjs";
import { SYSTEMS } from "./servers.mjs";
import { heading, place, table, write } from "./table.mjs";

const STEP = 256;
const { values: options } = parseArgs({
  options: {
    languages: { type: "string", default: Object.keys(RECEIVERS).join(",") },
    systems: { type: "string", default: Object.keys(SYSTEMS).join(",") },
    seconds: { type: "string", default: "5" },
    "warm-up-seconds": { type: "string", default: "3" },
    rounds: { type: "string", default: "1" },
    rate: { type: "string", default: "5000" },
    window: { type: "string", default: "512" },
    json: { type: "string" },
    write: { type: "string" },
  },
});
const numbers = {
  warmUpSeconds: Number(options["warm-up-seconds"]),
  seconds: Number(options.seconds),
  rounds: Number(options.rounds),
  rate: Number(options.rate),
  window: Number(options.window),
};

/** The cells that are wanted, in the order of the table. */
function chosen() {
  const [languages, systems] = [options.languages.split(","), options.systems.split(",")];
  for (const language of languages) if (!(language in RECEIVERS)) throw new Error(`there is no receiver in ${language}`);
  for (const system of systems) if (!(system in SYSTEMS)) throw new Error(`there is no system ${system}`);
  if (numbers.window % STEP !== 0 || numbers.window < 2 * STEP) throw new Error(`--window is a multiple of ${STEP}, at least two`);
  return languages.flatMap((language) =>
    systems.filter((system) => system in RECEIVERS[language]).map((system) => ({ language, system, receiver: RECEIVERS[language][system] })),
  );
}

/** All cells, round after round, so that what disturbs a minute does not disturb one client alone. */
async function measureAll(cells) {
  const rounds = cells.map(() => []);
  for (let round = 0; round < numbers.rounds; round += 1) {
    for (const [at, { language, system, receiver }] of cells.entries()) {
      const found = await measure(system, receiver, numbers);
      rounds[at].push(found);
      const { paced, saturated, missing } = found;
      console.error(
        `${language.padEnd(10)} ${receiver.client.padEnd(22)} ${paced.micros.toFixed(1).padStart(6)} µs at ${paced.perSecond.toFixed(0)}/s,` +
          ` ${saturated.micros.toFixed(2).padStart(6)} µs at ${saturated.perSecond.toFixed(0)}/s (${saturated.busy.toFixed(2)} cores), ${missing} missing,` +
          ` others ${(found.others * 100).toFixed(0)} %`,
      );
    }
  }
  return rounds;
}

function middle(values) {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
}

function figures(rounds) {
  const phase = (name) => Object.fromEntries(["perSecond", "micros", "busy"].map((what) => [what, middle(rounds.map((round) => round[name][what]))]));
  const missing = rounds.reduce((all, round) => all + round.missing, 0);
  return { paced: phase("paced"), saturated: phase("saturated"), missing, others: middle(rounds.map(({ others }) => others)) };
}

function runtimes(languages) {
  // Java says its version to standard error by its old flag; this one is as old as what the client needs.
  const told = (...command) => execFileSync(command[0], command.slice(1), { encoding: "utf8" }).split("\n")[0].trim();
  const by = {
    Rust: () => told("rustc", "--version").split(" (")[0],
    TypeScript: () => `Node ${process.versions.node}`,
    Python: () => told("python3", "--version"),
    Go: () => told("go", "version").split(" ").slice(0, 3).join(" ").replace("go version go", "Go "),
    Java: () => told("java", "--version"),
  };
  return languages.map((language) => by[language]());
}

/** What measures the same again; where figures go does not matter for that. */
function command() {
  const given = process.argv.slice(2).join(" ").replace(/ *--(write|json)[ =]\S+/g, "").trim();
  return given === "" ? "make bench-clients" : `make bench-clients CLIENTS="${given}"`;
}

async function main() {
  const [began, load] = [performance.now(), loadavg()[0]];
  const cells = chosen();
  // What cannot be written is said before minutes have gone by.
  if (options.write) place(options.write);
  const systems = Object.keys(SYSTEMS).filter((system) => cells.some((cell) => cell.system === system));
  const servers = systems.map((system) => SYSTEMS[system].version());
  const rounds = await measureAll(cells);
  const others = rounds.flat().map((round) => round.others);
  const report = {
    command: command(),
    date: new Date().toISOString().slice(0, 10),
    minutes: Math.round((performance.now() - began) / 60_000),
    machine: `${cpus().length} cores of ${cpus()[0].model}, Linux ${release().split(".").slice(0, 2).join(".")}`,
    servers,
    runtimes: runtimes([...new Set(cells.map(({ language }) => language))]),
    load,
    others: { usual: middle(others), most: Math.max(...others) },
    ...numbers,
    rows: cells.map(({ language, system, receiver: { client, version } }, at) => ({
      language,
      system,
      client: version === undefined ? `**${client}**` : `${client} ${version()}`,
      figures: figures(rounds[at]),
    })),
  };
  console.log(`${heading(report)}\n\n${table(report)}`);
  if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  if (options.write) write(options.write, report);
  return report.rows.every((row) => row.figures.missing === 0);
}

// Programs that were started are ended with this one, however it ends.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
process.exit();
