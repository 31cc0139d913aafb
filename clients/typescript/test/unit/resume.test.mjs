// A session that goes on after its stream was lost, or cannot: what is said in the greeting, what is sent again and under
// which number, what an application hears. Against scripted streams.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CloseCode, Recovery } from "./words.mjs";
import { accepted, broken, close, event, hears, inRooms, joined, lasting, resumed, settled, start } from "./script.mjs";
import { Code, StatusError } from "../../dist/wire/status.js";
import { reasonDetail } from "./played.mjs";

const HISTORY = { room: "r", epoch: "a", offset: 10n, firstOffset: 1n };
const text = ({ command }) => command.value.content.body.value;
const recover = ({ recover: places }) => places.map(({ room, epoch, offset }) => [room, epoch, offset]);

test("after a lost stream the session goes on: nothing is joined, refs rise, what was not taken is sent again", async (t) => {
  const { script, session, stream, rooms: [room] } = await inRooms(t, ["r"]);
  const heard = hears(room);
  const emits = ["a", "b", "c"].map((said) => room.emit("message", said));
  const refs = [];
  for (const _ of emits) refs.push((await stream.command("emit")).ref);
  stream.say(event("r", "1"));
  stream.say(accepted(refs[0]));
  await emits[0];
  const second = await broken(script, stream);
  assert.equal(room.status.current.state, "recovering");
  const { sessionId, sessionSecret, seq, afresh } = second.hello.resume;
  assert.deepEqual([sessionId, sessionSecret, seq, afresh], ["n-1", "s", 4, true]);
  second.say(resumed({ lastRef: refs[1] }), accepted(refs[1], { eventId: "again" }), event("r", "2"));
  assert.equal((await emits[1]).eventId, "again");
  const { ref } = await second.command("emit");
  assert.equal(ref, refs[2], "what was lost is sent again under its number");
  second.say(accepted(ref));
  await emits[2];
  void room.emit("message", "d").catch(() => {});
  assert.equal((await second.command("emit")).ref, refs[2] + 1);
  assert.deepEqual([heard, room.status.current.state], [["1", "2"], "in"]);
  assert.equal(session.status.current.arrival, "resumed");
  assert.ok(!second.batches.some(({ frames }) => frames.some(({ command }) => command.case === "join")));
});

test("frames that come again are heard once, and unnumbered ones do not count", async (t) => {
  const { script, stream, rooms: [room] } = await inRooms(t, ["r"]);
  const heard = hears(room);
  stream.say(event("r", "1"), event("r", "2"));
  stream.say(close(CloseCode.FELL_BEHIND));
  const second = await new Promise((resolve) => void script.next().then(resolve));
  assert.equal(second.hello.resume.seq, 4);
  script.seq = 3;
  second.say(resumed(), event("r", "1"), event("r", "2"), event("r", "3"));
  await settled(second);
  assert.deepEqual(heard, ["1", "2", "3"]);
});

test("numbers of pushed frames go on, and what may still arrive is repeated as it was", async (t) => {
  const { script, stream, rooms: [room] } = await inRooms(t, ["r"], { numbered: true });
  let release;
  stream.held = new Promise((resolve) => (release = resolve));
  const [a, typing] = [room.emit("message", "a"), room.emit("typing", "1", { volatile: true })];
  typing.catch(() => {});
  const first = await stream.command("emit");
  const held = stream.batches.at(-1);
  const b = room.emit("message", "b");
  const second = await broken(script, stream);
  release();
  second.say(resumed({ lastRef: first.ref, pushedSeq: held.firstSeq + held.frames.findIndex(({ ref }) => ref === first.ref) }));
  const [again] = [await second.command("emit")];
  assert.equal(text(again), "b");
  const [batch] = second.batches;
  const after = held.frames.slice(held.frames.findIndex(({ ref }) => ref === first.ref) + 1);
  assert.equal(batch.firstSeq, held.firstSeq + held.frames.length - after.length);
  assert.deepEqual(after.map(() => "pong"), batch.frames.slice(0, after.length).map(({ command }) => command.case), "a stale word keeps its number only");
  await assert.rejects(typing, { code: "CONNECTION_LOST" });
  second.say(accepted(first.ref), accepted(again.ref));
  await Promise.all([a, b]);
});

