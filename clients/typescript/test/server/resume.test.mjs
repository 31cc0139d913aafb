// A wire that breaks again and again under a session, over both shapes: the session goes on, and everything is heard once
// and in order, on both sides of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Wire } from "../../../../tests/browser/lib/wire.mjs";
import { code, fresh, SHAPES, until, url } from "./shapes.mjs";

const CUTS = 25;

for (const [shape, { connect }] of SHAPES) {
  async function pair(t, name) {
    const wire = await Wire.to(url);
    const ann = await connect(wire.url, { user: fresh("ann"), backoff: { firstMs: 20, maxMs: 50 } });
    const bob = await connect(url, { user: fresh("bob") });
    t.after(async () => {
      await Promise.all([ann.close(), bob.close()]);
      await wire.close();
    });
    const room = fresh(name);
    const [a, b] = [ann, bob].map((session) => session.namespace("chat").room(room));
    await a.join({ presence: true });
    await b.join({ presence: true });
    return { wire, ann, bob, a, b };
  }

  test(`${shape}: whenever the wire breaks, everything is heard once and in order`, async (t) => {
    const { wire, ann, a, b } = await pair(t, "cuts");
    const [heardByAnn, heardByBob, troubles] = [[], [], []];
    a.on("n", (event) => heardByAnn.push(event.text));
    b.on("n", (event) => heardByBob.push(event.text));
    for (const session of [a, b]) session.onMissed((missed) => troubles.push(missed));
    const arrivals = [];
    ann.status.subscribe((status) => status.state === "attached" && arrivals.push(status.arrival));
    const id = ann.id;
    let sent = 0;
    const emits = [];
    for (let cut = 0; cut < CUTS; cut++) {
      for (let count = 0; count < 1 + (cut % 4); count++, sent++) {
        emits.push(a.emit("n", String(sent)), b.emit("n", String(sent)));
      }
      // Now before anything has left, now while it is under way, now after it has come.
      if (cut % 3 === 1) await Promise.resolve().then(() => {});
      if (cut % 3 === 2) await emits.at(-1);
      wire.cut();
      await until(ann.status, ({ state }) => state !== "attached", "the break");
      await until(ann.status, ({ state }) => state === "attached", "the return");
    }
    await Promise.all(emits);
    const end = Promise.all([a, b].map((room) => new Promise((resolve) => room.once("end", resolve))));
    await Promise.all([a.emit("end"), b.emit("end")]);
    await end;
    const all = Array.from({ length: sent }, (_, index) => String(index));
    assert.deepEqual(heardByAnn, all, "by the one whose wire broke");
    assert.deepEqual(heardByBob, all, "by the other");
    assert.deepEqual([troubles, ann.id], [[], id]);
    assert.deepEqual(arrivals, ["first", ...Array(CUTS).fill("resumed")]);
  });

  test(`${shape}: what is said to a session while it is away comes when it is back`, async (t) => {
    const { wire, ann, bob, a, b } = await pair(t, "away");
    const heard = [];
    a.on("n", (event) => heard.push(event.text));
    const asked = new Promise((resolve) => ann.namespace("chat").on("ask", (event) => resolve(event.reply("here"))));
    wire.part();
    await until(b.presence, ({ members }) => members.get(ann.id)?.away ?? [...members.values()].some(({ away }) => away), "being away");
    for (let index = 0; index < 30; index++) await b.emit("n", String(index));
    const [{ session }] = [...b.presence.current.members.values()].filter(({ away }) => away);
    const answers = bob.namespace("chat").to({ sessions: [session] }).emitWithReplies("ask", "", { timeoutMs: 20_000 }).collect();
    await a.emit("late", "", { deadlineMs: 50 }).then(() => assert.fail("there is no wire"), code("OFFLINE"));
    const waited = [a.emit("waited", "1"), a.emit("waited", "2")];
    const found = b.events({ event: "waited" });
    wire.join();
    ann.retryNow();
    await asked;
    assert.deepEqual((await answers).replies.map(({ text }) => text), ["here"]);
    await Promise.all(waited);
    assert.deepEqual([(await found.next()).value.text, (await found.next()).value.text], ["1", "2"]);
    assert.deepEqual(heard, Array.from({ length: 30 }, (_, index) => String(index)));
    await until(b.presence, ({ members }) => [...members.values()].every(({ away }) => !away), "being back");
  });
}
