// Single jobs that are paused and resumed, over both shapes: while they wait, and while a worker has them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { allEnd, Desk, fired, gate } from "./desk.mjs";
import { code, SHAPES } from "./shapes.mjs";

/** The job as it is when it has come into a state. */
async function comes(jobs, id, state) {
  for await (const job of jobs.watch(id)) if (job.state === state) return job;
  throw new Error(`${id} has never been ${state}`);
}

for (const [shape, module] of SHAPES) {
  test(`${shape}: a job that waits and is paused is given to nobody until it is resumed`, async (t) => {
    const desk = new Desk(t, module);
    const { jobs } = desk;
    await jobs.enqueue([{ id: "one" }, { id: "two" }]);
    const paused = await jobs.pauseJob("one");
    assert.deepEqual([paused.id, paused.state, paused.ended, paused.pausing], ["one", "paused", false, false]);
    assert.equal((await jobs.pauseJob("one")).state, "paused", "twice is once");
    const { counts } = await jobs.queue();
    assert.deepEqual([counts.paused, counts.waiting], [1, 1]);
    assert.deepEqual((await jobs.list({ states: ["paused"] }).page()).entries.map(({ id }) => id), ["one"]);
    const begun = [];
    desk.work((job) => void begun.push(job.id));
    await allEnd(jobs, ["two"], "completed");
    const { state, deliveries } = await jobs.get("one");
    assert.deepEqual([state, deliveries, begun], ["paused", 0, ["two"]], "its turn was before the other one's");
    await jobs.resumeJob("one");
    await allEnd(jobs, ["one"], "completed");
    assert.deepEqual(begun, ["two", "one"]);
    assert.equal((await jobs.pauseJob("one")).state, "completed", "what has ended stays as it is");
    await assert.rejects(jobs.pauseJob("nobody"), code("NOT_FOUND"));
    await assert.rejects(jobs.resumeJob("nobody"), code("NOT_FOUND"));
  });

  test(`${shape}: a job that may not begin yet keeps its time while it is paused, and one that is paused can be cancelled`, async (t) => {
    const { jobs } = new Desk(t, module);
    await jobs.enqueue({ id: "one", delayMs: 60_000 });
    const { dueAt } = await jobs.get("one");
    assert.equal((await jobs.pauseJob("one")).state, "paused");
    const resumed = await jobs.resumeJob("one");
    assert.deepEqual([resumed.state, resumed.dueAt], ["delayed", dueAt]);
    await jobs.pauseJob("one");
    assert.equal((await jobs.cancel("one", { reason: "enough" })).state, "cancelled");
  });

  test(`${shape}: a job that runs is given back with its checkpoint, and goes on with it in the same attempt`, async (t) => {
    const desk = new Desk(t, module);
    const { jobs } = desk;
    const begun = gate();
    const attempts = [];
    desk.work(async (job) => {
      attempts.push(job.attempt);
      const left = new TextDecoder().decode(job.lastCheckpoint);
      if (left !== "") return { left, progress: job.lastProgress };
      begun.open();
      await fired(job.toPause);
      // What is said last comes first.
      job.progress(60, 100, "row 60");
      job.checkpoint("row 60");
      assert.equal(job.cancelled.aborted, false);
      job.toPause.throwIfAborted();
    }, { leaseMs: 1_000 });
    await jobs.enqueue({ id: "one", retry: { attemptsMax: 1 } });
    await begun.opened;
    const asked = await jobs.pauseJob("one");
    assert.deepEqual([asked.state, asked.pausing], ["running", true]);
    const paused = await comes(jobs, "one", "paused");
    assert.deepEqual([paused.pausing, paused.progress, paused.error], [false, { done: 60, total: 100, message: "row 60" }, undefined]);
    assert.equal((await jobs.resumeJob("one")).state, "waiting");
    const ended = await jobs.wait("one");
    assert.deepEqual([ended.state, ended.attempt, ended.deliveries, attempts], ["completed", 1, 2, [1, 1]]);
    assert.deepEqual(ended.result.json(), { left: "row 60", progress: { done: 60, total: 100, message: "row 60" } });
    assert.deepEqual(desk.troubles, []);
  });

  test(`${shape}: what a worker says of a job that is to be paused holds, and so does a resume in time`, async (t) => {
    const desk = new Desk(t, module);
    const { jobs } = desk;
    const [begun, go] = [gate(), gate()];
    desk.work(async (job) => {
      begun.open();
      await fired(job.toPause);
      await go.opened;
      return "done all the same";
    }, { leaseMs: 1_000 });
    await jobs.enqueue({ id: "one" });
    await begun.opened;
    await jobs.pauseJob("one");
    const kept = await jobs.resumeJob("one");
    assert.deepEqual([kept.state, kept.pausing], ["running", false]);
    await jobs.pauseJob("one");
    go.open();
    const ended = await jobs.wait("one");
    assert.deepEqual([ended.state, ended.result.text, ended.deliveries], ["completed", "done all the same", 1]);
  });
}
