// Handing work over, and looking what becomes of it, over both shapes: what is taken and refused, waited for, watched, listed,
// cancelled. The work is done by `worker.test.mjs`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FORGETFUL, Server } from "../../../../tests/browser/lib/server.mjs";
import { until } from "../../../../tests/browser/lib/until.mjs";
import { allEnd, Desk, gate, names } from "./desk.mjs";
import { code, fresh, SHAPES } from "./shapes.mjs";

/** The first job that a watch of a queue tells of. Nobody says when it has begun: what is put in before that is not told of. */
async function begun(watch, jobs) {
  let [sent, told] = [0, undefined];
  void watch.next().then(({ value }) => (told = value));
  await until("something that is told", async () => {
    await jobs.enqueue({ id: String(++sent) });
    return told;
  });
  return told;
}

for (const [shape, module] of SHAPES) {
  test(`${shape}: a job is handed over, done, and its result is there for who waits`, async (t) => {
    const { jobs, place, work } = bound(new Desk(t, module));
    const job = { id: "one", type: "welcome", payload: { to: "ann" }, attributes: { tenant: "a" }, priority: 3, fairnessKey: "a", orderingKey: "o", uniqueKey: "u" };
    const enqueued = await jobs.enqueue(job);
    assert.deepEqual(enqueued, { id: "one", duplicate: false, durability: "fsync" });
    const before = await jobs.get("one");
    assert.deepEqual([before.state, before.attempt, before.ended, before.json(), before.contentType], ["waiting", 0, false, { to: "ann" }, "application/json"]);
    assert.deepEqual([before.namespace, before.queue, before.type, before.attributes], [place.namespace, place.queue, "welcome", { tenant: "a" }]);
    assert.deepEqual([before.priority, before.fairnessKey, before.orderingKey, before.uniqueKey], [3, "a", "o", "u"]);
    assert.ok(Math.abs(before.enqueuedAt.getTime() - Date.now()) < 60_000);
    work((found) => ({ sent: found.json().to }));
    const ended = await jobs.wait("one");
    assert.deepEqual([ended.state, ended.ended, ended.attempt, ended.deliveries], ["completed", true, 1, 1]);
    assert.deepEqual([ended.result.json(), ended.result.contentType, ended.error], [{ sent: "ann" }, "application/json", undefined]);
    assert.ok(ended.startedAt >= ended.enqueuedAt && ended.endedAt >= ended.startedAt && ended.forgetAt > ended.endedAt);
    assert.equal((await jobs.get("one")).payload, undefined, "the payload is not kept");
  });

  test(`${shape}: the same job twice is one job, and another one of its name is refused`, async (t) => {
    const { jobs } = new Desk(t, module);
    assert.equal((await jobs.enqueue({ id: "one", payload: "a" })).duplicate, false);
    assert.equal((await jobs.enqueue({ id: "one", payload: "a" })).duplicate, true);
    await assert.rejects(jobs.enqueue({ id: "one", payload: "b" }), code("ALREADY_EXISTS"));
    const [first, second] = [await jobs.enqueue({ payload: "a" }), await jobs.enqueue({ payload: "a" })];
    assert.notEqual(first.id, second.id);
    const unique = { uniqueKey: "report" };
    const named = await jobs.enqueue({ ...unique, id: "u" });
    assert.deepEqual(await jobs.enqueue({ ...unique, id: "v" }), { ...named, duplicate: true });
  });

  test(`${shape}: of several jobs each is taken or refused by itself`, async (t) => {
    const { jobs } = new Desk(t, module);
    const outcomes = await jobs.enqueue([{ id: "good" }, { id: "bad", priority: 99 }, { payload: new Uint8Array([0, 255]) }]);
    assert.deepEqual(outcomes.map(({ id, error }) => [id, error?.code]), [["good", undefined], ["bad", "INVALID"], [outcomes[2].id, undefined]]);
    assert.match(outcomes[1].error.reason, /^priority/);
    assert.deepEqual([...(await jobs.get(outcomes[2].id)).bytes], [0, 255]);
    await assert.rejects(jobs.enqueue({ priority: 99 }), code("INVALID"));
    await assert.rejects(jobs.enqueue({ delayMs: 1, runAt: new Date() }), code("INVALID"));
    await assert.rejects(jobs.enqueue([]), code("INVALID"));
    await assert.rejects(jobs.get("nobody"), code("NOT_FOUND"));
    const elsewhere = new module.Jobs(new Desk(t, module).client, { namespace: fresh("unknown"), queue: "q" });
    await assert.rejects(elsewhere.enqueue({}), code("NAMESPACE_UNKNOWN"));
  });

  test(`${shape}: a job begins after its delay or at its time, and expires when it is too late`, async (t) => {
    const { jobs } = new Desk(t, module);
    const runAt = new Date(Date.now() + 3_600_000);
    await jobs.enqueue([{ id: "delay", delayMs: 60_500 }, { id: "time", runAt }, { id: "late", ttlMs: 1 }]);
    const [delayed, timed] = [await jobs.get("delay"), await jobs.get("time")];
    assert.deepEqual([delayed.state, timed.state, timed.dueAt], ["delayed", "delayed", runAt]);
    assert.equal(delayed.dueAt - delayed.enqueuedAt, 60_500);
    assert.equal((await jobs.wait("late")).state, "expired");
  });

  test(`${shape}: waiting ends in time, and when the caller gives up`, async (t) => {
    const { jobs } = new Desk(t, module);
    await jobs.enqueue({ id: "one" });
    await assert.rejects(jobs.wait("one", { timeoutMs: 50 }), code("TIMED_OUT"));
    const control = new AbortController();
    const waiting = jobs.wait("one", { timeoutMs: Infinity, signal: control.signal });
    control.abort();
    await assert.rejects(waiting, code("ABORTED"));
    await assert.rejects(jobs.wait("nobody"), code("NOT_FOUND"));
  });

  test(`${shape}: whoever watches jobs sees each come to its end, and the watch ends with them`, async (t) => {
    const { jobs, work } = bound(new Desk(t, module));
    const ids = names(3);
    await jobs.enqueue(ids.map((id) => ({ id })));
    const states = Object.fromEntries(ids.map((id) => [id, []]));
    const begun = gate();
    const watching = (async () => {
      for await (const job of jobs.watch(ids)) {
        states[job.id].push(job.state);
        if (Object.values(states).every((seen) => seen.length > 0)) begun.open();
      }
    })();
    await begun.opened;
    work(() => "done", { concurrency: 2 });
    await watching;
    for (const id of ids) {
      assert.equal(states[id][0], "waiting");
      assert.equal(states[id].at(-1), "completed");
      assert.equal(new Set(states[id]).size, states[id].length, "nothing is told twice");
    }
  });

  test(`${shape}: a watch of a queue tells of all that is put in, until the caller ends it`, async (t) => {
    const { jobs } = new Desk(t, module);
    const control = new AbortController();
    const watch = jobs.watch(undefined, { signal: control.signal });
    assert.equal((await begun(watch, jobs)).state, "waiting");
    const next = watch.next();
    control.abort();
    await next;
    assert.equal((await watch.next()).done, true);
    assert.equal((await jobs.watch([]).next()).done, true, "of no jobs there is nothing to tell");
    await assert.rejects(jobs.watch("nobody").next(), code("NOT_FOUND"));
  });

  test(`${shape}: a watch of a queue misses nothing that changes while its connection is lost`, async (t) => {
    const desk = new Desk(t, module);
    const { wire, client } = await desk.wire();
    const control = new AbortController();
    const signal = AbortSignal.any([control.signal, AbortSignal.timeout(15_000)]);
    const watch = new module.Jobs(client, desk.place).watch(undefined, { signal });
    await begun(watch, desk.jobs);
    wire.part();
    await desk.jobs.enqueue([{ id: "one" }, { id: "two" }]);
    await desk.jobs.cancel("one");
    wire.join();
    const states = new Map();
    while (states.get("one") !== "cancelled" || states.get("two") !== "waiting") {
      const { value, done } = await watch.next();
      assert.ok(!done, `told so far: ${JSON.stringify([...states])}`);
      states.set(value.id, value.state);
    }
    control.abort();
    while (!(await watch.next()).done);
  });

  test(`${shape}: a watch goes on when its connection is lost, and tells nothing twice`, async (t) => {
    const desk = new Desk(t, module);
    const { wire, client } = await desk.wire();
    await desk.jobs.enqueue([{ id: "one" }, { id: "two" }]);
    const watch = new module.Jobs(client, desk.place).watch(["one", "two"]);
    const seen = [(await watch.next()).value, (await watch.next()).value];
    wire.cut();
    await desk.jobs.cancel("one", { reason: "enough" });
    seen.push((await watch.next()).value);
    wire.cut();
    await desk.jobs.cancel("two");
    seen.push((await watch.next()).value);
    assert.equal((await watch.next()).done, true);
    assert.deepEqual(seen.map(({ id, state }) => [id, state]), [["one", "waiting"], ["two", "waiting"], ["one", "cancelled"], ["two", "cancelled"]]);
    assert.equal(seen[2].error.message, "enough");
  });

  test(`${shape}: jobs are found by state, type and attributes, page by page or all of them`, async (t) => {
    const { jobs } = new Desk(t, module);
    const batch = names(7).map((id, index) => ({ id, type: "import", attributes: { tenant: index % 2 ? "odd" : "even" } }));
    await jobs.enqueue([...batch, { id: "other" }]);
    await jobs.cancel("job-6");
    const filter = { states: ["waiting"], type: "import", attributes: { tenant: "even" }, pageSize: 2 };
    const page = await jobs.list(filter).page();
    assert.deepEqual(page.entries.map(({ id }) => id), ["job-4", "job-2"]);
    assert.deepEqual((await jobs.list(filter).page(page.nextPageToken)).entries.map(({ id }) => id), ["job-0"]);
    const found = [];
    for await (const { id } of jobs.list(filter)) found.push(id);
    assert.deepEqual(found, ["job-4", "job-2", "job-0"]);
    assert.equal((await jobs.list().page()).entries.length, 8);
    const hour = (hours) => new Date(Date.now() + hours * 3_600_000);
    assert.equal((await jobs.list({ from: hour(-1), before: hour(1) }).page()).entries.length, 8);
    assert.equal((await jobs.list({ before: hour(-1) }).page()).entries.length, 0);
  });

  test(`${shape}: a queue has settings and counts, is paused, resumed and purged, and is listed`, async (t) => {
    const { jobs, place, work } = bound(new Desk(t, module));
    const set = await jobs.set({ concurrencyMax: 3, retry: { attemptsMax: 5, baseMs: 250 }, endedKeptMs: 60_000 });
    assert.deepEqual([set.settings.concurrencyMax, set.settings.retry.attemptsMax, set.settings.retry.baseMs, set.settings.endedKeptMs], [3, 5, 250, 60_000]);
    assert.equal((await jobs.pause()).paused, true);
    work(() => {});
    await jobs.enqueue([{ id: "one" }, { id: "two" }, { id: "three", delayMs: 60_000 }]);
    const queue = await jobs.queue();
    assert.deepEqual([queue.name, queue.namespace, queue.paused], [place.queue, place.namespace, true]);
    assert.deepEqual(queue.counts, { blocked: 0, delayed: 1, waiting: 2, running: 0, paused: 0, dead: 0, ended: 0 });
    assert.deepEqual(queue.oldestAt, (await jobs.get("one")).enqueuedAt);
    assert.equal(await jobs.purge(), 3);
    assert.equal((await jobs.resume()).paused, false);
    await jobs.enqueue({ id: "four" });
    await allEnd(jobs, ["four"], "completed");
    const all = [];
    for await (const { name } of jobs.queues({ pageSize: 1 })) all.push(name);
    assert.ok(all.includes(place.queue));
    const none = new module.Jobs(new Desk(t, module).client, { ...place, queue: fresh("none") });
    await assert.rejects(none.queue(), code("NOT_FOUND"));
  });

  test(`${shape}: what was not heard is said again and is one job, until the deadline`, async (t) => {
    const server = await Server.start(FORGETFUL);
    t.after(() => server.stop());
    const desk = new Desk(t, module, server.url);
    await desk.jobs.enqueue({ id: "before" });
    await server.kill();
    await assert.rejects(desk.jobs.enqueue({ id: "late" }, { deadlineMs: 300 }), code("UNREACHABLE"));
    const enqueued = desk.jobs.enqueue({ payload: "x" });
    const waiting = desk.jobs.wait("before");
    await server.start();
    const { id } = await enqueued;
    await desk.jobs.cancel("before");
    assert.equal((await waiting).state, "cancelled");
    const found = [];
    for await (const job of desk.jobs.list()) found.push(job.id);
    assert.deepEqual(found, [id, "before"]);
  });

  test(`${shape}: a client that was closed asks nothing more`, async (t) => {
    const desk = new Desk(t, module);
    const client = desk.connect();
    client.close();
    await assert.rejects(new module.Jobs(client, desk.place).enqueue({}), code("CLOSED"));
  });
}

/** The parts of a desk by themselves. */
function bound(desk) {
  return { jobs: desk.jobs, place: desk.place, work: desk.work.bind(desk) };
}
