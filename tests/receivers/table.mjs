// The figures, for people and for the document. The document's part stands between two markers.

import { readFileSync, writeFileSync } from "node:fs";

const BEGIN = "<!-- clients: written by `make bench-clients` -->";
const END = "<!-- clients: end -->";
const HEAD = [
  "language",
  "client",
  "CPU µs/event, one by one",
  "to NATS",
  "CPU µs/event, as fast as it goes",
  "to NATS",
  "events/s",
  "cores used by the receiver",
  "missing",
  "used by others",
];

/** One row for each client. */
export function table(report) {
  const rows = report.rows.map((row) => cells(row, report.rows));
  return [HEAD, HEAD.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** What was measured, where and when. */
export function heading({ command, date, minutes, machine, servers, runtimes, others, load, rounds, rate, seconds, window }) {
  const each = rounds > 1 ? `each figure is the middle one of ${rounds} rounds, missing is their sum` : "one round";
  return [
    `\`${command}\` of ${date}, ${minutes} minutes: ${machine}; ${servers.join(", ")}; ${runtimes.join(", ")}.`,
    `Warmed up, then ${seconds} s at ${rate} events/s, then ${seconds} s as fast as the receiver takes them, with ${window} events under way; ${each}.`,
    `When it began the machine's load (1 minute) was ${load.toFixed(1)}; while it was measured other programs used ${percent(others.usual)} of the machine, in the worst cell ${percent(others.most)}.`,
  ].join("\n");
}

/** The place of the table in a document: what stands before it and after it. */
export function place(file) {
  const text = readFileSync(file, "utf8");
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${file} has no place for the table: it needs the lines ${BEGIN} and ${END}`);
  return { before: text.slice(0, begin), after: text.slice(end) };
}

/** Puts the table into a document, between the markers. */
export function write(file, report) {
  const { before, after } = place(file);
  writeFileSync(file, `${before}${BEGIN}\n\n${heading(report)}\n\n${table(report)}\n\n${after}`);
}

function cells({ language, system, client, figures }, rows) {
  const nats = rows.find((row) => row.language === language && row.system === "nats")?.figures;
  const toNats = (phase) => (nats === undefined ? "–" : (figures[phase].micros / nats[phase].micros).toFixed(2));
  return [
    language,
    client,
    figures.paced.micros.toFixed(1),
    toNats("paced"),
    figures.saturated.micros.toFixed(2),
    toNats("saturated"),
    Math.round(figures.saturated.perSecond),
    figures.saturated.busy.toFixed(2),
    figures.missing,
    percent(figures.others),
  ];
}

function percent(part) {
  return `${(part * 100).toFixed(0)} %`;
}
