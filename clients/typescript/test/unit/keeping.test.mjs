// What keeps nothing from being lost, twice or out of order, each part by itself: the outbox, the pace, positions in
// histories, deltas, keyed state, pages of history.

import assert from "node:assert/strict";
import { deflateRawSync } from "node:zlib";
import { test } from "node:test";
import { Deltas } from "../../dist/core/delta.js";
import { RialtoError } from "../../dist/core/errors.js";
import { History } from "../../dist/core/history.js";
import { inflate } from "../../dist/core/inflate.js";
import { Outbox } from "../../dist/core/outbox.js";
import { Pace } from "../../dist/core/pace.js";
import { Position } from "../../dist/core/position.js";
import { StateMap } from "../../dist/core/state.js";
import { EventSchema } from "../../dist/gen/rialto/v1/event_pb.js";
import { RoomStateSchema } from "../../dist/gen/rialto/v1/room_pb.js";
import { StateChangesSchema } from "../../dist/gen/rialto/v1/state_pb.js";
import { Recovery } from "./words.mjs";
import { create } from "../../dist/wire/message.js";

let failed = [];
function command(name, more = {}) {
  const value = { content: { body: { case: "text", value: name } } };
  const fail = (error) => failed.push([name, error.code]);
  return { command: { case: "emit", value }, bytes: 10, lasts: "always", keyed: true, bounded: true, answer: () => true, fail, ...more };
}
const names = ({ frames }) => frames.map(({ command: said }) => said.value?.content?.body.value ?? said.case);

// Assertion 60.
test("a full buffer refuses the new one, or drops the oldest that was never sent", () => {
  failed = [];
  const refusing = new Outbox({ countMax: 2, bytesMax: 1000 });
  for (const name of ["a", "b"]) refusing.add(command(name));
  assert.throws(() => refusing.add(command("c")), { code: "FULL" });
  refusing.add(command("c"), true);
  assert.equal(refusing.waiting, 3, "while there is a stream the caller waits in line");
  const dropping = new Outbox({ countMax: 2, bytesMax: 25, overflow: "drop-oldest" });
  for (const name of ["a", "b", "c"]) dropping.add(command(name));
  assert.deepEqual(failed, [["a", "MADE_ROOM"]]);
  dropping.add(command("large", { bytes: 26 }));
  assert.deepEqual(failed.slice(1), [["b", "MADE_ROOM"], ["c", "MADE_ROOM"]], "one alone may have more bytes");
  dropping.add(command("d", { bytes: 20 }));
  dropping.add(command("set", { bytes: 1, command: { case: "setState", value: {} } }));
  assert.throws(() => dropping.add(command("set", { bytes: 6, command: { case: "setState", value: {} } })) ?? dropping.add(command("e")), { code: "FULL" }, "only emits make room");
  assert.equal(dropping.clearWaiting(new RialtoError("CLEARED", "")), 0);
  const clearing = new Outbox();
  clearing.add(command("emit"));
  clearing.add(command("set", { command: { case: "setState", value: {} } }));
  assert.equal(clearing.clearWaiting(new RialtoError("CLEARED", "")), 1, "only emits are cleared");
  assert.deepEqual([failed.at(-1), clearing.waiting], [["emit", "CLEARED"], 1]);
  const none = new Outbox({ countMax: 0 });
  assert.throws(() => none.add(command("x")), { code: "FULL" });
});

test("so many commands are under way at once, and answers let the next ones go, in order", () => {
  const outbox = new Outbox();
  for (let index = 0; index < 600; index++) outbox.add(command(String(index)));
  const found = [];
  for (let ref = 0; found.length < 600; ) {
    const batch = outbox.take(256, 1 << 20);
    found.push(...names(batch));
    assert.ok(outbox.pending <= 256);
    if (batch.frames.length === 0) assert.ok(outbox.answer({ ref: ++ref, frame: { case: "accepted" } }));
  }
  assert.deepEqual(found, Array.from({ length: 600 }, (_, index) => String(index)));
});