test("frames that were not taken are repeated under their numbers before anything new", async (t) => {
  const { script, stream, rooms: [room] } = await inRooms(t, ["r"], { numbered: true });
  stream.held = new Promise(() => {});
  const emits = ["a", "b", "c"].map((said) => room.emit("message", said));
  const refs = [];
  for (const _ of emits) refs.push((await stream.command("emit")).ref);
  const held = stream.batches.at(-1);
  emits.push(room.emit("message", "d"));
  const second = await broken(script, stream);
  const taken = held.firstSeq + held.frames.findIndex(({ ref }) => ref === refs[0]);
  second.say(resumed({ lastRef: refs[0], pushedSeq: taken }));
  const found = [];
  for (let count = 0; count < 3; count++) found.push(await second.command("emit"));
  assert.deepEqual(found.map(text), ["b", "c", "d"]);
  assert.deepEqual(found.map(({ ref }) => ref), [refs[1], refs[2], refs[2] + 1]);
  assert.equal(second.batches[0].firstSeq, taken + 1);
  second.say(...[refs[0], ...found.map(({ ref }) => ref)].map((ref) => accepted(ref)));
  await Promise.all(emits);
});

test("a session that cannot go on: rooms are joined again where they were, and the same emits go under new numbers", async (t) => {
  const { script, session, stream, rooms: [room] } = await inRooms(t, [HISTORY]);
  const heard = hears(room);
  const pasts = [];
  room.onAny(({ past }) => pasts.push(past));
  stream.say(event("r", "11", { offset: 11n, epoch: "a" }), event("r", "12", { offset: 12n, epoch: "a" }));
  const emits = ["x", "y"].map((said) => room.emit("message", said));
  const before = [await stream.command("emit"), await stream.command("emit")];
  const second = await broken(script, stream);
  assert.deepEqual(second.hello.joins.map((join) => [join.rooms, recover(join), join.newest]), [[["r"], [["r", "a", 12n]], 0]]);
  second.say(lasting({ sessionId: "n-2", sessionSecret: "s2" }));
  second.say(joined("chat", { ...HISTORY, offset: 14n, recovery: Recovery.WHOLE }), event("r", "13", { offset: 13n, epoch: "a" }), event("r", "14", { offset: 14n, epoch: "a" }));
  const after = [await second.command("emit"), await second.command("emit")];
  assert.deepEqual(after.map(text), ["x", "y"], "in their order");
  const key = ({ command }) => command.value.idempotencyKey;
  assert.ok(key(before[0]) !== "" && key(before[0]) !== key(before[1]));
  assert.deepEqual(after.map(key), before.map(key), "under the same keys");
  assert.deepEqual(after.map(({ ref }) => ref), [1, 2]);
  second.say(accepted(1, { duplicate: true, offset: 15n, epoch: "a" }), accepted(2));
  assert.deepEqual((await Promise.all(emits)).map(({ duplicate }) => duplicate), [true, false]);
  assert.deepEqual([heard, session.status.current.arrival, room.position], [["11", "12", "13", "14"], "afresh", { epoch: "a", offset: 14n }]);
  assert.deepEqual([pasts, room.status.current.whole], [[false, false, true, true], true]);
  second.say(close(CloseCode.BYE));
  await new Promise((resolve) => session.status.subscribe(({ state }) => state === "closed" && resolve()));
  assert.deepEqual(room.position, { epoch: "a", offset: 14n }, "kept for another session");
});

test("without history another session says that something may be missing, by the room's name", async (t) => {
  const { script, session, stream, rooms: [room] } = await inRooms(t, ["r"]);
  const heard = hears(room);
  const all = [];
  session.onReport(({ kind, rooms, resumed }) => all.push([kind, rooms ?? resumed]));
  const second = await broken(script, stream);
  assert.deepEqual(recover(second.hello.joins[0]), []);
  second.say(lasting({ sessionId: "n-2" }), joined("chat", "r"), event("r", "later"));
  await settled(second);
  assert.deepEqual(heard, [{ namespace: "chat", rooms: ["r"], count: 0, epoch: "", cause: "afresh" }, "later"]);
  assert.equal(room.status.current.whole, false);
  assert.deepEqual(all, [["reconnected", false], ["missed", ["r"]], ["rejoined", ["r"]]]);
});

