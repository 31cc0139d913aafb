// A server that dies and comes back, over both shapes: the status tells it, rooms are joined again, what waited and what
// was under way is sent once. Needs RIALTO_BIN, because it kills servers of its own.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FORGETFUL, Server } from "../../../../tests/browser/lib/server.mjs";
import { code, fresh, next, SHAPES, until } from "./shapes.mjs";

for (const [shape, { connect, open }] of SHAPES) {
  test(`${shape}: a session comes back, joins its rooms and sends what waited`, async (t) => {
    const server = await Server.start(FORGETFUL);
    t.after(() => server.stop());
    const ann = await connect(server.url, { user: fresh("ann"), attributes: { name: "Ann" } });
    const bob = await connect(server.url, { user: fresh("bob") });
    t.after(() => Promise.all([ann.close(), bob.close()]));
    const [a, b] = [ann, bob].map((session) => session.namespace("chat").room("again"));
    await a.join({ presence: true });
    await b.join();
    const former = ann.id;
    const states = [];
    ann.status.subscribe(({ state }) => states.push(state));
    const asked = a.emitWithReplies("question", "", { timeoutMs: 30_000 });
    await asked.accepted;
    const missed = [];
    a.onMissed((notice) => missed.push([notice.cause, notice.count]));
    await server.kill();
    const lost = assert.rejects(asked.collect(), code("CONNECTION_LOST"));
    await until(a.status, ({ state }) => state === "recovering", "recovering");
    const waiting = await until(ann.status, ({ state }) => state === "waiting", "waiting");
    assert.ok(waiting.retryAt - Date.now() <= 30_000);
    assert.equal(ann.id, "");
    await assert.rejects(a.emit("typing", "", { volatile: true }), code("OFFLINE"));
    const events = b.events({ event: "message" });
    await server.start();
    await until(b.status, ({ state }) => state === "in", "bob's return", 30_000);
    const late = a.emit("message", "waited");
    assert.ok((await late).recipients <= 1);
    await until(a.status, ({ state }) => state === "in", "ann's return", 30_000);
    assert.notEqual(ann.id, former);
    assert.equal(ann.status.current.arrival, "afresh");
    assert.deepEqual(missed, [["afresh", 0]], "a room without history says that something may be missing");
    await lost;
    await until(a.presence, ({ count, members }) => count === 2 && members.has(ann.id), "presence");
    assert.deepEqual((await next(events, 1)).map(({ text }) => text), ["waited"]);
    assert.deepEqual([...new Set(states)], ["attached", "waiting", "connecting"]);
  });

  test(`${shape}: emits wait for a first connection, in order, bounded, and with a deadline`, async (t) => {
    const server = await Server.start(FORGETFUL);
    t.after(() => server.stop());
    await server.kill();
    const session = open(server.url, { user: fresh("early"), offlineBuffer: { countMax: 3 } });
    t.after(() => session.close());
    const room = session.namespace("chat").room("early");
    const joined = room.join();
    const sent = ["1", "2", "3"].map((text) => room.emit("n", text, { includeSender: true }));
    await assert.rejects(room.emit("n", "4"), code("FULL"));
    const events = room.events();
    await server.start();
    session.retryNow();
    await joined;
    assert.deepEqual((await Promise.all(sent)).map(({ recipients }) => recipients), [1, 1, 1]);
    assert.deepEqual((await next(events, 3)).map(({ text }) => text), ["1", "2", "3"]);
    await server.kill();
    await until(session.status, ({ state }) => state === "waiting", "waiting");
    await assert.rejects(room.emit("n", "5", { deadlineMs: 200 }), code("OFFLINE"));
  });

  test(`${shape}: connecting to nobody fails in time and leaves nothing behind`, async () => {
    const began = Date.now();
    await assert.rejects(connect("http://127.0.0.1:9", { connectTimeoutMs: 800 }), code("UNREACHABLE"));
    assert.ok(Date.now() - began < 5_000);
  });

  test(`${shape}: a server that stops in its own way is left and found again`, async (t) => {
    const server = await Server.start(FORGETFUL);
    t.after(() => server.stop());
    const session = await connect(server.url, { user: fresh("drain") });
    t.after(() => session.close());
    await session.namespace("chat").room("drain").join();
    await server.stop();
    await until(session.status, ({ state }) => state === "waiting", "the end", 30_000);
    await server.start();
    session.retryNow();
    await until(session.namespace("chat").room("drain").status, ({ state }) => state === "in", "the return", 40_000);
  });
}
