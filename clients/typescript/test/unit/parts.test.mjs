// The small parts of the client, each by itself: waits, queues, listeners, errors, endings, tokens.

import assert from "node:assert/strict";
import { test } from "node:test";
import { backoff } from "../../dist/core/backoff.js";
import { next } from "../../dist/core/ending.js";
import { failure, refusal, RialtoError } from "../../dist/core/errors.js";
import { Listeners } from "../../dist/core/listeners.js";
import { Outbox } from "../../dist/core/outbox.js";
import { BoundedQueue, Gate } from "../../dist/core/queue.js";
import { expiryOf } from "../../dist/core/token.js";
import { RefusedSchema } from "../../dist/gen/rialto/v1/event_pb.js";
import { CloseSchema } from "../../dist/gen/rialto/v1/session_pb.js";
import { CloseCode, RefusalCode, RetryAdvice, Then } from "../../dist/gen/rialto/v1/code_pb.js";
import { create } from "../../dist/wire/message.js";
import { Code, StatusError } from "../../dist/wire/status.js";
import { reasonDetail, textField } from "./played.mjs";

test("waits are random within a window that grows to its end", () => {
  const options = { firstMs: 250, maxMs: 30_000 };
  assert.equal(backoff(0, options, () => 0), 0);
  assert.deepEqual([0, 1, 2, 6, 7, 100].map((attempt) => backoff(attempt, options, () => 1)), [250, 500, 1000, 16_000, 30_000, 30_000]);
});

test("a queue hands over in order, drops the oldest beyond its bound, and ends", async () => {
  let dropped = 0;
  const queue = new BoundedQueue(2, { dropped: (count) => (dropped += count) });
  for (const entry of [1, 2, 3]) queue.push(entry);
  assert.equal(dropped, 1);
  queue.end();
  queue.push(4);
  const found = [];
  for await (const entry of queue) found.push(entry);
  assert.deepEqual(found, [2, 3]);
});

test("a queue that ends with an error throws it once, after what waits", async () => {
  const queue = new BoundedQueue(2);
  queue.push(1);
  queue.end(new RialtoError("CLOSED", "over"));
  assert.equal((await queue.next()).value, 1);
  await assert.rejects(queue.next(), { code: "CLOSED" });
  assert.equal((await queue.next()).done, true);
});

test("leaving an iteration ends the listening", async () => {
  const listeners = new Listeners({ eventsWaiting: 2, gate: new Gate() });
  const control = new AbortController();
  let looked = 0;
  // An event that counts how often somebody asks for its name.
  const event = { get name() { return String(++looked); } };
  for (const leave of [(events) => events.return(), () => control.abort(), () => listeners.end()]) {
    const events = listeners.events({ signal: control.signal.aborted ? undefined : control.signal });
    listeners.tell(event);
    assert.equal(looked, 1);
    assert.equal((await events.next()).value, event);
    leave(events);
    assert.equal((await events.next()).done, true);
    listeners.tell(event);
    assert.equal(looked, 1, "nobody listens");
    looked = 0;
  }
});

const command = (more = {}) => ({ command: { case: "ping", value: {} }, bytes: 10, lasts: "always", bounded: true, answer: () => true, fail: () => {}, ...more });

test("refs rise as commands leave, and answers find their commands", () => {
  const outbox = new Outbox({ countMax: 10, bytesMax: 1000 });
  const answered = [];
  for (const name of ["a", "b"]) outbox.add(command({ answer: () => answered.push(name) > 0 }));
  outbox.addFirst([command({ answer: undefined })]);
  assert.deepEqual(outbox.take(10, 1000).frames.map(({ ref }) => ref), [0, 1, 2]);
  assert.equal(outbox.answer({ ref: 2 }), true);
  assert.equal(outbox.answer({ ref: 2 }), false);
  assert.equal(outbox.answer({ ref: 9 }), false);
  assert.deepEqual([answered, outbox.pending], [["b"], 1]);
});

test("an outbox is bounded in number and bytes, and batches are too", () => {
  const outbox = new Outbox({ countMax: 2, bytesMax: 100 });
  outbox.add(command());
  outbox.add(command());
  assert.throws(() => outbox.add(command()), { code: "FULL" });
  assert.equal(outbox.take(1, 1000).frames.length, 1);
  assert.throws(() => outbox.add(command({ bytes: 91 })), { code: "FULL" });
  outbox.add(command({ bytes: 90 }));
  assert.equal(outbox.take(10, 20).frames.length, 1, "the large one waits for the next batch");
  assert.equal(outbox.take(10, 20).frames.length, 1, "but goes by itself");
});

test("the details of a status are obeyed, and nonsense among them is survived", () => {
  const entry = [...textField(1, "limit"), ...textField(2, "rooms_max")];
  const limit = reasonDetail("LIMIT_REACHED", "rialto", [(3 << 3) | 2, entry.length, ...entry, (9 << 3) | 0, 1]);
  const retry = { typeUrl: "type.googleapis.com/google.rpc.RetryInfo", value: new Uint8Array([10, 8, 8, 2, 16, 128, 202, 181, 238, 1]) };
  const wrong = { typeUrl: "type.googleapis.com/google.rpc.BadRequest", value: new Uint8Array([10, 6, ...textField(2, "none")]) };
  const nonsense = [[255], [10, 200], [0]].map((bytes) => ({ ...retry, value: new Uint8Array(bytes) }));
  const error = failure(new StatusError(Code.UNAVAILABLE, "no", [...nonsense, limit, retry, wrong]));
  assert.deepEqual([error.code, error.limit, error.advice, error.afterMs, error.violations], ["LIMIT_REACHED", "rooms_max", "later", 2500, [{ field: "", description: "none" }]]);
});