test("with history only what the server says is missing", async (t) => {
  const { script, stream, rooms: [room] } = await inRooms(t, [HISTORY]);
  const heard = hears(room);
  const second = await broken(script, stream);
  second.say(lasting({ sessionId: "n-2" }));
  second.say(joined("chat", { ...HISTORY, offset: 30n, firstOffset: 21n, recovery: Recovery.PARTIAL }));
  second.say({ frame: { case: "missed", value: { namespace: "chat", rooms: ["r"], count: 10, fromOffset: 11n, toOffset: 20n, epoch: "a" } } });
  await settled(second);
  assert.deepEqual(heard, [{ namespace: "chat", rooms: ["r"], count: 10, fromOffset: 11n, toOffset: 20n, epoch: "a", cause: "said" }]);
  assert.deepEqual(room.position, { epoch: "a", offset: 20n });
  const third = await broken(script, second);
  third.say(lasting({ sessionId: "n-3" }), joined("chat", { room: "r", epoch: "b", offset: 2n, recovery: Recovery.LOST }));
  third.say({ frame: { case: "missed", value: { namespace: "chat", rooms: ["r"], fromOffset: 21n, epoch: "a" } } }, event("r", "b3", { offset: 3n, epoch: "b" }));
  await settled(third);
  assert.equal(heard.length, 3, "one notice, one event");
  assert.deepEqual([heard[2], room.position], ["b3", { epoch: "b", offset: 3n }]);
});

test("an emit that was taken by the former session does not come as an event", async (t) => {
  const { script, stream, rooms: [room] } = await inRooms(t, [HISTORY]);
  const heard = hears(room);
  const emitted = room.emit("message", "mine");
  await stream.command("emit");
  const second = await broken(script, stream);
  second.say(lasting({ sessionId: "n-2" }));
  const own = event("r", "mine", { offset: 11n, epoch: "a", sender: { session: "n-1" } });
  second.say(joined("chat", { ...HISTORY, offset: 12n, recovery: Recovery.WHOLE }), own, event("r", "theirs", { offset: 12n, epoch: "a", sender: { session: "o-1" } }));
  const { ref } = await second.command("emit");
  second.say(accepted(ref, { duplicate: true, offset: 11n, epoch: "a" }));
  assert.equal((await emitted).duplicate, true);
  assert.deepEqual([heard, room.position], [["theirs"], { epoch: "a", offset: 12n }]);
});

test("asking ends when its session is over, and outlives a lost stream", async (t) => {
  const { script, stream, rooms: [room] } = await inRooms(t, ["r"]);
  const asked = room.emitWithReplies("ask", "?");
  const { ref } = await stream.command("emit");
  stream.say(accepted(ref));
  const second = await broken(script, stream);
  second.say(resumed({ lastRef: ref }), { ref, frame: { case: "replies", value: { items: [{ body: { case: "text", value: "yes" } }] } } }, { ref, frame: { case: "repliesDone", value: { answered: 1 } } });
  assert.deepEqual((await asked.collect()).replies.map((reply) => reply.text), ["yes"]);
  const [taken, untaken] = [room.emitWithReplies("ask", "??"), room.emitWithReplies("ask", "???")];
  second.say(accepted((await second.command("emit")).ref));
  const { command: before } = await second.command("emit");
  const third = await broken(script, second);
  const lost = assert.rejects(taken.collect(), { code: "CONNECTION_LOST", kind: "unknown_outcome" });
  third.say(lasting({ sessionId: "n-2" }), joined("chat", "r"));
  await lost;
  const again = await third.command("emit");
  assert.equal(again.command.value.idempotencyKey, before.value.idempotencyKey, "it is asked again under its key");
  third.say(accepted(again.ref, { duplicate: true }));
  await assert.rejects(untaken.collect(), { kind: "unknown_outcome" }, "its answers went to the session before");
});

