// Imports as rooms and workers tell of them, and in words. The sources are tested as they are.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const { hasEnded, readJob, readSummary } = await load("imports/job.ts");
const { foundWords, percent, size, stateWords } = await load("imports/words.ts");

const JOB = {
  namespace: "chat",
  queue: "imports",
  jobId: "j-1",
  type: "csv",
  state: "JOB_STATE_RUNNING",
  attributes: { file: "people.csv", by: "Ann" },
  deliveries: 2,
  progress: { done: "3", total: "18446744073709551615", message: "3 rows" },
  cancelling: true,
  pausing: true,
};
const job = (more) => readJob(JSON.stringify({ ...JOB, ...more }), "chat");

test("a job is read as a room is told of it", () => {
  const { progress, ...known } = job();
  assert.deepEqual(known, { id: "j-1", state: "running", file: "people.csv", by: "Ann", error: "", cancelling: true, pausing: true, deliveries: 2, result: "" });
  assert.deepEqual([progress.done, progress.message, progress.total > 1e19], [3, "3 rows", true]);
  const ended = job({ state: "JOB_STATE_DEAD", progress: undefined, error: { code: "X", message: "no" }, result: { text: "{}" } });
  assert.deepEqual([ended.state, ended.progress, ended.error, ended.result], ["dead", undefined, "no", "{}"]);
  assert.deepEqual(["waiting", "running", "delayed", "blocked", "paused", "completed", "dead", "cancelled", "expired", "discarded", "gone"].filter((state) => !hasEnded({ state })), ["waiting", "running", "delayed", "blocked", "paused"]);
});

test("what is no import of this workspace is none, and nonsense in one does no harm", () => {
  for (const more of [{ namespace: "other" }, { queue: "mail" }, { type: "video" }, { jobId: "" }, { jobId: 7 }]) assert.equal(job(more), undefined);
  for (const text of ["", "null", "[]", "7", "{", '"x"', '{"__proto__":{"jobId":"x"}}']) assert.equal(readJob(text, "chat"), undefined, text);
  const odd = job({ attributes: null, state: 3, progress: "much", error: [], result: { text: 5 }, deliveries: -1, cancelling: "yes", pausing: 1 });
  assert.deepEqual(odd, { id: "j-1", state: "", file: "", by: "", progress: { done: 0, total: 0, message: "" }, error: "", cancelling: false, pausing: false, deliveries: 0, result: "" });
  assert.equal(job({ attributes: { file: "x".repeat(10_000) } }).file.length, 300);
});

test("a summary is read with the first hundred of its reasons, and nothing else is one", () => {
  const reasons = [{ line: 12, column: "email", reason: "is not an address" }, { line: "x" }, null, 7];
  const found = readSummary(JSON.stringify({ rows: 3, accepted: 2, rejected: 1, reasons, seconds: 1.25 }));
  assert.deepEqual(found, {
    rows: 3, accepted: 2, rejected: 1, seconds: 1.25,
    reasons: [reasons[0], ...Array.from({ length: 3 }, () => ({ line: 0, column: "", reason: "" }))],
  });
  assert.equal(readSummary(JSON.stringify({ rows: 1, reasons: Array.from({ length: 1_000 }, () => reasons[0]) })).reasons.length, 100);
  assert.deepEqual(readSummary('{"rows":-1,"reasons":{},"seconds":"1"}'), { rows: 0, accepted: 0, rejected: 0, reasons: [], seconds: 0 });
  for (const text of ["", "null", "[]", "done", '{"rows":"1"}']) assert.equal(readSummary(text), undefined, text);
});

test("numbers are short, and a share is whole only at the end", () => {
  assert.deepEqual([0, 999, 1_000, 12_345, 123_456_789, 5e12].map(size), ["0 bytes", "999 bytes", "1 kB", "12.3 kB", "123 MB", "5 TB"]);
  assert.deepEqual([percent(0, 0), percent(0, 3), percent(2_999, 3_000), percent(3, 3), percent(9, 3)], [undefined, 0, 99, 100, 100]);
});

test("each state has words, and what is said of it is in them", () => {
  const words = (state, error = "", progress = undefined) => stateWords({ state, error, progress });
  assert.equal(words("waiting"), "Waits for a worker.");
  assert.deepEqual([words("running"), words("running", "", { message: "3 rows" })], ["Running.", "3 rows"]);
  assert.deepEqual([words("dead", "no columns"), words("cancelled", "by Bob")], ["Failed: no columns", "Cancelled: by Bob"]);
  for (const state of ["delayed", "paused", "completed", "dead", "cancelled", "expired", "discarded", "gone", "state_42"]) assert.match(words(state), /^[A-Z].*\.$/, state);
  assert.equal(foundWords({ rows: 1204, rejected: 14, seconds: 1.25 }), "Completed: 1,204 rows in 1.3 s, 14 rejected.");
  assert.equal(foundWords({ rows: 1, rejected: 0, seconds: 0 }), "Completed: 1 row, none rejected.");
});
