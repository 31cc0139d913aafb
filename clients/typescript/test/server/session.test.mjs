// The client against a real server, over both shapes: the same behaviour, whatever carries it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { code, fresh, next, SHAPES, until, url } from "./shapes.mjs";

for (const [shape, { connect }] of SHAPES) {
  /** Two sessions in one room, closed after the test. */
  async function pair(t, name) {
    const room = fresh(name);
    const sessions = [];
    for (const user of ["ann", "bob"]) {
      const session = await connect(url, { user: fresh(user), attributes: { name: user } });
      sessions.push(session);
      await session.namespace("chat").room(room).join({ presence: true });
    }
    t.after(() => Promise.all(sessions.map((session) => session.close())));
    return { ann: sessions[0], bob: sessions[1], a: sessions[0].namespace("chat").room(room), b: sessions[1].namespace("chat").room(room) };
  }

  test(`${shape}: an emit reaches the others with all it carries, and says how many`, async (t) => {
    const { ann, a, b } = await pair(t, "emit");
    const events = b.events();
    const accepted = await a.emit("message", "hi", { headers: { lang: "en" }, contentType: "text/plain" });
    assert.equal(accepted.recipients, 1);
    const [event] = await next(events, 1);
    assert.equal(event.id, accepted.eventId);
    assert.deepEqual([event.name, event.namespace, event.text, event.payload], ["message", "chat", "hi", "hi"]);
    assert.deepEqual([{ ...event.headers }, event.contentType, [...event.rooms]], [{ lang: "en" }, "text/plain", [a.name]]);
    assert.equal(event.sender.session, ann.id);
    assert.ok(Math.abs(event.sentAt.getTime() - Date.now()) < 60_000);
  });

  test(`${shape}: payloads arrive as they were sent`, async (t) => {
    const { a, b } = await pair(t, "payload");
    const events = b.events();
    const bytes = new Uint8Array([0, 255, 1]);
    for (const payload of ["", "täxt", bytes, undefined, { n: [1, null] }]) await a.emit("p", payload);
    const [empty, text, binary, none, json] = await next(events, 5);
    assert.equal(empty.text, "");
    assert.equal(text.text, "täxt");
    assert.deepEqual(binary.payload, bytes);
    assert.equal(none.text, "");
    assert.deepEqual([json.json(), json.contentType], [{ n: [1, null] }, "application/json"]);
  });

  test(`${shape}: what is emitted without waiting arrives in order`, async (t) => {
    const { a, b } = await pair(t, "order");
    const events = b.events();
    const sent = Array.from({ length: 80 }, (_, index) => a.emit("n", String(index)));
    const found = await next(events, 80);
    assert.deepEqual(found.map((event) => Number(event.text)), Array.from({ length: 80 }, (_, index) => index));
    await Promise.all(sent);
  });

  test(`${shape}: the sender hears itself only when it asks to`, async (t) => {
    const { a, b } = await pair(t, "self");
    const mine = a.events();
    await a.emit("one", "", {});
    await a.emit("two", "", { includeSender: true });
    const [event] = await next(mine, 1);
    assert.equal(event.name, "two");
    assert.equal((await b.emit("three", "", { exceptSessions: [event.sender.session] })).recipients, 0);
  });

  test(`${shape}: listeners hear by name, by prefix, once, and all`, async (t) => {
    const { a, b } = await pair(t, "listen");
    const heard = [];
    b.on("cursor.moved", () => heard.push("name"));
    b.onPrefix("cursor.", () => heard.push("prefix"));
    b.once("cursor.moved", () => heard.push("once"));
    const stop = b.onAny(() => heard.push("any"));
    await a.emit("cursor.moved");
    await a.emit("cursor.moved");
    const end = new Promise((resolve) => b.once("end", resolve));
    await a.emit("end");
    await end;
    stop();
    const count = (what) => heard.filter((entry) => entry === what).length;
    assert.deepEqual(["name", "prefix", "once", "any"].map(count), [2, 2, 1, 3]);
  });

  test(`${shape}: answers are gathered, with those who did not answer`, async (t) => {
    const { ann, bob, a, b } = await pair(t, "replies");
    const third = await connect(url, { user: fresh("eve") });
    t.after(() => third.close());
    await third.namespace("chat").room(a.name).join();
    b.on("ask", (event) => void event.reply(`yes to ${event.text}`));
    const answers = await a.emitWithReplies("ask", "lunch", { timeoutMs: 700 }).collect();
    assert.equal(answers.accepted.recipients, 2);
    assert.deepEqual(answers.replies.map(({ from, text }) => [from.session, text]), [[bob.id, "yes to lunch"]]);
    assert.deepEqual([answers.answered, answers.missingCount, answers.timedOut], [1, 1, true]);
    assert.deepEqual(answers.missing.map(({ from, left }) => [from.session, left]), [[third.id, false]]);
    bob.namespace("chat").on("fail", (event) => void event.replyError("not today"));
    const failed = await ann.namespace("chat").to({ sessions: [bob.id] }).emitWithReplies("fail").collect();
    assert.equal(failed.replies[0].error, "not today");
  });

  test(`${shape}: a call asks one session, or any one of a room, and fails clearly`, async (t) => {
    const { ann, bob, b } = await pair(t, "call");
    b.on("add", () => assert.fail("a call to a session is not an event of a room"));
    bob.namespace("chat").on("add", (event) => void event.reply(String(event.json().reduce((x, y) => x + y))));
    const chat = ann.namespace("chat");
    assert.equal((await chat.call({ session: bob.id }, "add", [1, 2])).text, "3");
    await assert.rejects(chat.call({ session: bob.id }, "silence", "", { timeoutMs: 300 }), code("TIMED_OUT"));
    await assert.rejects(chat.call({ anyOf: fresh("nobody") }, "add"), code("NO_RECIPIENT"));
    bob.namespace("chat").on("refuse", (event) => void event.replyError("no"));
    await assert.rejects(chat.call({ session: bob.id }, "refuse"), code("RECIPIENT_FAILED"));
  });

  test(`${shape}: presence names who is there, who comes and who goes`, async (t) => {
    const { ann, bob, a } = await pair(t, "presence");
    await until(a.presence, ({ count }) => count === 2, "the second member");
    assert.deepEqual([...a.presence.current.members.keys()].sort(), [ann.id, bob.id].sort());
    assert.equal(a.presence.current.members.get(bob.id).attributes.name, "bob");
    const left = bob.id;
    await bob.close();
    await until(a.presence, ({ count }) => count === 1, "the leaving");
    assert.equal(a.presence.find(left)?.attributes.name, "bob", "who has gone is remembered for a while");
  });

  test(`${shape}: after part nothing more is heard, and other rooms go on`, async (t) => {
    const { ann, a, b } = await pair(t, "part");
    const other = fresh("other");
    await Promise.all([ann.namespace("default").room(other).join(), b.status.current]);
    let heard = 0;
    a.onAny(() => heard++);
    await a.part();
    assert.equal(a.status.current.state, "out");
    assert.equal((await b.emit("message", "gone?")).recipients, 0);
    assert.equal(heard, 0);
    await a.join();
    assert.equal((await b.emit("message", "here")).recipients, 1);
  });

  test(`${shape}: everyone, users and unions reach each session once`, async (t) => {
    const { ann, bob, a } = await pair(t, "union");
    const chat = ann.namespace("chat");
    await until(bob.status, ({ state }) => state === "attached", "bob");
    const { user } = bob.status.current;
    const union = await chat.to({ rooms: [a.name], users: [user], sessions: [bob.id] }).emit("union");
    assert.equal(union.recipients, 1);
    assert.ok((await chat.to({ everyone: true }).emit("all")).recipients >= 1);
    await assert.rejects(chat.to({}).emit("nobody"), code("TARGET_EMPTY"));
  });

  test(`${shape}: refusals are typed errors and the session goes on`, async (t) => {
    const { ann, a } = await pair(t, "refusal");
    const large = a.emit("big", "x".repeat(65_537));
    await assert.rejects(large, (error) => code("PAYLOAD_TOO_LARGE")(error) && error.said && error.advice === "after-change" && error.limit === "payload_bytes_max");
    await assert.rejects(a.emit("bad\u0000name"), code("NAME_INVALID"));
    await assert.rejects(ann.namespace("chat").room("$system").join(), code("NAME_INVALID"));
    await assert.rejects(ann.namespace(fresh("unknown")).enter(), code("NAMESPACE_UNKNOWN"));
    assert.equal(ann.namespace("chat").room("$system").status.current.state, "out");
    assert.equal((await a.emit("fine")).recipients, 1);
  });

  test(`${shape}: a signal ends a wait, and a closed session says so at once`, async (t) => {
    const { ann, a } = await pair(t, "abort");
    const control = new AbortController();
    const answers = a.emitWithReplies("never", "", { timeoutMs: 30_000, signal: control.signal });
    await answers.accepted;
    control.abort();
    await assert.rejects(answers.collect(), code("ABORTED"));
    const events = a.events();
    await ann.close();
    assert.deepEqual([ann.status.current.state, ann.status.current.error.code], ["closed", "CLOSED"]);
    assert.equal((await events.next()).done, true, "iterators end with the session");
    await assert.rejects(a.emit("late"), code("CLOSED"));
    await assert.rejects(a.join(), code("CLOSED"));
  });

  test(`${shape}: rooms with members are listed`, async (t) => {
    const { ann, a } = await pair(t, "list");
    const page = await ann.namespace("chat").rooms({ prefix: a.name });
    assert.deepEqual([page.total, page.entries], [1, [{ name: a.name, memberCount: 2 }]]);
  });

  test(`${shape}: an iterator that is too slow drops the oldest and says how many`, async (t) => {
    const { a, b } = await pair(t, "slow");
    let dropped = 0;
    const events = b.events({ limit: 5, onDropped: (count) => (dropped += count) });
    for (let index = 0; index < 20; index++) await a.emit("n", String(index));
    const done = new Promise((resolve) => b.once("done", resolve));
    await a.emit("done");
    await done;
    const found = await next(events, 5);
    assert.equal(dropped, 16);
    assert.deepEqual(found.map(({ text }) => text), ["16", "17", "18", "19", ""]);
  });
}
