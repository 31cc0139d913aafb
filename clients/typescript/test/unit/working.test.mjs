// What a worker knows of its jobs, and what becomes of a job when the work on it is over.

import assert from "node:assert/strict";
import { test } from "node:test";
import { completed, cut, Discard, Fail, Release, thrown } from "../../dist/core/outcome.js";
import { Working } from "../../dist/core/working.js";
import { ExtendResponseSchema, LeaseOutcome, LeaseSchema, SettleResponseSchema } from "../../dist/gen/rialto/v1/worker_service_pb.js";
import { create } from "../../dist/wire/message.js";

/** A worker's book, and what it has told. */
function start() {
  const told = [];
  let news = 0;
  const working = new Working({ said: () => news++, trouble: (error, job) => told.push([error.code, job.id]) });
  return { working, told, news: () => news };
}
const lease = (token) => create(LeaseSchema, { token, jobId: `job-${token}` });
const take = (working, ...tokens) => working.leased(tokens.map(lease)).map(([, job]) => job);
const tokens = (request) => request?.items.map(({ token }) => token);
const settled = (request, ...outcomes) => create(SettleResponseSchema, { requestId: request.requestId, outcomes: request.items.map((_, index) => outcomes[index] ?? outcomes[0]) });
const extended = (request, outcome, more) => create(ExtendResponseSchema, { requestId: request.requestId, outcomes: request.items.map(() => outcome), ...more });

test("a lease that comes again is not begun twice, also when its job is done already", () => {
  const { working } = start();
  assert.equal(take(working, "a", "b").length, 2);
  working.done("a", completed("x"));
  assert.deepEqual(take(working, "a", "b", "c").map(({ id }) => id), ["job-c"]);
});

test("what was not answered is said again over the next stream, and what is temporary later", () => {
  const { working } = start();
  take(working, "a", "b");
  working.done("a", completed("x"));
  const first = working.settlements();
  assert.equal(working.settlements(), undefined);
  working.disconnected();
  assert.deepEqual(tokens(working.settlements()), ["a"]);
  working.settled(settled(first, LeaseOutcome.OK));
  assert.equal(working.isDone, false, "that answer was for the stream before");
  working.disconnected();
  assert.equal(working.settled(settled(working.settlements(), LeaseOutcome.TEMPORARY)), true);
  assert.equal(working.settlements(), undefined, "not at once");
  working.again();
  working.done("b", completed("y"));
  assert.equal(working.settled(settled(working.settlements(), LeaseOutcome.OK)), false);
  assert.equal(working.isDone, true);
});

test("an outcome that is too late is told and not said again", () => {
  const { working, told } = start();
  take(working, "a", "b");
  working.done("a", completed("x"));
  working.done("b", completed("y"));
  working.settled(settled(working.settlements(), LeaseOutcome.LEASE_LOST, LeaseOutcome.NOT_FOUND));
  assert.deepEqual([told, working.isDone], [[["LEASE_LOST", "job-a"], ["LEASE_LOST", "job-b"]], true]);
});

test("an outcome that the server does not take fails the job for good, once", () => {
  const { working, told } = start();
  take(working, "a");
  working.done("a", completed("x"));
  working.settled(settled(working.settlements(), LeaseOutcome.INVALID));
  const again = working.settlements();
  assert.deepEqual([again.items[0].outcome.case, again.items[0].outcome.value.permanent], ["failed", true]);
  working.settled(settled(again, LeaseOutcome.INVALID));
  assert.deepEqual([working.isDone, told.length], [true, 2]);
});

test("a job whose lease is lost hears of it, and nothing is said of it", () => {
  const { working, told } = start();
  const [a, b] = take(working, "a", "b");
  working.tick();
  working.extended(extended(working.extensions(), LeaseOutcome.LEASE_LOST));
  assert.deepEqual([a.cancelled.reason.code, b.cancelled.reason.code, working.lostCount], ["LEASE_LOST", "LEASE_LOST", 2]);
  working.tick();
  assert.equal(working.extensions(), undefined);
  working.done("a", completed("x"));
  working.done("b", completed("x"));
  assert.deepEqual([working.settlements(), working.isDone, working.lostCount, told.length], [undefined, true, 0, 2]);
  const [c] = take(working, "c");
  working.reconnected(true);
  assert.equal(c.cancelled.aborted, false);
  working.reconnected(false);
  assert.equal(c.cancelled.reason.code, "LEASE_LOST");
});

test("a job that is to be cancelled hears of it, and its end is said as usual", () => {
  const { working, told } = start();
  const [a, b] = take(working, "a", "b");
  working.cancel(["a", "unknown"]);
  working.tick();
  working.extended(extended(working.extensions(), LeaseOutcome.OK, { cancelling: ["b"] }));
  assert.deepEqual([a.cancelled.reason.code, b.cancelled.reason.code], ["CANCELLED", "CANCELLED"]);
  working.done("a", thrown(a.cancelled.reason));
  assert.deepEqual([tokens(working.settlements()), told], [["a"], []]);
});

test("a job that is to be paused hears of it, and what it has left goes before it is given back", () => {
  const { working, told } = start();
  const [a, b] = take(working, "a", "b");
  working.pause(["a", "unknown"]);
  working.tick();
  working.extended(extended(working.extensions(), LeaseOutcome.OK, { pausing: ["b"] }));
  for (const job of [a, b]) assert.deepEqual([job.toPause.reason instanceof Release, job.cancelled.aborted], [true, false]);
  a.checkpoint("left");
  working.done("a", thrown(a.toPause.reason));
  working.done("b", completed("x"));
  assert.deepEqual(working.extensions().items.map(({ token, checkpoint }) => [token, String(Buffer.from(checkpoint))]), [["a", "left"]]);
  assert.deepEqual(working.settlements().items.map(({ token, outcome }) => [token, outcome.case]), [["a", "released"], ["b", "completed"]]);
  assert.deepEqual(told, []);
});