test("joins and parts of the time without a stream are told to the session that goes on", async (t) => {
  const { script, session, stream, rooms: [left] } = await inRooms(t, ["left"]);
  const again = script.next();
  const waiting = new Promise((resolve) => session.status.subscribe(({ state }) => state === "waiting" && resolve()));
  stream.end(new Error("cut"));
  await waiting;
  await left.part();
  const joining = session.namespace("chat").room("new").join();
  const second = await again;
  assert.deepEqual(second.hello.joins.map(({ rooms }) => rooms), [["new"]]);
  second.say(resumed({ lastRef: 1 }));
  assert.deepEqual((await second.command("part")).command.value.rooms, ["left"]);
  const { ref } = await second.command("join");
  second.say({ ref, ...joined("chat", "new") });
  await joining;
});

test("a close that ends the session, and a server that does not resume, begin another one", async (t) => {
  const { script, stream } = await inRooms(t, ["r"]);
  const again = script.next();
  stream.say(close(CloseCode.SESSION_LOST));
  const second = await again;
  assert.equal(second.hello.resume, undefined);
  second.say(lasting({ sessionId: "n-2" }), joined("chat", "r"));
  await settled(second);
  const third = await broken(script, second);
  assert.equal(third.hello.resume.sessionId, "n-2");
  const refused = new StatusError(Code.FAILED_PRECONDITION, "gone", [reasonDetail("RESUME_LATE")]);
  const fourth = script.next();
  third.end(refused);
  assert.equal((await fourth).hello.resume, undefined);
});

test("without a resume window nothing is resumed, and what was under way fails at once or goes to the next session", async (t) => {
  const { script, session, stream } = await start(t);
  stream.say({ frame: { case: "welcome", value: { sessionId: "n-1" } } });
  await session.ready();
  const room = session.namespace("chat").room("r");
  const [keyed, plain] = [room.emit("message", "k"), room.emit("message", "p", { idempotencyKey: "" })];
  const failed = assert.rejects(plain, { code: "CONNECTION_LOST" });
  await stream.command("emit");
  await stream.command("emit");
  const second = await broken(script, stream);
  await failed;
  assert.equal(second.hello.resume, undefined);
  second.say(lasting({ sessionId: "n-2" }));
  const { ref, command } = await second.command("emit");
  assert.equal(command.value.content.body.value, "k");
  second.say(accepted(ref));
  await keyed;
});

test("what was heard is confirmed after 64 frames, and with whatever is pushed", async (t) => {
  const { stream, rooms: [room] } = await inRooms(t, ["r"]);
  stream.say(...Array.from({ length: 62 }, (_, index) => event("r", String(index))));
  assert.equal((await stream.command("seen")).command.value.seq, 64);
  const pushed = await inRooms(t, ["r"], { numbered: true });
  pushed.stream.say(event("r", "1"));
  await new Promise((resolve) => pushed.rooms[0].once("message", resolve));
  const emitting = pushed.rooms[0].emit("message", "x");
  const { ref } = await pushed.stream.command("emit");
  assert.ok(pushed.stream.batches.at(-1).frames.some(({ command }) => command.case === "seen" && command.value.seq === 3));
  pushed.stream.say(accepted(ref));
  await emitting;
  assert.equal(room.status.current.state, "in");
});

test("what was heard is confirmed after 5 s", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { stream } = await inRooms(t, ["r"]);
  stream.say(event("r", "1"));
  const seen = stream.command("seen");
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  t.mock.timers.tick(4_999);
  assert.ok(!stream.batches.some(({ frames }) => frames.some(({ command }) => command.case === "seen")));
  t.mock.timers.tick(1);
  assert.equal((await seen).command.value.seq, 3);
});

test("a page that goes says goodbye with what may not have arrived", async (t) => {
  const { script, stream, rooms: [room] } = await inRooms(t, ["r"], { numbered: true });
  stream.held = new Promise(() => {});
  room.emit("message", "under way").catch(() => {});
  await stream.command("emit");
  const { firstSeq } = stream.batches.at(-1);
  room.emit("message", "waits").catch(() => {});
  script.surroundings.gone();
  assert.equal(stream.farewell.firstSeq, firstSeq);
  const said = stream.farewell.frames.map(({ command }) => command.case);
  assert.deepEqual([said.filter((word) => word === "emit").length, said.at(-1)], [2, "bye"]);
});