test("statuses become typed errors; only a server of this kind is believed", () => {
  const said = failure(new StatusError(Code.PERMISSION_DENIED, "no", [reasonDetail("FORBIDDEN")]));
  assert.deepEqual([said.code, said.said, said.reason], ["FORBIDDEN", true, "no"]);
  const other = failure(new StatusError(Code.PERMISSION_DENIED, "no", [reasonDetail("OTHER", "elsewhere")]));
  assert.deepEqual([other.code, other.kind, other.said], ["PROTOCOL", "other", false]);
  assert.equal(failure(new TypeError("Failed to fetch")).kind, "unknown_outcome", "nobody can tell how far it came");
  const refusing = Object.assign(new Error("connect"), { code: "ECONNREFUSED" });
  assert.equal(failure(new Error("no", { cause: refusing })).kind, "unavailable");
  assert.equal(failure(new StatusError(Code.DEADLINE_EXCEEDED, "late")).kind, "timed_out");
  assert.equal(failure(new StatusError(Code.INTERNAL, "bug")).kind, "other");
  assert.equal(failure(new Error("refused stream")).kind, "unknown_outcome");
  assert.equal(failure(new StatusError(Code.UNAUTHENTICATED, "x")).code, "UNAUTHENTICATED");
  const refused = create(RefusedSchema, { code: RefusalCode.RATE_LIMITED, reason: "slow down", limit: "emits_per_second", retry: { advice: RetryAdvice.LATER, after: { seconds: 1n, nanos: 5e8 } } });
  const error = refusal(refused);
  assert.deepEqual([error.kind, error.code, error.limit, error.advice, error.afterMs], ["refused", "RATE_LIMITED", "emits_per_second", "later", 1500]);
  assert.equal(refusal(create(RefusedSchema, { code: 99 })).code, "CODE_99", "a later server's code");
});

test("the hundreds of a close code decide, and `then` goes before them", () => {
  const error = new RialtoError("CONNECTION_LOST", "");
  const after = (close) => next({ close: close && create(CloseSchema, close), error, welcomed: true, tokenMayHelp: false, resuming: false });
  for (const code of [CloseCode.DRAINING, CloseCode.FELL_BEHIND, CloseCode.SESSION_LOST, CloseCode.TOKEN_EXPIRED, CloseCode.SILENT]) {
    assert.equal(after({ code }).stay, false, CloseCode[code]);
  }
  for (const code of [CloseCode.BYE, CloseCode.DISCONNECTED, CloseCode.PROTOCOL, CloseCode.UNAUTHENTICATED, CloseCode.REPLACED]) {
    assert.equal(after({ code }).stay, true, CloseCode[code]);
  }
  assert.equal(after({ code: CloseCode.DISCONNECTED, then: Then.RECONNECT, after: { seconds: 3n, nanos: 0 } }).stay, false);
  assert.equal(after({ code: CloseCode.DISCONNECTED, then: Then.RECONNECT, after: { seconds: 3n, nanos: 0 } }).afterMs, 3000);
  assert.equal(after({ code: 777 }).stay, true, "an unknown range");
  assert.equal(after(undefined).stay, false);
});

test("a refused greeting is repeated only when that can help", () => {
  const after = (code, said, more = {}) => next({ close: undefined, error: new RialtoError(code, "", { said, ...more }), welcomed: false, tokenMayHelp: false, resuming: false }).stay;
  assert.equal(after("FORBIDDEN", true), true);
  assert.equal(after("FORBIDDEN", false), false, "a proxy said so");
  assert.equal(after("LIMIT_REACHED", true), false);
  assert.equal(after("INVALID", true), true);
  assert.equal(after("UNAUTHENTICATED", true), true);
  const again = next({ close: undefined, error: new RialtoError("UNAUTHENTICATED", ""), welcomed: false, tokenMayHelp: true, resuming: false });
  assert.deepEqual([again.stay, again.atOnce], [false, true]);
});

test("a session goes on after a close of the first hundred only, and after a broken stream", () => {
  const error = new RialtoError("CONNECTION_LOST", "");
  const forget = (close) => next({ close: close && create(CloseSchema, close), error, welcomed: true, tokenMayHelp: false, resuming: false }).forget;
  assert.equal(forget(undefined), false);
  for (const code of [CloseCode.DRAINING, CloseCode.FELL_BEHIND]) assert.equal(forget({ code }), false, CloseCode[code]);
  for (const code of [CloseCode.SESSION_LOST, CloseCode.TOKEN_EXPIRED, CloseCode.SILENT]) assert.equal(forget({ code }), true, CloseCode[code]);
});

test("a session that may not be resumed is left behind at once", () => {
  const ended = { close: undefined, welcomed: false, tokenMayHelp: false };
  for (const code of ["SESSION_UNKNOWN", "RESUME_LATE", "POSITION_GONE", "INVALID"]) {
    const after = next({ ...ended, resuming: true, error: new RialtoError(code, "", { said: true }) });
    assert.deepEqual([after.stay, after.atOnce, after.forget], [false, true, true], code);
  }
  assert.equal(next({ ...ended, resuming: true, error: new RialtoError("UNREACHABLE", "") }).forget, false);
  assert.equal(next({ ...ended, welcomed: true, resuming: false, error: new RialtoError("PROTOCOL", "") }).forget, false, "a gap comes again");
});

test("a token tells when it expires, or nothing", () => {
  const token = (claims) => `h.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.s`;
  assert.equal(expiryOf(token({ exp: 100, sub: "ÿ?>" })), 100_000);
  for (const text of ["", "key", "a.b.c", token({}), token({ exp: "1" }), token(null)]) assert.ok(Number.isNaN(expiryOf(text)), text);
});