/** Numbers below a bound, the same for the same seed. */
function dice(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

// Assertion 59.
test("whatever moment a session breaks in, each emit goes once and in order", () => {
  // A model of a node that takes frames by number, over all moments at which a call may be lost on its way or back.
  for (const numbered of [true, false]) {
    for (let seed = 1; seed <= 400; seed++) {
      const random = dice(seed);
      const outbox = new Outbox();
      const node = { seq: 0, ref: 0, taken: [], answers: [], keys: new Set() };
      const take = ({ firstSeq, frames }, count = frames.length) => {
        frames.slice(0, count).forEach((frame, index) => {
          if (numbered && firstSeq + index !== node.seq + 1) return;
          node.seq = numbered ? firstSeq + index : 0;
          if (frame.ref === 0 || frame.ref <= node.ref) return;
          node.ref = frame.ref;
          const [name] = names({ frames: [frame] });
          if (!node.keys.has(name)) node.taken.push(name);
          node.keys.add(name);
          node.answers.push(frame.ref);
        });
      };
      let said = 0;
      let late;
      for (let turn = 0; turn < 60; turn++) {
        for (let count = random(4); count > 0; count--) outbox.add(command(String(said++)));
        if (random(3) === 0) outbox.addFirst([{ command: { case: "seen", value: {} }, bytes: 1, lasts: "stream", fail: () => {} }]);
        const batch = outbox.take(1 + random(8), 1 << 20);
        const way = random(5);
        if (way > 1) take(batch);
        else {
          const arrived = random(batch.frames.length + 1);
          take(batch, arrived);
          // A call that seemed lost may still arrive, after the session went on.
          if (numbered && way === 0) late ??= batch;
          outbox.lose();
          if (random(4) === 0) {
            Object.assign(node, { seq: 0, ref: 0, answers: [] });
            late = undefined;
            outbox.afresh();
          } else outbox.resumed({ lastRef: node.ref, pushedSeq: node.seq }, numbered);
        }
        if (late && random(3) === 0) {
          take(late);
          late = undefined;
        }
        while (node.answers.length > 0 && random(3) > 0) outbox.answer({ ref: node.answers.shift(), frame: { case: "accepted" } });
      }
      for (let turn = 0; turn < 100 && outbox.waiting > 0; turn++) {
        take(outbox.take(256, 1 << 20));
        for (const ref of node.answers.splice(0)) outbox.answer({ ref, frame: { case: "accepted" } });
      }
      assert.deepEqual(node.taken, Array.from({ length: said }, (_, index) => String(index)), `seed ${seed}, numbered ${numbered}`);
    }
  }
});

test("an emit older than keys are held for is not sent to another session", () => {
  failed = [];
  let now = 1_000_000;
  const outbox = new Outbox({}, () => now);
  outbox.add(command("old"));
  outbox.take(10, 1000);
  now += 5 * 60_000;
  outbox.add(command("new"));
  outbox.take(10, 1000);
  outbox.afresh();
  assert.deepEqual([failed, names(outbox.take(10, 1000))], [[["old", "CONNECTION_LOST"]], ["new"]]);
});

test("answers that nothing answers go again until something after them was answered, and a sign is asked for", () => {
  const outbox = new Outbox();
  const reply = () => ({ command: { case: "reply", value: {} }, bytes: 10, lasts: "session", silent: true, bounded: true, fail: () => {} });
  outbox.add(reply());
  outbox.take(10, 1000);
  outbox.resumed({ lastRef: 0, pushedSeq: 0 }, false);
  assert.deepEqual(names(outbox.take(10, 1000)), ["reply"]);
  outbox.resumed({ lastRef: 1, pushedSeq: 0 }, false);
  assert.equal(outbox.waiting, 0);
  for (let index = 0; index < 64; index++) outbox.add(reply());
  const { frames } = outbox.take(256, 1 << 20);
  assert.deepEqual(frames.filter(({ command: said }) => said.case === "ping").length, 1);
  outbox.answer({ ref: frames.find(({ command: said }) => said.case === "ping").ref, frame: { case: "pong" } });
  outbox.lose();
  outbox.resumed({ lastRef: 66, pushedSeq: 0 }, false);
  assert.equal(outbox.waiting, 0);
});

test("emits leave as fast as the server takes them", () => {
  const pace = new Pace();
  assert.equal(pace.take(0), true, "no bounds, no wait");
  pace.bounds(50, 100, 0, false);
  let taken = 0;
  while (pace.take(0)) taken++;
  assert.equal(taken, 80);
  assert.equal(pace.waitMs(0), 20);
  assert.deepEqual([pace.take(19), pace.take(20)], [false, true]);
  pace.bounds(50, 100, 20, true);
  assert.equal(pace.take(20), false, "a session that goes on has used up what it has used up");
  pace.bounds(50, 100, 20, false);
  assert.equal(pace.take(20), true);
  pace.bounds(0, 0, 20, false);
  for (let count = 0; count < 1000; count++) assert.ok(pace.take(20));
});

const roomState = (more) => create(RoomStateSchema, { room: "r", ...more });
const place = (position) => position.current && [position.current.epoch, Number(position.current.offset)];

test("a position follows events and own emits, and is never ahead of what was handed on", () => {
  const position = new Position();
  assert.equal(position.joined(roomState({ epoch: "a", offset: 4n }), 0), false, "whether something came before is not known");
  assert.deepEqual(place(position), ["a", 4]);
  position.accepted("a", 7n);
  assert.deepEqual(place(position), ["a", 4], "5 and 6 have not come");
  assert.equal(position.heard("a", 5n, true), true);
  assert.equal(position.heard("a", 5n, true), false);
  assert.equal(position.heard("a", 6n, true), true);
  assert.deepEqual(place(position), ["a", 7]);
  position.accepted("a", 8n);
  assert.deepEqual(place(position), ["a", 8]);
  assert.equal(position.heard("a", 20n, true), true, "what is not for this session leaves holes");
  position.missed("a", 25n);
  position.missed("z", 99n);
  assert.deepEqual(place(position), ["a", 25]);
  assert.equal(position.heard("b", 1n, true), true, "another life");
  assert.deepEqual(place(position), ["b", 1]);
});

test("while a room recovers, an event of several rooms does not pass over what has still to come", () => {
  const position = new Position({ epoch: "a", offset: 4n });
  assert.equal(position.joined(roomState({ epoch: "a", offset: 8n, recovery: Recovery.WHOLE }), 0), true);
  assert.equal(position.heard("a", 7n, false), true, "it comes with the other room's history");
  position.accepted("a", 9n);
  assert.deepEqual(place(position), ["a", 4]);
  assert.deepEqual([5n, 6n, 7n, 8n].map((offset) => position.heard("a", offset, offset !== 7n)), [true, true, false, true]);
  assert.deepEqual(place(position), ["a", 9]);
});

test("who asks for the newest events stands before them, and comes back to them when they have not come", () => {
  const position = new Position();
  position.joined(roomState({ epoch: "a", offset: 9n, firstOffset: 1n }), 3);
  assert.deepEqual(place(position), ["a", 6]);
  position.accepted("a", 10n);
  assert.deepEqual(place(position), ["a", 6]);
  assert.equal(position.joined(roomState({ epoch: "a", offset: 10n, recovery: Recovery.WHOLE }), 0), true);
  assert.deepEqual([7n, 8n, 9n].map((offset) => position.heard("a", offset, true)), [true, true, true]);
  assert.deepEqual(place(position), ["a", 10]);
  const short = new Position();
  short.joined(roomState({ epoch: "a", offset: 9n, firstOffset: 8n }), 300);
  assert.deepEqual(place(short), ["a", 7]);
  const empty = new Position();
  empty.joined(roomState({ epoch: "a", offset: 0n }), 3);
  assert.deepEqual(place(empty), ["a", 0]);
});

test("a history that has not begun is a place to go on from, and begins with the first event or emit", () => {
  for (const begin of [(position) => position.heard("a", 1n, true), (position) => position.accepted("a", 1n)]) {
    const position = new Position();
    position.joined(roomState({ offset: 0n }), 50);
    assert.deepEqual(place(position), ["", 0]);
    const { epoch, offset } = position.toRecover("r");
    assert.deepEqual([epoch, offset], ["", 0n]);
    begin(position);
    assert.deepEqual(place(position), ["a", 1]);
  }
  const position = new Position({ epoch: "", offset: 0n });
  assert.equal(position.joined(roomState({ epoch: "a", offset: 2n, firstOffset: 1n, recovery: Recovery.WHOLE }), 0), true);
  assert.deepEqual([1n, 2n].map((offset) => position.heard("a", offset, true)), [true, true]);
});

test("a lost history begins where the room is, and one without history has no position", () => {
  const position = new Position({ epoch: "a", offset: 4n });
  assert.equal(position.joined(roomState({ epoch: "b", offset: 2n, recovery: Recovery.LOST }), 50), true, "the server says what is missing");
  assert.deepEqual(place(position), ["b", 2]);
  assert.equal(position.joined(roomState({ epoch: "c", offset: 9n, firstOffset: 8n, recovery: Recovery.LOST }), 50), true);
  assert.deepEqual([8n, 9n, 9n].map((offset) => position.heard("c", offset, true)), [true, true, false], "what the new one holds comes");
  const none = new Position();
  assert.equal(none.joined(roomState({}), 0), false);
  assert.equal(place(none), undefined);
});

function said(id, text, more = {}) {
  return create(EventSchema, { namespace: "n", rooms: ["r"], eventId: id, content: { event: "e", body: { case: "text", value: text } }, ...more });
}
function delta(id, base, text, dictionary, more = {}) {
  const data = deflateRawSync(typeof text === "string" ? Buffer.from(text) : text, { dictionary: Buffer.from(dictionary) });
  const content = { event: "e", body: { case: undefined } };
  return create(EventSchema, { namespace: "n", rooms: ["r"], eventId: id, content, delta: { baseEventId: base, data, text: typeof text === "string" }, ...more });
}
const nodes = await import("node:zlib").then(({ inflateRawSync }) => (data, dictionary, max) => inflateRawSync(data, { dictionary, maxOutputLength: max }));

for (const [where, read] of [["browsers", inflate], ["Node", nodes]]) {
  test(`a delta is the whole payload again, in ${where}`, () => {
    const deltas = new Deltas();
    deltas.inflate = read;
    const texts = ["täxt ".repeat(9000), `${"täxt ".repeat(9000)}more`, "short", "\ufeffmark"];
    assert.equal(deltas.restore(said("0", texts[0])).content.body.value, texts[0]);
    for (let index = 1; index < texts.length; index++) {
      const dictionary = Buffer.from(texts[index - 1]).subarray(-(32 << 10));
      const whole = deltas.restore(delta(String(index), String(index - 1), texts[index], dictionary));
      assert.equal(whole.content.body.value, texts[index]);
      assert.equal(whole.delta, undefined);
    }
    const bytes = new Uint8Array([0, 255, 1]);
    assert.deepEqual(new Uint8Array(deltas.restore(delta("b", "3", bytes, texts[3])).content.body.value), bytes);
  });

  test(`a delta to something else, a broken one and an endless one make no payload, in ${where}`, () => {
    const deltas = new Deltas();
    assert.equal(deltas.restore(delta("1", "0", "x", "y")), undefined, "nothing to read it with");
    deltas.inflate = read;
    assert.equal(deltas.restore(delta("1", "0", "x", "y")), undefined, "no base");
    deltas.restore(said("0", "base"));
    assert.equal(deltas.restore(delta("2", "1", "x", "base")), undefined, "another base");
    const broken = delta("2", "0", "something longer than nothing", "base");
    broken.delta.data = broken.delta.data.subarray(0, 5);
    assert.equal(deltas.restore(broken), undefined, "cut");
    assert.equal(deltas.restore(delta("2", "0", "x".repeat((1 << 20) + 1), "base")), undefined, "too large");
    assert.equal(deltas.restore(delta("2", "0", new Uint8Array([0xff]), "base", {})).content.body.case, "binary");
    deltas.clear();
    assert.equal(deltas.restore(delta("3", "2", "x", "base")), undefined, "of a former session");
  });
}

test("bases are bounded, the newest are kept", () => {
  const deltas = new Deltas();
  deltas.inflate = inflate;
  for (let index = 0; index < 4200; index++) deltas.restore(said(String(index), "base", { content: { event: "e", key: String(index), body: { case: "text", value: "base" } } }));
  const made = (index) => delta("d", String(index), "x", "base", { content: { event: "e", key: String(index), body: { case: undefined } } });
  assert.equal(deltas.restore(made(10)), undefined);
  assert.equal(deltas.restore(made(4199)).content.body.value, "x");
});

const changes = (entries, more) => create(StateChangesSchema, { epoch: "s", entries: entries.map(([key, value, revision]) => ({ key, body: value === undefined ? { case: undefined } : { case: "text", value }, revision: BigInt(revision) })), ...more });
const view = (map) => [...map.current.entries].map(([key, { text }]) => [key, text]);

test("a room's state is replaced whole when the server begins anew, and a watch hears what changed", async () => {
  const map = new StateMap({ follow: () => Promise.resolve() });
  const watch = map.watch();
  const next = async () => (await watch.next()).value;
  map.apply(changes([["a", "1", 1]], { reset: true }));
  assert.deepEqual([view(map), map.current.complete], [[], false], "half of a beginning is not shown");
  map.apply(changes([["b", "1", 2]], { complete: true }));
  assert.deepEqual([view(map), map.current.complete], [[["a", "1"], ["b", "1"]], true]);
  map.apply(changes([["a", undefined, 3], ["c", "1", 4]]));
  assert.deepEqual(view(map), [["b", "1"], ["c", "1"]]);
  const told = ({ entries, whole }) => [entries.map(({ key, entry }) => [key, entry?.text]), whole];
  assert.deepEqual(told(await next()), [[["b", "1"], ["c", "1"]], true], "all that there is, of each key the newest");
  map.apply(changes([["c", "0", 3]]));
  assert.deepEqual(view(map), [["b", "1"], ["c", "1"]], "what is known is newer");
  map.apply(changes([["c", "1", 4], ["d", "1", 5]], { reset: true, complete: true }));
  assert.deepEqual(told(await next()), [[["b", undefined], ["d", "1"]], false], "what stayed is not told again");
  map.apply(changes([["c", "2", 1]], { epoch: "t" }));
  assert.deepEqual(view(map), [["c", "1"], ["d", "1"]], "half of another life is not shown");
  map.apply(changes([["d", "2", 2]], { epoch: "t", complete: true }));
  assert.deepEqual(view(map), [["c", "2"], ["d", "2"]]);
  const late = map.watch();
  assert.deepEqual(told((await late.next()).value), [[["c", "2"], ["d", "2"]], true], "who watches later gets what is known");
  map.end();
  await next();
  assert.equal((await watch.next()).done, true);
});

test("a history ends after the newest so many, or with its last page", async () => {
  const pages = [[7, 8, 9], [4, 5, 6], [1, 2, 3]];
  const load = async (token) => {
    const index = Number(token);
    return { page: { events: pages[index] }, next: index + 1 < pages.length ? String(index + 1) : "" };
  };
  const all = async (options) => {
    const found = [];
    for await (const { events, more } of new History(load, options)) found.push([events, more]);
    return found;
  };
  assert.deepEqual(await all({}), [[pages[0], true], [pages[1], true], [pages[2], false]]);
  assert.deepEqual(await all({ newest: 5 }), [[[7, 8, 9], true], [[5, 6], false]]);
  assert.deepEqual(await new History(load, { newest: 5 }).collect(), [5, 6, 7, 8, 9]);
  assert.deepEqual((await new History(load, { before: 10 }).page()).events, pages[0]);
  assert.throws(() => new History(load, { from: 1, before: 2 }), { code: "INVALID" });
});
