// What a session does with commands and payloads that are not simply sent and heard: emits that wait, keyed state, deltas,
// and rooms that were left while nobody listened. Against scripted streams.

import assert from "node:assert/strict";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { test } from "node:test";
import { accepted, broken, event, hears, inRooms, joined, lasting, settled, start } from "./script.mjs";

test("emits wait for a session, in their order; a cleared buffer says that nothing was sent", async (t) => {
  const { session, stream } = await start(t, { offlineBuffer: { countMax: 3 } });
  const room = session.namespace("chat").room("r");
  const cleared = ["a", "b"].map((text) => assert.rejects(room.emit("n", text), { code: "CLEARED", kind: "unsent", mayHaveHappened: false }));
  assert.equal(session.clearOfflineBuffer(), 2);
  await Promise.all(cleared);
  const sent = ["1", "2", "3"].map((text) => room.emit("n", text));
  await assert.rejects(room.emit("n", "4"), { code: "FULL" });
  stream.say(lasting());
  for (const wanted of ["1", "2", "3"]) {
    const { ref, command } = await stream.command("emit");
    assert.equal(command.value.content.body.value, wanted);
    stream.say(accepted(ref, { offset: 7n, epoch: "a", durability: 2, duplicate: wanted === "3" }));
  }
  const [first, , last] = await Promise.all(sent);
  assert.deepEqual([first.offset, first.epoch, first.durability, first.duplicate, last.duplicate], [7n, "a", "fsync", false, true]);
});

test("an emit that waits longer than its age is given up unsent", async (t) => {
  const { session } = await start(t, { offlineBuffer: { ageMaxMs: 20 } });
  await assert.rejects(session.namespace("chat").room("r").emit("n"), { code: "TOO_OLD" });
});

test("the options of an emit are said, and every acknowledged one has a key of its own", async (t) => {
  const { stream, rooms: [room] } = await inRooms(t, ["r"]);
  for (const options of [{ key: "player-7", latest: true }, {}, { idempotencyKey: "mine" }, { idempotencyKey: "" }, { volatile: true }]) {
    room.emit("moved", "", options).catch(() => {});
  }
  const said = [];
  for (let count = 0; count < 5; count++) said.push((await stream.command("emit")).command.value);
  const [latest, plain, mine, none, volatile] = said;
  assert.deepEqual([latest.content.key, mine.idempotencyKey, none.idempotencyKey, volatile.idempotencyKey], ["player-7", "mine", "", ""]);
  assert.ok(latest.idempotencyKey !== "" && plain.idempotencyKey !== "" && latest.idempotencyKey !== plain.idempotencyKey);
  for (const { idempotencyKey } of [latest, plain]) assert.match(idempotencyKey, /^[0-9a-f]{32}$/);
});

test("more emits than the server takes at once wait for their turn", async (t) => {
  const { session, stream } = await start(t);
  stream.say(lasting({ limits: { emitsPerSecond: 1000, emitsBurst: 10 } }));
  await session.ready();
  const room = session.namespace("chat").room("r");
  for (let index = 0; index < 20; index++) room.emit("n", String(index)).catch(() => {});
  const texts = [];
  for (let index = 0; index < 20; index++) texts.push((await stream.command("emit")).command.value.content.body.value);
  assert.deepEqual(texts, Array.from({ length: 20 }, (_, index) => String(index)));
  assert.ok(stream.batches[0].frames.length <= 9 && stream.batches.length > 1, "not in one go");
});