test("of several words the newest is sent, and one that may not have arrived again unless there is a newer one", () => {
  const { working, news } = start();
  const [job] = take(working, "a", "b");
  assert.equal(working.extensions(), undefined);
  job.progress(1, 3, "one");
  job.progress(2.9, 3, "two");
  job.checkpoint("left");
  assert.equal(news(), 3);
  working.news();
  const { items } = working.extensions();
  assert.deepEqual([items.length, items[0].progress.done, items[0].progress.message, String(Buffer.from(items[0].checkpoint))], [1, 2n, "two", "left"]);
  assert.equal(working.extensions(), undefined);
  working.disconnected();
  job.progress(3, 3, "three");
  const [again] = working.extensions().items;
  assert.deepEqual([again.progress.message, String(Buffer.from(again.checkpoint))], ["three", "left"]);
  working.disconnected();
  working.extended(extended(working.extensions(), LeaseOutcome.TEMPORARY));
  working.tick();
  assert.deepEqual(tokens(working.extensions()), ["a", "b"]);
  assert.throws(() => job.checkpoint("x".repeat((64 << 10) + 1)), { code: "PAYLOAD_TOO_LARGE" });
  assert.throws(() => job.checkpoint(7), TypeError);
  job.progress(NaN, -1);
});

test("what was said last goes before the outcome", () => {
  const { working } = start();
  const [job] = take(working, "a");
  job.checkpoint("left");
  working.done("a", thrown(new Error("broken")));
  assert.equal(working.settlements(), undefined);
  assert.deepEqual(tokens(working.extensions()), ["a"]);
  assert.deepEqual(tokens(working.settlements()), ["a"]);
});

test("what was said last and could not be taken goes before the outcome the next time, too", () => {
  const { working } = start();
  const [a, b] = take(working, "a", "b");
  for (const job of [a, b]) job.checkpoint("left");
  working.done("a", thrown(new Release()));
  const first = working.extensions();
  assert.equal(working.extended(extended(first, LeaseOutcome.TEMPORARY)), true);
  assert.deepEqual([working.settlements(), working.extensions()], [undefined, undefined], "not at once");
  working.again();
  assert.equal(working.settlements(), undefined);
  // Over a stream the outcome follows before there is an answer.
  const second = working.extensions();
  const outcome = working.settlements();
  assert.deepEqual([tokens(second), tokens(outcome)], [["a"], ["a"]]);
  assert.equal(working.extended(extended(second, LeaseOutcome.TEMPORARY)), false, "that of the outcome decides");
  assert.equal(working.settled(settled(outcome, LeaseOutcome.TEMPORARY)), true);
  working.again();
  assert.equal(working.settlements(), undefined);
  const third = working.extensions();
  assert.deepEqual(third.items.map(({ token, checkpoint }) => [token, String(Buffer.from(checkpoint))]), [["a", "left"]]);
  assert.equal(working.extended(extended(third, LeaseOutcome.OK)), false);
  assert.deepEqual(tokens(working.settlements()), ["a"]);
});

test("all leases go on however many there are, and large messages are several", () => {
  const { working } = start();
  const many = Array.from({ length: 2_500 }, (_, index) => String(index));
  const jobs = take(working, ...many);
  working.tick();
  const counts = [];
  for (let request = working.extensions(); request; request = working.extensions()) counts.push(request.items.length);
  assert.deepEqual(counts, [1000, 1000, 500]);
  for (const job of jobs.slice(0, 20)) job.checkpoint(new Uint8Array(64 << 10));
  working.news();
  const sizes = [];
  for (let request = working.extensions(); request; request = working.extensions()) sizes.push(request.items.length);
  assert.deepEqual(sizes, [7, 7, 6]);
  for (const token of many.slice(0, 20)) working.done(token, completed("x".repeat(64 << 10)));
  assert.equal(working.settlements().items.length, 7);
});

test("what the work throws is an outcome, whatever it is", () => {
  const value = (outcome) => [outcome.case, outcome.value];
  const failed = (error) => {
    const { code, message, permanent, retryAfter } = thrown(error).value;
    return { code, message, permanent, ...(retryAfter ? { retryAfter } : {}) };
  };
  assert.deepEqual(failed(new RangeError("too far")), { code: "RangeError", message: "too far", permanent: false });
  assert.deepEqual(failed("text"), { code: "", message: "text", permanent: false });
  assert.deepEqual(failed(undefined), { code: "", message: "undefined", permanent: false });
  assert.equal(failed(new Fail("busy", { retryAfterMs: 1_500 })).retryAfter.nanos, 500_000_000);
  assert.deepEqual(failed(new Fail("busy", { retryAfterMs: NaN })).permanent, false, "a delay that is no number");
  assert.equal(value(thrown(new Discard("no")))[1].reason, "no");
  assert.equal(value(thrown(new Release(-5)))[1].delay.seconds, 0n);
  const circle = {};
  circle.self = circle;
  assert.deepEqual([completed(circle).case, completed(Symbol("x")).case, completed(null).value.result.body.value], ["failed", "failed", "null"]);
  assert.deepEqual([cut("aé", 2), cut("aé", 3), cut("", 3)], ["a", "aé", ""]);
});
