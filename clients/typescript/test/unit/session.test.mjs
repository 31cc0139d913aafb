// A session against scripted streams: what it says, and what it does about each thing it hears. The script stands in
// for the wire only; the real server is met in `test/server`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CloseCode } from "../../dist/gen/rialto/v1/code_pb.js";
import { broken, close, event, hears, inRooms, lasting, settled, joined, start, welcome } from "./script.mjs";
import { Code, StatusError } from "../../dist/wire/status.js";

test("attached is said after the welcome, and the greeting carries who this is", async (t) => {
  const { session, stream } = await start(t, { user: "ann", token: "key", attributes: { name: "Ann" } });
  assert.equal(session.status.current.state, "connecting");
  assert.deepEqual([stream.hello.user, stream.hello.token, stream.hello.attributes], ["ann", "key", { name: "Ann" }]);
  stream.say(welcome({ user: "ann" }));
  await session.ready();
  assert.deepEqual([session.id, session.status.current.user], ["n-1", "ann"]);
});

for (const [code, stays] of [[CloseCode.FELL_BEHIND, false], [CloseCode.SILENT, false], [CloseCode.DISCONNECTED, true], [CloseCode.REPLACED, true]]) {
  test(`close ${CloseCode[code]} is obeyed`, async (t) => {
    const { script, session, stream } = await start(t);
    const again = script.next();
    stream.say(welcome(), close(code));
    if (stays) {
      await new Promise((resolve) => session.status.subscribe(({ state }) => state === "closed" && resolve()));
      assert.equal(session.status.current.error.code, CloseCode[code]);
      assert.equal(script.streams.length, 1);
    } else {
      (await again).say(welcome());
      await session.ready();
    }
  });
}

test("rooms are joined again with the greeting, presence and all, and a refused one is left out", async (t) => {
  const { script, session, stream } = await start(t);
  stream.say(welcome());
  await session.ready();
  const [plain, lively, gone] = ["plain", "lively", "gone"].map((name) => session.namespace("chat").room(name));
  const joins = [plain.join(), lively.join({ presence: true }), gone.join()];
  for (const name of ["plain", "lively", "gone"]) {
    const { ref } = await stream.command("join");
    stream.say({ ref, ...joined("chat", name) });
  }
  await Promise.all(joins);
  const again = script.next();
  stream.end(new Error("cut"));
  const second = await again;
  assert.equal(plain.status.current.state, "recovering");
  assert.deepEqual(second.hello.joins.map(({ rooms, presence }) => [rooms, presence]), [[["plain", "gone"], false], [["lively"], true]]);
  second.say(welcome({ sessionId: "n-2" }), { frame: { case: "refused", value: { code: 7, reason: "no" } } }, joined("chat", "lively"));
  for (const name of ["plain", "gone"]) {
    const { ref, command } = await second.command("join");
    assert.deepEqual(command.value.rooms, [name], "a group that was refused is tried one by one");
    second.say(name === "gone" ? { ref, frame: { case: "refused", value: { code: 7, reason: "no" } } } : { ref, ...joined("chat", name) });
  }
  await new Promise((resolve) => gone.status.subscribe(({ state }) => state === "out" && resolve()));
  assert.deepEqual([plain.status.current.state, lively.status.current.state], ["in", "in"]);
  assert.equal(gone.status.current.error.code, "FORBIDDEN");
});

test("silence of two and a half intervals ends a connection", async (t) => {
  const { script, session, stream } = await start(t);
  const again = script.next();
  const began = performance.now();
  stream.say(welcome({ pingInterval: { seconds: 0n, nanos: 40e6 } }));
  (await again).say(welcome());
  const took = performance.now() - began;
  assert.ok(took >= 95, `after ${took} ms`);
  await session.ready();
});

test("a ping is answered, and a frame of an unknown kind is passed over", async (t) => {
  const { session, stream } = await start(t);
  stream.say(welcome(), { frame: { case: undefined } }, { frame: { case: "ping", value: {} } });
  const { ref } = await stream.command("pong");
  assert.equal(ref, 0);
  assert.equal(session.status.current.state, "attached");
});

test("a gap in the numbers of frames is not passed over", async (t) => {
  const { script, stream } = await start(t);
  const again = script.next();
  stream.say(welcome());
  stream.skip();
  stream.say({ frame: { case: "pong", value: {} } });
  await again;
  assert.equal(stream.signal.aborted, true);
});

test("a drain is followed after its delay, once answers have come", async (t) => {
  const { script, session, stream } = await start(t);
  stream.say(welcome());
  await session.ready();
  const emitted = session.namespace("chat").room("r").emit("e");
  const { ref } = await stream.command("emit");
  const again = script.next();
  stream.say({ frame: { case: "drain", value: { delay: { seconds: 0n, nanos: 1e6 }, reconnectWithin: { seconds: 5n, nanos: 0 } } } });
  stream.say({ ref, frame: { case: "accepted", value: { eventId: "x", recipientsHere: 2 } } });
  assert.equal((await emitted).recipients, 2);
  (await again).say(welcome({ sessionId: "n-2" }));
  await session.ready();
});