test("keyed state is set through the session, and a conflict tells the revision", async (t) => {
  const { stream, rooms: [room] } = await inRooms(t, ["r"], { join: { state: true } });
  const set = room.state.set("topic", "tea", { expiresInMs: 1500 });
  const first = await stream.command("setState");
  const { key, body, expectedRevision, expiresIn } = first.command.value;
  assert.deepEqual([key, body.value, expectedRevision, expiresIn.seconds, expiresIn.nanos], ["topic", "tea", undefined, 1n, 5e8]);
  stream.say({ ref: first.ref, frame: { case: "stateSet", value: { revision: 4n, epoch: "s", durability: 1 } } });
  assert.deepEqual(await set, { revision: 4n, epoch: "s", durability: "memory" });
  const refused = assert.rejects(room.state.set("topic", "coffee", { ifRevision: 3n }), (error) => error.code === "CONFLICT" && error.revision === 4n);
  const second = await stream.command("setState");
  assert.equal(second.command.value.expectedRevision, 3n);
  stream.say({ ref: second.ref, frame: { case: "refused", value: { code: 24, revision: 4n } } });
  await refused;
  const removed = room.state.remove("topic");
  const third = await stream.command("setState");
  assert.equal(third.command.value.body.case, undefined);
  stream.say({ ref: third.ref, frame: { case: "stateSet", value: { revision: 5n } } });
  await removed;
  stream.say({ frame: { case: "stateChanges", value: { namespace: "chat", room: "r", epoch: "s", reset: true, complete: true, entries: [{ key: "k", body: { case: "text", value: "v" }, revision: 1n }] } } });
  await settled(stream);
  assert.equal(room.state.current.entries.get("k").text, "v");
  const parting = room.part();
  const { ref } = await stream.command("part");
  stream.say({ ref, frame: { case: "parted", value: { namespace: "chat", rooms: ["r"] } } });
  await parting;
  assert.equal(room.state.current.entries.size, 0);
});

const carrier = { inflate: async () => (data, dictionary) => inflateRawSync(data, { dictionary }) };
function changed(id, base, text, offset) {
  const data = deflateRawSync(Buffer.from(text), { dictionary: Buffer.from(base) });
  return event("r", "", { eventId: id, content: { event: "message" }, offset, epoch: "a", delta: { baseEventId: `id-${base}`, data, text: true } });
}

test("deltas are whole when they are heard; one without its base is told as missed, and the room is joined again", async (t) => {
  const { stream, rooms: [room] } = await inRooms(t, [{ room: "r", epoch: "a", offset: 0n }], { carrier, join: { delta: true } });
  const heard = hears(room);
  stream.say(event("r", "one", { offset: 1n, epoch: "a" }), changed("2", "one", "one and two", 2n), changed("4", "three", "four", 4n));
  const { ref, command } = await stream.command("join");
  assert.deepEqual([command.value.delta, command.value.recover], [true, []], "then each key begins with a whole value");
  stream.say({ ref, ...joined("chat", { room: "r", epoch: "a", offset: 4n }) }, event("r", "five", { offset: 5n, epoch: "a" }));
  await settled(stream);
  assert.deepEqual(heard, ["one", "one and two", { namespace: "chat", rooms: ["r"], count: 1, epoch: "a", fromOffset: 4n, toOffset: 4n, cause: "delta" }, "five"]);
});

test("without anything to read deltas with, whole payloads are asked for", async (t) => {
  const { session, stream } = await start(t, { carrier: { inflate: undefined } });
  stream.say(lasting());
  await session.ready();
  const joining = session.namespace("chat").room("r").join({ delta: true, newest: 20 });
  const { ref, command } = await stream.command("join");
  assert.deepEqual([command.value.delta, command.value.newest], [false, 20]);
  stream.say({ ref, ...joined("chat", "r") });
  await joining;
});

test("a room that was parted after the greeting is parted in the session that begins with it", async (t) => {
  const { script, stream, rooms: [room] } = await inRooms(t, ["r"]);
  const moved = [];
  room.status.subscribe(({ state }) => moved.push(state));
  const second = await broken(script, stream);
  assert.deepEqual(second.hello.joins[0].rooms, ["r"]);
  await room.part();
  second.say(lasting({ sessionId: "n-2" }), joined("chat", "r"));
  assert.deepEqual((await second.command("part")).command.value.rooms, ["r"]);
  await settled(second);
  assert.deepEqual(moved, ["in", "recovering", "out"]);
});
