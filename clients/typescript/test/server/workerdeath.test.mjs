// Workers whose server dies under them and comes back with what it had on disk, over both shapes: work goes on meanwhile, what
// became of it is said afterwards, and every job comes to its end. Needs RIALTO_BIN, because it kills servers of its own.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FORGETFUL, Server } from "../../../../tests/browser/lib/server.mjs";
import { until } from "../../../../tests/browser/lib/until.mjs";
import { allEnd, Desk, gate, names, QUICK } from "./desk.mjs";
import { SHAPES } from "./shapes.mjs";

for (const [shape, module] of SHAPES) {
  async function start(t) {
    const server = await Server.start(FORGETFUL);
    const desk = new Desk(t, module, server.url);
    t.after(() => server.stop());
    return { server, desk };
  }

  test(`${shape}: through the death of the server running jobs go on, are begun once and settled once`, async (t) => {
    const { server, desk } = await start(t);
    const [during, after] = [gate(), gate()];
    const runs = new Map();
    desk.work(async (job) => {
      runs.set(job.id, (runs.get(job.id) ?? 0) + 1);
      job.checkpoint(job.id);
      if (runs.size <= 2) await during.opened;
      else if (runs.size <= 4) await after.opened;
      return String(runs.get(job.id));
    }, { concurrency: 4 });
    const ids = names(20);
    await desk.jobs.enqueue(ids.map((id) => ({ id, retry: QUICK })));
    await until("four jobs that run", () => runs.size === 4);
    // What is shown is on disk, and with it that these jobs are out.
    const shown = await Promise.all(ids.slice(0, 4).map((id) => desk.jobs.get(id)));
    assert.deepEqual(shown.map(({ state }) => state), Array(4).fill("running"));
    await server.kill();
    // Two end while there is nobody to be told, two later.
    during.open();
    await until("the death is noticed", () => desk.troubles.length > 0);
    await server.start();
    after.open();
    const ended = await allEnd(desk.jobs, ids, "completed");
    assert.deepEqual(ended.map(({ result }) => result.text), Array(20).fill("1"));
    assert.deepEqual([...runs.values()], Array(20).fill(1));
    assert.deepEqual(ended.map(({ attempt, deliveries }) => [attempt, deliveries]), Array(20).fill([1, 1]));
    assert.deepEqual(desk.troubles.filter(([what]) => what === "LEASE_LOST"), []);
  });

  test(`${shape}: a worker that stops while its server is dead settles what it has when it is back`, async (t) => {
    const { server, desk } = await start(t);
    const [begun, go] = [gate(), gate()];
    const { worker } = desk.work(async () => {
      begun.open();
      await go.opened;
      return "done";
    });
    await desk.jobs.enqueue([{ id: "one" }, { id: "two" }]);
    await begun.opened;
    await desk.jobs.get("one");
    await server.kill();
    const stopped = worker.stop();
    go.open();
    await until("the death is noticed", () => desk.troubles.length > 0);
    await server.start();
    await stopped;
    const [one, two] = [await desk.jobs.get("one"), await desk.jobs.get("two")];
    assert.deepEqual([one.state, one.result?.text, two.state], ["completed", "done", "waiting"]);
  });

  test(`${shape}: over several deaths of the server every job that was taken is completed`, async (t) => {
    const { server, desk } = await start(t);
    const [count, deaths] = [120, 4];
    const runs = new Map();
    let done = 0;
    desk.work(async (job) => {
      runs.set(job.id, (runs.get(job.id) ?? 0) + 1);
      await new Promise(setImmediate);
      done++;
      return `run ${runs.get(job.id)}`;
    }, { concurrency: 8, leaseMs: 3_000 });
    const ids = names(count);
    for (let death = 0; death < deaths; death++) {
      const part = ids.slice((count / deaths) * death, (count / deaths) * (death + 1));
      const taken = desk.jobs.enqueue(part.map((id) => ({ id, retry: QUICK })), { deadlineMs: 60_000 });
      const before = done;
      await until("some are done", () => done > before);
      await server.kill();
      await server.start();
      assert.deepEqual((await taken).filter(({ error }) => error), []);
    }
    const ended = await allEnd(desk.jobs, ids, "completed");
    assert.deepEqual(ended.filter(({ id, result }) => result.text !== `run ${runs.get(id)}`), [], "the last run is the one that counts");
  });
}