test("a token is asked for again once when it is not accepted", async (t) => {
  let asked = 0;
  const { script, session, stream } = await start(t, { token: () => `token ${++asked}` });
  const again = script.next();
  stream.end(new StatusError(Code.UNAUTHENTICATED, "old"));
  const second = await again;
  assert.equal(second.hello.token, "token 2");
  second.end(new StatusError(Code.UNAUTHENTICATED, "no"));
  await assert.rejects(session.ready(), { code: "UNAUTHENTICATED" });
  assert.equal(asked, 2);
});

const busy = { code: 6, reason: "too many rooms", retry: { advice: 2, after: { seconds: 0n, nanos: 20e6 } } };

test("a first join that is refused is its caller's to repeat, also when it may work later", async (t) => {
  const { session, stream } = await start(t);
  stream.say(welcome());
  await session.ready();
  const room = session.namespace("chat").room("busy");
  const joining = assert.rejects(room.join(), { advice: "later", afterMs: 20 });
  const { ref } = await stream.command("join");
  stream.say({ ref, frame: { case: "refused", value: busy } });
  await joining;
  assert.equal(room.status.current.state, "out");
});

test("a room that a new session may join later is joined when the server says", async (t) => {
  const { script, stream, rooms: [room] } = await inRooms(t, ["busy"]);
  const second = await broken(script, stream);
  second.say(lasting({ sessionId: "n-2" }), { frame: { case: "refused", value: busy } });
  const { ref } = await second.command("join");
  assert.equal(room.status.current.state, "recovering");
  second.say({ ref, ...joined("chat", "busy") });
  await new Promise((resolve) => room.status.subscribe(({ state }) => state === "in" && resolve()));
});

test("rooms that somebody else has joined are not returned to, and namespaces stay entered", async (t) => {
  const { script, session, stream, rooms: [own] } = await inRooms(t, ["own"]);
  stream.say(joined("chat", "given"));
  await settled(stream);
  void own.part();
  const { ref } = await stream.command("part");
  stream.say({ ref, frame: { case: "parted", value: { namespace: "chat", rooms: ["own"] } } });
  await settled(stream);
  const second = await broken(script, stream);
  assert.deepEqual(second.hello.joins, []);
  second.say(lasting({ sessionId: "n-2" }));
  assert.equal((await second.command("enter")).command.value.namespace, "chat");
  assert.equal(session.namespace("chat").room("given").status.current.state, "out");
});

test("a reader that is behind holds the session up until it reads", async (t) => {
  const { stream, rooms: [room] } = await inRooms(t, ["r"], { eventsWaiting: 2 });
  const heard = hears(room);
  const events = room.events();
  stream.say(...["1", "2", "3", "4"].map((text) => event("r", text)));
  await room.events().return();
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  assert.deepEqual(heard, ["1", "2"]);
  const texts = [];
  for await (const { text } of events) if (texts.push(text) === 4) break;
  assert.deepEqual([texts, heard], [["1", "2", "3", "4"], ["1", "2", "3", "4"]]);
});

test("the first attempt alone decides whether connect fails, unless the server is waited for", async (t) => {
  const { session, stream } = await start(t, { waitForServer: false });
  stream.end(new Error("nobody"));
  await assert.rejects(session.ready(), { kind: "unavailable" });
  assert.equal(session.status.current.state, "closed");
});

test("to answer what asks for nothing makes no sense", async (t) => {
  const { stream, rooms: [room] } = await inRooms(t, ["r"]);
  const hearing = new Promise((resolve) => room.once("message", resolve));
  stream.say(event("r", "plain"));
  await assert.rejects((await hearing).reply("x"), { kind: "invalid" });
});

test("a room that the server takes away is out, and one that it gives is in", async (t) => {
  const { session, stream } = await start(t);
  const moved = [];
  session.onReport(({ kind, rooms }) => moved.push([kind, ...rooms]));
  stream.say(welcome(), joined("chat", "given"), { frame: { case: "parted", value: { namespace: "chat", rooms: ["given"] } } });
  await session.ready();
  const { status } = session.namespace("chat").room("given");
  await new Promise((resolve) => status.subscribe(({ error }) => error && resolve()));
  assert.deepEqual(moved, [["joined", "given"], ["parted", "given"]]);
  assert.deepEqual([status.current.state, status.current.error.code], ["out", "PARTED"]);
});

test("an aborted signal closes the session", async (t) => {
  const control = new AbortController();
  const { session, stream } = await start(t, { signal: control.signal });
  stream.say(welcome());
  await session.ready();
  control.abort();
  await stream.command("bye");
  stream.say(close(CloseCode.BYE));
  await new Promise((resolve) => session.status.subscribe(({ state }) => state === "closed" && resolve()));
  assert.equal(session.status.current.error.code, "CLOSED");
});
