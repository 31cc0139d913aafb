// Jobs, queues and schedules between an application's words and the protocol's.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Assignment } from "../../dist/core/assignment.js";
import { fromState, Job, toState } from "../../dist/core/job.js";
import { toQueue } from "../../dist/core/jobqueue.js";
import { fromNewJob, named } from "../../dist/core/newjob.js";
import { fromSchedule, toSchedule } from "../../dist/core/schedule.js";
import { JobSchema, JobState, NewJobSchema, QueueSchema, ScheduleSchema, ScheduleStatusSchema } from "../../dist/gen/rialto/v1/job_pb.js";
import { LeaseSchema } from "../../dist/gen/rialto/v1/worker_service_pb.js";
import { create } from "../../dist/wire/message.js";
import { onTheWire } from "./played.mjs";

const said = (job) => onTheWire(NewJobSchema, fromNewJob(job));
const COUNTS = { closed: true, liveCount: 1, completedCount: 2, deadCount: 3, cancelledCount: 4, expiredCount: 5, discardedCount: 6 };
const BATCH = { closed: true, live: 1, completed: 2, dead: 3, cancelled: 4, expired: 5, discarded: 6 };
const at = (seconds) => ({ seconds: BigInt(seconds), nanos: 0 });

test("a job says which batch it belongs to or completes, and says nothing of batches otherwise", () => {
  assert.deepEqual(said({ id: "a", batch: "all" }), { jobId: "a", body: {}, batchId: "all" });
  assert.deepEqual(said({ id: "all", completesBatch: true }), { jobId: "all", body: {}, completesBatch: true });
  assert.deepEqual(said({ id: "a" }), { jobId: "a", body: {} });
  assert.match(named({ completesBatch: true }).id, /^[0-9a-f]{32}$/, "a batch is named here like any other job");
});

test("a chained job goes into its queue, and is named by the server unless it has a name", () => {
  const chain = [{ queue: "upload", payload: "x", type: "t", delayMs: 1_500 }, { id: "last", priority: 2 }];
  assert.deepEqual(said(named({ id: "a", chain })), {
    jobId: "a",
    body: {},
    chain: [
      { queue: "upload", job: { body: { body: { case: "text", value: "x" } }, type: "t", start: { case: "delay", value: { seconds: 1n, nanos: 500_000_000 } } } },
      { job: { jobId: "last", body: {}, priority: 2 } },
    ],
  });
  assert.throws(() => fromNewJob({ id: "a", chain: [{ delayMs: 1, runAt: new Date() }] }), { code: "INVALID" });
});

test("a job that waits for its batch is blocked, and has not ended", () => {
  assert.deepEqual([toState(JobState.BLOCKED), fromState("blocked")], ["blocked", JobState.BLOCKED]);
  const ended = Object.values(JobState).filter((state) => typeof state === "number" && new Job(create(JobSchema, { state })).ended);
  const { COMPLETED, DEAD, CANCELLED, EXPIRED, DISCARDED } = JobState;
  assert.deepEqual(ended.filter((state) => state !== JobState.UNSPECIFIED), [COMPLETED, DEAD, CANCELLED, EXPIRED, DISCARDED]);
});

test("a job that is paused has not ended, and one that is to be says so", () => {
  assert.deepEqual([toState(JobState.PAUSED), fromState("paused")], ["paused", JobState.PAUSED]);
  const shown = (job) => (({ state, pausing, ended }) => [state, pausing, ended])(new Job(create(JobSchema, job)));
  assert.deepEqual(shown({ state: JobState.PAUSED }), ["paused", false, false]);
  assert.deepEqual(shown({ state: JobState.RUNNING, pausing: true }), ["running", true, false]);
});

test("a job shows its batch, its chain and its schedule", () => {
  const job = new Job(create(JobSchema, { batch: COUNTS, batchId: "outer", chainLength: 2, scheduleId: "nightly" }));
  assert.deepEqual([job.batch, job.batchId, job.chainLength, job.scheduleId], [BATCH, "outer", 2, "nightly"]);
  const plain = new Job(create(JobSchema, {}));
  assert.deepEqual([plain.batch, plain.batchId, plain.chainLength, plain.scheduleId], [undefined, "", 0, ""]);
});

test("the job of a worker has what the job before has found, and the batch that it completes", () => {
  const assignment = (lease) => new Assignment(create(LeaseSchema, lease));
  const body = { body: { case: "text", value: '{"n":1}' }, contentType: "application/json" };
  const job = assignment({ previousResult: body, batch: COUNTS, body: { body: { case: "text", value: "own" } } });
  assert.deepEqual([job.text, job.previousResult.json(), job.previousResult.contentType, job.batch], ["own", { n: 1 }, "application/json", BATCH]);
  assert.equal(assignment({ previousResult: {} }).previousResult.payload, undefined, "the job before has found nothing");
  assert.deepEqual([assignment({}).previousResult, assignment({}).batch], [undefined, undefined]);
});

test("a queue counts the jobs of each place", () => {
  const counted = { blockedCount: 1, delayedCount: 2, waitingCount: 3, runningCount: 4, deadCount: 5, endedCount: 6, pausedCount: 7 };
  assert.deepEqual(toQueue(create(QueueSchema, counted)).counts, { blocked: 1, delayed: 2, waiting: 3, running: 4, paused: 7, dead: 5, ended: 6 });
});

test("a schedule and its job are said without a name for the job", () => {
  const said = (schedule) => onTheWire(ScheduleSchema, fromSchedule(schedule));
  const nightly = { id: "nightly", cron: "0 2 * * *", job: { type: "report" } };
  assert.deepEqual(said(nightly), { scheduleId: "nightly", cron: "0 2 * * *", job: { type: "report", body: {} } });
  const all = said({ ...nightly, timeZone: "Europe/Berlin", oneLive: true, paused: true });
  assert.deepEqual([all.timeZone, all.oneLive, all.paused], ["Europe/Berlin", true, true]);
});

test("a schedule is shown with its times, in UTC unless it says otherwise", () => {
  const shown = (status) => toSchedule(create(ScheduleStatusSchema, status));
  const schedule = { scheduleId: "nightly", cron: "0 2 * * *", oneLive: true };
  assert.deepEqual(shown({ schedule, nextTime: at(20), lastTime: at(10), skippedCount: 3n }), {
    id: "nightly", cron: "0 2 * * *", timeZone: "UTC", oneLive: true, paused: false, nextAt: new Date(20_000), lastAt: new Date(10_000), skipped: 3,
  });
  const paused = shown({ schedule: { ...schedule, timeZone: "Asia/Tokyo", paused: true } });
  assert.deepEqual([paused.timeZone, paused.paused, paused.nextAt, paused.lastAt, paused.skipped], ["Asia/Tokyo", true, undefined, undefined, 0]);
});
