// Workers, over both shapes: a function is called for each job, so many at once, and what becomes of it is what the function
// says, also when its connection breaks. Deaths of the server are in `workerdeath.test.mjs`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../../../../tests/browser/lib/until.mjs";
import { allEnd, Desk, fired, gate, names, QUICK } from "./desk.mjs";
import { code, fresh, SHAPES, url } from "./shapes.mjs";

const state = async (jobs, id) => (await jobs.get(id)).state;

for (const [shape, module] of SHAPES) {
  const { Discard, Fail, Release, Worker } = module;

  test(`${shape}: a function is called for each job, and what it returns is the result`, async (t) => {
    const desk = new Desk(t, module);
    desk.work((job) => (job.text === "bytes" ? new Uint8Array([0, 255]) : job.text === "json" ? { n: [1, null] } : job.text === "text" ? "täxt" : undefined));
    const results = {};
    for (const payload of ["bytes", "json", "text", undefined]) {
      const { id } = await desk.jobs.enqueue({ payload });
      const ended = await desk.jobs.wait(id);
      assert.equal(ended.state, "completed");
      results[payload] = ended.result;
    }
    assert.deepEqual([...results.bytes.bytes], [0, 255]);
    assert.deepEqual([results.json.json(), results.json.contentType], [{ n: [1, null] }, "application/json"]);
    assert.deepEqual([results.text.text, results.undefined.text], ["täxt", ""]);
  });

  test(`${shape}: what a function throws decides what becomes of the job`, async (t) => {
    const desk = new Desk(t, module);
    const { jobs } = desk;
    desk.work((job) => {
      if (job.id === "discard") throw new Discard("not wanted");
      if (job.id === "dead") throw new Fail("never", { permanent: true, code: "no_such_user" });
      if (job.id === "release" && job.attempt === 1 && !job.lastProgress) {
        job.progress(1);
        throw new Release(10);
      }
      if (job.id === "error" && job.attempt === 1) throw Object.assign(new TypeError("x".repeat(10_000)), { code: "E".repeat(100) });
      if (job.id === "later" && job.attempt === 1) throw new Fail("busy", { retryAfterMs: 5 });
      return job.lastError;
    });
    const ids = ["discard", "dead", "release", "error", "later"];
    await jobs.enqueue(ids.map((id) => ({ id, retry: QUICK })));
    const [discard, dead, release, error, later] = await Promise.all(ids.map((id) => jobs.wait(id)));
    assert.deepEqual([discard.state, discard.error.message], ["discarded", "not wanted"]);
    assert.deepEqual([dead.state, dead.attempt, dead.error], ["dead", 1, { code: "no_such_user", message: "never" }]);
    assert.deepEqual([release.state, release.attempt, release.deliveries], ["completed", 1, 2]);
    assert.deepEqual([error.state, error.attempt], ["completed", 2]);
    assert.deepEqual(error.result.json(), { code: "E".repeat(64), message: "x".repeat(4096) }, "what is too long is cut");
    assert.deepEqual([later.state, later.attempt, later.result.json().message], ["completed", 2, "busy"]);
  });

  test(`${shape}: a job that fails is tried again and dead after its last attempt, and can be redriven`, async (t) => {
    const desk = new Desk(t, module);
    const attempts = [];
    let good = false;
    desk.work(({ attempt, attemptsMax, lastError }) => {
      attempts.push([attempt, attemptsMax, lastError?.message]);
      if (!good) throw new Error(`failed ${attempt}`);
    });
    await desk.jobs.enqueue({ id: "one", retry: { attemptsMax: 3, ...QUICK } });
    const dead = await desk.jobs.wait("one");
    assert.deepEqual([dead.state, dead.attempt, dead.error], ["dead", 3, { code: "Error", message: "failed 3" }]);
    assert.deepEqual(attempts, [[1, 3, undefined], [2, 3, "failed 1"], [3, 3, "failed 2"]]);
    good = true;
    assert.equal(await desk.jobs.redrive([]), 0, "none are none");
    assert.equal(await desk.jobs.redrive("one"), 1);
    const ended = await desk.jobs.wait("one");
    assert.deepEqual([ended.state, ended.attempt], ["completed", 1]);
    assert.equal(await desk.jobs.redrive(), 0);
  });

  test(`${shape}: a worker does so many jobs at once and no more`, async (t) => {
    const desk = new Desk(t, module);
    let [now, most] = [0, 0];
    const all = gate();
    desk.work(async () => {
      most = Math.max(most, ++now);
      if (now === 3) all.open();
      await all.opened;
      await new Promise(setImmediate);
      now--;
    }, { concurrency: 3 });
    const ids = names(40);
    await desk.jobs.enqueue(ids.map((id) => ({ id })));
    await allEnd(desk.jobs, ids, "completed");
    assert.equal(most, 3);
  });

  test(`${shape}: a worker takes jobs of several queues, each with a bound of its own`, async (t) => {
    const [one, two] = [new Desk(t, module), new Desk(t, module)];
    let [now, most] = [0, 0];
    const begun = gate();
    const queues = [{ ...one.place, concurrency: 1 }, two.place];
    one.work(async (job) => {
      if (job.queue === two.place.queue) return begun.open();
      most = Math.max(most, ++now);
      await begun.opened;
      now--;
    }, { concurrency: 4, queues });
    const ids = names(5);
    await one.jobs.enqueue(ids.map((id) => ({ id })));
    await two.jobs.enqueue({ id: "other" });
    await allEnd(two.jobs, ["other"], "completed");
    await allEnd(one.jobs, ids, "completed");
    assert.equal(most, 1);
  });

  test(`${shape}: a worker with fewer hands than queues does the jobs of all of them`, async (t) => {
    const desks = [1, 2, 3].map(() => new Desk(t, module));
    let [now, most] = [0, 0];
    desks[0].work(async () => {
      most = Math.max(most, ++now);
      await new Promise(setImmediate);
      now--;
    }, { concurrency: 2, queues: desks.map(({ place }) => place) });
    const ids = names(10);
    await Promise.all(desks.map(({ jobs }) => jobs.enqueue(ids.map((id) => ({ id })))));
    for (const { jobs } of desks) await allEnd(jobs, ids, "completed");
    assert.ok(most <= 2);
    assert.deepEqual(desks[0].troubles, []);
  });

  test(`${shape}: progress and checkpoint are seen, and given to the next attempt`, async (t) => {
    const desk = new Desk(t, module);
    const seen = gate();
    desk.work(async (job) => {
      if (job.attempt === 2) return { checkpoint: new TextDecoder().decode(job.lastCheckpoint), progress: job.lastProgress };
      assert.deepEqual([job.lastCheckpoint.length, job.lastProgress], [0, undefined]);
      for (let row = 1; row <= 50; row++) job.progress(row, 100, `row ${row}`);
      job.checkpoint("row 50");
      await seen.opened;
      // What is said last comes first.
      job.checkpoint(new TextEncoder().encode("row 60"));
      job.progress(60, 100, "row 60");
      throw new Error("the table is locked");
    });
    await desk.jobs.enqueue({ id: "one", retry: QUICK });
    const running = await until("progress", async () => {
      const job = await desk.jobs.get("one");
      return job.progress && job;
    });
    assert.deepEqual([running.state, running.progress], ["running", { done: 50, total: 100, message: "row 50" }]);
    seen.open();
    const ended = await desk.jobs.wait("one");
    assert.deepEqual(ended.result.json(), { checkpoint: "row 60", progress: { done: 60, total: 100, message: "row 60" } });
    assert.deepEqual(desk.troubles, []);
  });

  test(`${shape}: a job that is cancelled hears of it`, async (t) => {
    const desk = new Desk(t, module);
    const begun = gate();
    let reason;
    desk.work(async (job, { signal }) => {
      assert.equal(signal, job.cancelled);
      begun.open();
      reason = await fired(signal);
      throw reason;
    }, { leaseMs: 1_000, workerId: "worker-7" });
    await desk.jobs.enqueue({ id: "one" });
    await begun.opened;
    const asked = await desk.jobs.cancel("one", { reason: "no more" });
    assert.deepEqual([asked.state, asked.cancelling, asked.workerId], ["running", true, "worker-7"]);
    const ended = await desk.jobs.wait("one");
    assert.deepEqual([ended.state, ended.error.message, reason.code], ["cancelled", "no more", "CANCELLED"]);
  });

  test(`${shape}: a job that takes longer than its lease is kept, and begun once`, async (t) => {
    const desk = new Desk(t, module);
    const go = gate();
    const begun = [];
    desk.work(async (job) => {
      begun.push(job.id);
      await go.opened;
    }, { leaseMs: 1_000, concurrency: 2 });
    await desk.jobs.enqueue({ id: "long" });
    let first;
    await until("a lease that ends two seconds after the first one would have", async () => {
      const { leaseEndsAt } = await desk.jobs.get("long");
      first ??= leaseEndsAt;
      return leaseEndsAt - first > 2_000;
    });
    go.open();
    const ended = await desk.jobs.wait("long");
    assert.deepEqual([ended.state, ended.deliveries, begun, desk.troubles], ["completed", 1, ["long"], []]);
  });

  test(`${shape}: a lease that is lost is told to the work and to the application, and nothing is said of the job`, async (t) => {
    const desk = new Desk(t, module);
    const { wire, client } = await desk.wire();
    const [begun, go] = [gate(), gate()];
    let reason;
    // The one is cut off until its lease is over; the other one does the job meanwhile.
    desk.work(async (job) => {
      begun.open();
      reason = await fired(job.cancelled);
      await go.opened;
      return "late";
    }, { client, leaseMs: 1_000 });
    await desk.jobs.enqueue({ id: "one", retry: QUICK });
    await begun.opened;
    wire.part();
    desk.work(() => "in time");
    const ended = await desk.jobs.wait("one");
    assert.deepEqual([ended.state, ended.attempt, ended.result.text], ["completed", 2, "in time"]);
    wire.join();
    await until("the loss is told", () => desk.troubles.some(([what]) => what === "LEASE_LOST"));
    go.open();
    assert.equal(reason.code, "LEASE_LOST");
    assert.deepEqual(desk.troubles.filter(([what]) => what === "LEASE_LOST"), [["LEASE_LOST", "one"]]);
    assert.equal((await desk.jobs.get("one")).result.text, "in time");
  });

  test(`${shape}: work on jobs that are lost counts among those that are done at once`, async (t) => {
    const desk = new Desk(t, module);
    const { wire, client } = await desk.wire();
    const [begun, go] = [gate(), gate()];
    let [now, most] = [0, 0];
    desk.work(async (job) => {
      most = Math.max(most, ++now);
      if (job.id === "one") {
        begun.open();
        await go.opened;
      }
      now--;
    }, { client, leaseMs: 1_000 });
    await desk.jobs.enqueue({ id: "one", retry: QUICK });
    await begun.opened;
    wire.part();
    const other = desk.work(() => {});
    await allEnd(desk.jobs, ["one"], "completed");
    await other.worker.stop();
    wire.join();
    await until("the loss is told", () => desk.troubles.some(([what]) => what === "LEASE_LOST"));
    await desk.jobs.enqueue({ id: "two" });
    go.open();
    await allEnd(desk.jobs, ["two"], "completed");
    assert.equal(most, 1);
  });

  test(`${shape}: whenever the wire breaks, every job is completed, and over streams begun once`, async (t) => {
    const desk = new Desk(t, module);
    const { wire, client } = await desk.wire();
    const begun = new Map();
    const [cut, count] = [5, 60];
    desk.work(async (job) => {
      begun.set(job.id, (begun.get(job.id) ?? 0) + 1);
      job.progress(1);
      // Now before anything is said, now while it is under way.
      if (begun.size % cut === 0) wire.cut();
      await new Promise(setImmediate);
      if (begun.size % cut === 1) wire.cut();
    }, { client, concurrency: 4, leaseMs: 2_000 });
    const ids = names(count);
    await desk.jobs.enqueue(ids.map((id) => ({ id, retry: QUICK })));
    const ended = await allEnd(desk.jobs, ids, "completed");
    // Where there is no stream, jobs whose answer was cut off are nobody's until their leases end.
    if (shape === "in one stream") {
      assert.deepEqual([...begun.values()], Array(count).fill(1));
      assert.deepEqual(ended.map(({ deliveries }) => deliveries), Array(count).fill(1));
    }
  });

  test(`${shape}: a worker that is to stop settles what it has, and takes nothing more`, async (t) => {
    const desk = new Desk(t, module);
    const [begun, go] = [gate(), gate()];
    const { worker, ended } = desk.work(async () => {
      begun.open();
      await go.opened;
      return "done";
    });
    await desk.jobs.enqueue([{ id: "one" }, { id: "two" }]);
    await begun.opened;
    const stopped = worker.stop();
    assert.equal(await state(desk.jobs, "one"), "running");
    go.open();
    await Promise.all([stopped, ended]);
    const [one, two] = [await desk.jobs.get("one"), await desk.jobs.get("two")];
    assert.deepEqual([one.state, one.result.text, two.state, two.deliveries], ["completed", "done", "waiting", 0]);
    await worker.stop();
    const again = worker.run(() => "again");
    await allEnd(desk.jobs, ["two"], "completed");
    await assert.rejects(worker.run(() => {}), code("INVALID"));
    await worker.stop();
    await again;
  });

  test(`${shape}: a signal stops a worker, and so does a deadline for those who do not end`, async (t) => {
    const desk = new Desk(t, module);
    const control = new AbortController();
    const idle = desk.work(() => {}, { run: { signal: control.signal } });
    control.abort();
    await idle.ended;
    let reason;
    const begun = gate();
    const { worker } = desk.work(async (job) => {
      begun.open();
      reason = await fired(job.cancelled);
      await new Promise(() => {});
    });
    await desk.jobs.enqueue({ id: "one" });
    await begun.opened;
    await worker.stop({ timeoutMs: 1 });
    assert.equal(reason.code, "CLOSED");
    await new Desk(t, module).work(() => {}, { run: { signal: AbortSignal.abort() } }).ended;
  });

  test(`${shape}: a result that the server does not take fails the job for good, and the application hears of it`, async (t) => {
    const desk = new Desk(t, module);
    const results = { fits: "x".repeat(64 << 10), large: "x".repeat((64 << 10) + 1), huge: new Uint8Array(3 << 20), function: () => {} };
    desk.work((job) => results[job.id]);
    const ids = Object.keys(results);
    await desk.jobs.enqueue(ids.map((id) => ({ id, retry: { attemptsMax: 1 } })));
    await allEnd(desk.jobs, ids.slice(0, 1), "completed");
    const ended = await allEnd(desk.jobs, ids.slice(1), "dead");
    assert.deepEqual(ended.map(({ error }) => error.code), ["INVALID_OUTCOME", "INVALID_OUTCOME", "TypeError"]);
    assert.deepEqual(desk.troubles, [["INVALID", "large"], ["INVALID", "huge"]]);
  });

  test(`${shape}: many large results that come together are all taken`, async (t) => {
    const desk = new Desk(t, module);
    const [count, result] = [60, "x".repeat(64 << 10)];
    let begun = 0;
    const all = gate();
    desk.work(async (job) => {
      if (++begun === count) all.open();
      job.checkpoint(result);
      await all.opened;
      return result;
    }, { concurrency: count });
    const ids = names(count);
    await desk.jobs.enqueue(ids.map((id) => ({ id })));
    await allEnd(desk.jobs, ids, "completed");
    assert.deepEqual(desk.troubles, []);
  });

  test(`${shape}: a worker that may not work is told, and one without a server goes on trying`, async (t) => {
    const desk = new Desk(t, module);
    const nowhere = { namespace: fresh("unknown"), queue: "q" };
    await assert.rejects(desk.work(() => {}, { queues: [nowhere] }).ended, code("NAMESPACE_UNKNOWN"));
    await assert.rejects(desk.work(() => {}, { leaseMs: 1 }).ended, code("INVALID"));
    const lost = desk.work(() => {}, { client: desk.connect("http://127.0.0.1:9") });
    await until("troubles", () => desk.troubles.filter(([what]) => ["UNREACHABLE", "CONNECTION_LOST"].includes(what)).length > 2);
    await lost.worker.stop();
    assert.ok(new Worker(desk.connect(url), { queues: [desk.place] }));
  });
}
