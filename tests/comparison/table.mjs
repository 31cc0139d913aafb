// The table of outcomes, for people and for the document. The document's part stands between two markers.

import { readFileSync, writeFileSync } from "node:fs";

const BEGIN = "<!-- outcomes: written by `make comparison` -->";
const END = "<!-- outcomes: end -->";

/** One row for each case, one column for each system. */
export function table(report) {
  const { systems, cases } = report;
  const head = ["case", "what is done, and what is counted", ...systems.map(({ title }) => title)];
  const rows = cases.map(({ id, sentence, outcomes }) => [id, sentence, ...systems.map((system) => cell(outcomes[system.id]))]);
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** What was compared, where and when. */
export function heading(report) {
  const versions = report.systems.map(({ title, versions }) => `${title} (${versions})`).join("; ");
  return `Run of ${report.date}, ${report.seconds} s, Node ${report.node}: ${versions}.`;
}

/** Puts the table into a document, between the markers. */
export function write(path, report) {
  const text = readFileSync(path, "utf8");
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${path} has no place for the table: it needs the lines ${BEGIN} and ${END}`);
  const middle = `${BEGIN}\n\n${heading(report)}\n\n${table(report)}\n\n`;
  writeFileSync(path, text.slice(0, begin) + middle + text.slice(end));
}

function cell(found) {
  if (found === undefined) return "";
  return `${mark(found)} ${found.words.replaceAll("|", "\\|")}`;
}

/** The mark before an outcome. */
export function mark({ holds }) {
  if (holds === null) return "–";
  return holds ? "✓" : "✗";
}
