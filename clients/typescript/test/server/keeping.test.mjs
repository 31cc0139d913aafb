// What rooms keep, over both shapes, against a server of its own that keeps it on disk: history, recovery after the death of
// the server, presence, keyed state, keys that make emits take effect once.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DURABLE, Server } from "../../../../tests/browser/lib/server.mjs";
import { code, fresh, next, SHAPES, until } from "./shapes.mjs";

let server;
before(async () => {
  server = await Server.start(DURABLE);
});
after(() => server?.stop());

const BACKOFF = { firstMs: 20, maxMs: 100 };
const numbers = (count, from = 0) => Array.from({ length: count }, (_, index) => String(from + index));

for (const [shape, { connect }] of SHAPES) {
  /** Somebody in the namespace, gone after the test. */
  async function somebody(t, name) {
    const session = await connect(server.url, { user: fresh(name), backoff: BACKOFF });
    t.after(() => session.close());
    await session.namespace("chat").enter();
    return session;
  }
  async function pair(t, name, options) {
    const room = fresh(name);
    const [ann, bob] = [await somebody(t, "ann"), await somebody(t, "bob")];
    const [a, b] = [ann, bob].map((session) => session.namespace("chat").room(room));
    await a.join(options);
    await b.join(options);
    return { ann, bob, a, b };
  }

  test(`${shape}: pages of a history, forward and backward, and by time`, async (t) => {
    const { a, b } = await pair(t, "pages");
    const accepted = await Promise.all(numbers(7, 1).map((text) => a.emit("n", text)));
    assert.deepEqual(accepted.map(({ offset, durability }) => [offset, durability]), numbers(7, 1).map((offset) => [BigInt(offset), "fsync"]));
    const [{ epoch }] = accepted;
    const all = async (options) => {
      const pages = [];
      for await (const page of b.history(options)) pages.push(page.events.map(({ text }) => Number(text)));
      return pages;
    };
    assert.deepEqual(await all({ pageSize: 3 }), [[5, 6, 7], [2, 3, 4], [1]]);
    assert.deepEqual(await all({ from: 2, to: 6, pageSize: 4 }), [[2, 3, 4, 5], [6]]);
    assert.deepEqual(await all({ before: 4n }), [[1, 2, 3]]);
    assert.deepEqual(await all({ newest: 2 }), [[6, 7]]);
    assert.deepEqual(await all({ since: new Date(0), pageSize: 300 }), [[1, 2, 3, 4, 5, 6, 7]]);
    const page = await b.history({ before: 3, epoch }).page();
    assert.deepEqual([page.epoch, page.firstOffset, page.nextOffset, page.more, page.events[0].past], [epoch, 1n, 8n, false, true]);
    await assert.rejects(b.history({ epoch: "another" }).page(), code("POSITION_GONE"));
    await assert.rejects(b.history({ from: 100 }).page(), code("POSITION_GONE"));
  });

  test(`${shape}: the newest come with a join, before anything new, and a position goes on in another session`, async (t) => {
    const { a } = await pair(t, "newest");
    for (const text of numbers(5, 1)) await a.emit("n", text);
    const late = await somebody(t, "late");
    const room = late.namespace("chat").room(a.name);
    const events = room.events();
    await room.join({ newest: 3 });
    await a.emit("n", "6");
    const heard = await next(events, 4);
    assert.deepEqual(heard.map(({ text, past }) => [text, past]), [["3", true], ["4", true], ["5", true], ["6", false]]);
    const { position } = room;
    assert.equal(position.offset, 6n);
    await late.close();
    await a.emit("n", "7");
    const later = await somebody(t, "later");
    const again = later.namespace("chat").room(a.name);
    const rest = again.events();
    await again.join({ recover: position, newest: 50 });
    await a.emit("n", "8");
    assert.deepEqual((await next(rest, 2)).map(({ text }) => text), ["7", "8"]);
  });

  test(`${shape}: the same key takes effect once`, async (t) => {
    const { a, b } = await pair(t, "keys");
    const events = b.events();
    const [first, second] = [await a.emit("n", "once", { idempotencyKey: fresh("key") + a.name }), undefined];
    assert.equal(first.duplicate, false);
    const key = fresh("same") + a.name;
    const one = await a.emit("n", "1", { idempotencyKey: key });
    const two = await a.emit("n", "1", { idempotencyKey: key });
    assert.deepEqual([two.duplicate, two.eventId, two.offset, second], [true, one.eventId, one.offset, undefined]);
    await assert.rejects(a.emit("n", "other", { idempotencyKey: key }), code("REF_REUSED"));
    await a.emit("n", "end");
    assert.deepEqual((await next(events, 3)).map(({ text }) => text), ["once", "1", "end"]);
  });

  test(`${shape}: through the death of the server nothing is lost, twice or out of order`, async (t) => {
    const { ann, a, b } = await pair(t, "death");
    const [heardByAnn, heardByBob, troubles] = [[], [], []];
    a.on("n", ({ text }) => heardByAnn.push(text));
    b.on("n", ({ text }) => heardByBob.push(text));
    for (const room of [a, b]) room.onMissed((missed) => troubles.push(missed));
    let sent = 0;
    for (let death = 0; death < 5; death++) {
      const emits = numbers(20, sent).flatMap((text) => [a.emit("n", text), b.emit("n", text)]);
      sent += 20;
      await emits[death * 3];
      await server.kill();
      emits.push(...numbers(5, sent).flatMap((text) => [a.emit("n", text), b.emit("n", text)]));
      sent += 5;
      await until(ann.status, ({ state }) => state !== "attached", "the break");
      await server.start();
      await Promise.all(emits);
    }
    await until(a.status, ({ state }) => state === "in", "ann's return");
    const ends = Promise.all([a, b].map((room) => new Promise((resolve) => room.once("end", resolve))));
    await Promise.all([a.emit("end"), b.emit("end")]);
    await ends;
    assert.deepEqual(heardByAnn, numbers(sent));
    assert.deepEqual(heardByBob, numbers(sent));
    assert.deepEqual([troubles, a.status.current.whole, ann.status.current.arrival], [[], true, "afresh"]);
    const kept = [];
    for await (const page of a.history({ from: 0, pageSize: 300 })) kept.push(...page.events.filter(({ name }) => name === "n"));
    assert.equal(kept.length, 2 * sent, "the history has each of them once");
  });

  test(`${shape}: presence is asked for by session, by user, and as counts`, async (t) => {
    const { ann, bob, a } = await pair(t, "who");
    const second = await connect(server.url, { user: ann.status.current.user });
    t.after(() => second.close());
    await second.namespace("chat").room(a.name).join();
    const members = await a.presence.members();
    assert.equal(members.nextPageToken, "");
    assert.deepEqual(members.entries.map(({ session }) => session).sort(), [ann.id, bob.id, second.id].sort());
    const users = (await a.presence.users()).entries;
    const entry = users.find(({ user }) => user === ann.status.current.user);
    assert.deepEqual([users.length, entry.sessions, entry.away], [2, 2, false]);
    assert.deepEqual(await a.presence.counts(), { count: 3, users: 2 });
  });

  test(`${shape}: keyed state is set, compared, taken away, watched and right after the death of the server`, async (t) => {
    const { ann, a, b } = await pair(t, "state", { state: true });
    await until(b.state, ({ complete }) => complete, "the state");
    const control = new AbortController();
    const changes = b.state.watch({ signal: control.signal });
    const change = async () => {
      const { entries: [{ key, entry }] } = (await changes.next()).value;
      return [key, entry?.text];
    };
    assert.deepEqual((await changes.next()).value, { entries: [], whole: true });
    const first = await a.state.set("topic", "tea");
    assert.deepEqual(await change(), ["topic", "tea"]);
    await assert.rejects(a.state.set("topic", "x", { ifAbsent: true }), (error) => code("CONFLICT")(error) && error.revision === first.revision);
    const second = await a.state.set("topic", { cups: 2 }, { ifRevision: first.revision });
    assert.ok(second.revision > first.revision);
    assert.deepEqual(await change(), ["topic", '{"cups":2}']);
    const found = await b.state.get("topic");
    assert.deepEqual([found.text, found.contentType, found.revision, found.by.user], ['{"cups":2}', "application/json", second.revision, ann.status.current.user]);
    await a.state.set("gone", new Uint8Array([1, 2]));
    assert.deepEqual([...(await b.state.all()).keys()].sort(), ["gone", "topic"]);
    assert.equal((await b.state.get("nothing")), undefined);
    await change();
    await a.state.remove("gone");
    assert.deepEqual(await change(), ["gone", undefined]);
    await server.kill();
    await until(ann.status, ({ state }) => state !== "attached", "the break");
    const late = a.state.set("after", "death");
    await server.start();
    await late;
    assert.deepEqual(await change(), ["after", "death"]);
    assert.deepEqual([...b.state.current.entries.keys()].sort(), ["after", "topic"]);
    control.abort();
    assert.equal((await changes.next()).done, true);
  });

  test(`${shape}: deltas are whole payloads when they are heard`, async (t) => {
    const { a, b } = await pair(t, "delta", { delta: true });
    const events = b.events();
    const missed = [];
    b.onMissed((notice) => missed.push(notice));
    const texts = numbers(20).map((text) => JSON.stringify({ player: text, board: "täxt ".repeat(400), score: [1, 2, text] }));
    for (const text of texts) await a.emit("moved", text, { key: "board" });
    assert.deepEqual((await next(events, 20)).map(({ text }) => text), texts);
    assert.deepEqual(missed, []);
  });
}
