// Jobs that hang together, over both shapes: batches with a job that completes them, chains over several queues, schedules.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Desk, gate } from "./desk.mjs";
import { code, fresh, SHAPES } from "./shapes.mjs";

const EVERY_SECOND = "* * * * * *";

for (const [shape, module] of SHAPES) {
  const { Discard, Fail, Jobs } = module;

  test(`${shape}: the job that completes a batch begins when all have ended, however they have, and sees how`, async (t) => {
    const desk = new Desk(t, module);
    const { jobs } = desk;
    const { id: batch } = await jobs.enqueue({ completesBatch: true });
    await jobs.enqueue(["good", "bad", "needless"].map((id) => ({ id, batch })));
    await jobs.enqueue({ id: "other" });
    assert.deepEqual((await jobs.list({ batch }).page()).entries.map(({ id, batchId }) => [id, batchId]), [["needless", batch], ["bad", batch], ["good", batch]]);
    const held = gate();
    desk.work(async (job) => {
      if (job.id === "bad") throw new Fail("no", { permanent: true });
      if (job.id === "needless") await held.opened.then(() => { throw new Discard("no need"); });
      if (job.id !== batch) return assert.equal(job.batch, undefined);
      const all = await Promise.all(["good", "bad", "needless"].map((id) => jobs.get(id)));
      return { batch: job.batch, states: all.map(({ state }) => state) };
    }, { concurrency: 4 });
    await Promise.all(["good", "bad"].map((id) => jobs.wait(id)));
    const closed = await jobs.closeBatch(batch);
    const counts = { closed: true, live: 1, completed: 1, dead: 1, cancelled: 0, expired: 0, discarded: 0 };
    assert.deepEqual([closed.id, closed.state, closed.ended, closed.batch], [batch, "blocked", false, counts]);
    assert.equal((await jobs.queue()).counts.blocked, 1);
    held.open();
    const done = await jobs.wait(batch);
    const complete = { ...counts, live: 0, discarded: 1 };
    assert.deepEqual([done.state, done.result.json()], ["completed", { batch: complete, states: ["completed", "dead", "discarded"] }]);
    assert.deepEqual([done.batch, done.batchId, (await jobs.queue()).counts.blocked], [complete, "", 0]);
  });

  test(`${shape}: a batch that is closed takes no more jobs, but knows those it has`, async (t) => {
    const { jobs } = new Desk(t, module);
    await assert.rejects(jobs.enqueue({ batch: "all" }), code("NOT_FOUND"));
    await jobs.enqueue({ id: "all", completesBatch: true });
    await jobs.enqueue({ id: "a", batch: "all" });
    await jobs.closeBatch("all");
    const outcomes = await jobs.enqueue([{ id: "a", batch: "all" }, { id: "b", batch: "all" }]);
    assert.deepEqual(outcomes.map(({ duplicate, error }) => [duplicate, error?.code]), [[true, undefined], [undefined, "OUT_OF_ORDER"]]);
    assert.equal(outcomes[1].error.reason, "batch_id names a batch that is closed");
    assert.equal((await jobs.closeBatch("all")).state, "blocked", "it stays closed");
    await assert.rejects(jobs.closeBatch("a"), code("NOT_FOUND"));
    assert.equal((await jobs.cancel("all")).state, "cancelled");
    await assert.rejects(jobs.enqueue({ id: "all", completesBatch: true, delayMs: 1 }), field("start"));
  });

  test(`${shape}: jobs of a chain come one after the other, in their queues, each with what the one before has found`, async (t) => {
    const desk = new Desk(t, module);
    const { jobs, place } = desk;
    const other = { ...place, queue: fresh("queue") };
    const elsewhere = new Jobs(desk.client, other);
    const seen = [];
    const last = gate();
    const note = (job) => seen.push([job.queue, job.text, job.previousResult?.json()]);
    desk.work((job) => {
      note(job);
      if (job.id === "last") last.open();
      return { small: job.text };
    });
    desk.work(async (job) => {
      note(job);
      const { chainLength } = await elsewhere.get(job.id);
      return { ...job.previousResult.json(), chainLength };
    }, { queues: [other] });
    const chain = [{ queue: other.queue, payload: "upload" }, { id: "last", payload: "tell" }];
    // It must not be done before it was looked at.
    await jobs.enqueue({ id: "cat", payload: "cat.png", delayMs: 60_000, chain });
    assert.equal((await jobs.get("cat")).chainLength, 2);
    await jobs.cancel("cat");
    await jobs.enqueue({ id: "dog", payload: "dog.png", chain });
    await last.opened;
    assert.equal((await jobs.wait("last")).chainLength, 0);
    assert.deepEqual(seen, [
      [place.queue, "dog.png", undefined],
      [other.queue, "upload", { small: "dog.png" }],
      [place.queue, "tell", { small: "dog.png", chainLength: 1 }],
    ]);
    await assert.rejects(jobs.enqueue({ chain: [{ completesBatch: true }] }), field("chain.job"));
  });

  test(`${shape}: a schedule puts in a job for each time, named after both, until it is deleted`, async (t) => {
    const desk = new Desk(t, module);
    const { jobs } = desk;
    const came = { tick: [], tock: [] };
    const two = { tick: gate(), tock: gate() };
    desk.work(async ({ id, type, text }) => {
      const { scheduleId } = await jobs.get(id);
      if (came[scheduleId].push({ id, type, text }) === 2) two[scheduleId].open();
    });
    const before = Date.now();
    const put = await jobs.putSchedule({ id: "tick", cron: EVERY_SECOND, job: { type: "report", payload: "all" } });
    const { nextAt, ...rest } = put;
    assert.deepEqual(rest, { id: "tick", cron: EVERY_SECOND, timeZone: "UTC", oneLive: false, paused: false, lastAt: undefined, skipped: 0 });
    assert.ok(nextAt.getTime() > before && nextAt.getTime() < before + 60_000);
    await two.tick.opened;
    const [{ lastAt }] = await jobs.schedules();
    await jobs.deleteSchedule("tick");
    assert.deepEqual(await jobs.schedules(), []);
    const [first, second] = came.tick.map(({ id }) => new Date(id.replace(/^tick@/, "")));
    assert.ok(first >= nextAt && second > first && lastAt >= second, "one for each time");
    assert.deepEqual([came.tick[0].type, came.tick[0].text], ["report", "all"]);
    // Another one that is due at the same times proves that nothing comes of the first any more.
    const next = await jobs.putSchedule({ id: "tock", cron: EVERY_SECOND, job: {} });
    await two.tock.opened;
    await jobs.deleteSchedule("tock");
    for await (const { id, scheduleId } of jobs.list()) {
      if (scheduleId === "tick") assert.ok(new Date(id.replace(/^tick@/, "")) < next.nextAt, id);
    }
  });

  test(`${shape}: a schedule is changed under its name, and puts nothing in while it is paused`, async (t) => {
    const { jobs } = new Desk(t, module);
    const nightly = { id: "nightly", cron: "30 2 * * *", timeZone: "Asia/Tokyo", job: { payload: { all: true } } };
    const { nextAt } = await jobs.putSchedule(nightly);
    assert.deepEqual([nextAt.getUTCHours(), nextAt.getUTCMinutes()], [17, 30], "that is the time in Tokyo");
    const paused = await jobs.putSchedule({ ...nightly, cron: "0 0 4 * * MON", oneLive: true, paused: true });
    await jobs.putSchedule({ ...nightly, id: "hourly", cron: "0 * * * *" });
    assert.deepEqual([paused.cron, paused.timeZone, paused.oneLive, paused.paused, paused.nextAt], ["0 0 4 * * MON", "Asia/Tokyo", true, true, undefined]);
    const [hourly, again] = await jobs.schedules();
    assert.deepEqual([hourly.id, again], ["hourly", paused], "by name");
  });

  test(`${shape}: a schedule that makes no sense is refused, and the refusal names the field`, async (t) => {
    const { jobs } = new Desk(t, module);
    const good = { id: "nightly", cron: "0 2 * * *", job: {} };
    await assert.rejects(jobs.putSchedule({ ...good, timeZone: "Europe/Nowhere" }), field("time_zone"));
    await assert.rejects(jobs.putSchedule({ ...good, cron: "at night" }), field("cron"));
    await assert.rejects(jobs.putSchedule({ ...good, id: "" }), field("schedule_id", "NAME_INVALID"));
    await assert.rejects(jobs.putSchedule({ ...good, job: { id: "mine" } }), field("job.job_id"));
    await assert.rejects(jobs.putSchedule({ ...good, job: { delayMs: 1_000 } }), field("job"));
    await assert.rejects(jobs.deleteSchedule("nightly"), code("NOT_FOUND"));
    assert.deepEqual(await jobs.schedules(), []);
  });
}

/** An expected refusal that names what is wrong. */
function field(name, expected = "INVALID") {
  return (error) => {
    code(expected)(error);
    assert.equal(error.reason.split(" ")[0], name, error.reason);
    return true;
  };
}
