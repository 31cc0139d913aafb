// Payloads that are uploaded by themselves: how they are cut, said again, given up and read, against a server that the test plays.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Assignment } from "../../dist/core/assignment.js";
import { chunks } from "../../dist/core/chunks.js";
import { Client } from "../../dist/core/client.js";
import { Job } from "../../dist/core/job.js";
import { fromNewJob } from "../../dist/core/newjob.js";
import { deferred } from "../../dist/core/time.js";
import { Uploaded } from "../../dist/core/uploaded.js";
import { JobSchema, NewJobSchema } from "../../dist/gen/rialto/v1/job_pb.js";
import { beginUploadMethod, readPayloadMethod, uploadChunkMethod } from "../../dist/gen/rialto/v1/job_service_pb.js";
import { LeaseSchema } from "../../dist/gen/rialto/v1/worker_service_pb.js";
import { Jobs } from "../../dist/jobs.js";
import { create } from "../../dist/wire/message.js";
import { Code, StatusError } from "../../dist/wire/status.js";
import { onTheWire, playing } from "./played.mjs";

const CHUNK = 4;
const lost = () => new StatusError(Code.UNAVAILABLE, "gone");
const bytes = (count) => Uint8Array.from({ length: count }, (_, index) => index);

/** A queue at a server that the test plays; what was said to it. */
function play(more = {}) {
  const stored = new Map();
  const begun = [];
  const calls = {
    beginUpload: (request) => {
      begun.push(request);
      return { uploadId: "u-1", chunkBytes: CHUNK, bytesMax: 1_000n };
    },
    uploadChunk: ({ index, data }) => {
      stored.set(index, data);
      return {};
    },
    ...more,
  };
  const transport = playing([beginUploadMethod, calls.beginUpload], [uploadChunkMethod, calls.uploadChunk], [readPayloadMethod, calls.readPayload]);
  const jobs = new Jobs(new Client({ transport, streamsUp: true }), { namespace: "default", queue: "files" });
  return { jobs, begun, stored, whole: () => Buffer.concat([...stored].sort(([a], [b]) => a - b).map(([, data]) => data)) };
}

async function* pieces(...given) {
  yield* given;
}

async function collect(reading) {
  const found = [];
  for await (const data of reading) found.push(data);
  return found;
}

test("bytes, a file and an iterable are cut into the same chunks", async () => {
  const payload = bytes(10);
  const uneven = pieces(payload.subarray(0, 1), payload.subarray(1, 1), payload.subarray(1, 9), payload.subarray(9));
  for (const source of [payload, new Blob([payload]), uneven]) {
    const found = [];
    for await (const { index, bytes, load } of chunks(source, CHUNK)) found.push([index, bytes, [...(await load())]]);
    assert.deepEqual(found, [[0, 4, [0, 1, 2, 3]], [1, 4, [4, 5, 6, 7]], [2, 2, [8, 9]]]);
  }
});

test("what is uploaded arrives whole, and is told as it goes", async () => {
  for (const [source, total] of [[bytes(10), 10], [new Blob([bytes(10)]), 10], [pieces(bytes(10)), undefined]]) {
    const { jobs, begun, whole } = play();
    const told = [];
    const uploaded = await jobs.upload(source, { onProgress: (done, of) => told.push([done, of]) });
    assert.deepEqual([uploaded.uploadId, uploaded.bytes, [...whole()]], ["u-1", 10, [...bytes(10)]]);
    assert.deepEqual([told.length, told.at(-1)], [3, [10, total]]);
    assert.deepEqual(begun.map(({ namespace, queue }) => [namespace, queue]), [["default", "files"]]);
  }
});

test("four chunks are on their way at once, and no more is taken of an iterable than these", async () => {
  let taken = 0;
  const [waiting, takenThen] = [[], []];
  const uploadChunk = () =>
    new Promise((answer) => {
      waiting.push(() => answer({}));
      if (waiting.length < 4) return;
      takenThen.push(taken);
      for (const go of waiting.splice(0)) go();
    });
  async function* source() {
    for (; taken < 12; ) {
      taken++;
      yield bytes(CHUNK);
    }
  }
  const { jobs } = play({ uploadChunk });
  assert.equal((await jobs.upload(source())).bytes, 12 * CHUNK);
  assert.deepEqual(takenThen, [4, 8, 12]);
});

test("a chunk that nobody has answered is said again, and one that is refused ends the upload", async () => {
  let losses = 3;
  const patient = play({
    beginUpload: () => {
      if (losses-- > 0) throw lost();
      return { uploadId: "u-2", chunkBytes: CHUNK, bytesMax: 1_000n };
    },
    uploadChunk: () => {
      if (losses++ < 1) throw lost();
      return {};
    },
  });
  assert.equal((await patient.jobs.upload(bytes(10))).uploadId, "u-2");
  let returned = false;
  async function* endless() {
    try {
      for (;;) yield bytes(CHUNK);
    } finally {
      returned = true;
    }
  }
  const strict = play({
    uploadChunk: () => {
      throw new StatusError(Code.PERMISSION_DENIED, "not here");
    },
  });
  await assert.rejects(strict.jobs.upload(endless()), { kind: "other" });
  assert.equal(returned, true, "the source is let go of");
});

test("nothing, and too much, are refused here", async () => {
  const { jobs, begun, stored } = play();
  for (const source of [new Uint8Array(), new Blob([]), pieces(), pieces(new Uint8Array())]) {
    await assert.rejects(jobs.upload(source), { name: "RialtoError", code: "INVALID" });
  }
  begun.length = 0;
  for (const source of [bytes(1_001), new Blob([bytes(1_001)])]) await assert.rejects(jobs.upload(source), { code: "PAYLOAD_TOO_LARGE" });
  assert.deepEqual([begun.length, stored.size], [2, 0], "nothing was sent");
  await assert.rejects(jobs.upload(pieces(bytes(999), bytes(2))), { code: "PAYLOAD_TOO_LARGE" });
});

test("what the source throws is thrown, and what the listener throws harms nothing", async (t) => {
  const { jobs } = play();
  async function* broken() {
    yield bytes(CHUNK);
    throw new RangeError("torn");
  }
  await assert.rejects(jobs.upload(broken()), { name: "RangeError", message: "torn" });
  const reported = [];
  t.mock.method(globalThis, "queueMicrotask", (fn) => reported.push(fn));
  const onProgress = () => {
    throw new Error("listener");
  };
  assert.equal((await jobs.upload(bytes(4), { onProgress })).bytes, 4);
  assert.throws(reported[0], { message: "listener" });
});

test("an upload ends at once when the caller gives up, also while its source says nothing", async () => {
  const asked = deferred();
  async function* silent() {
    yield bytes(CHUNK);
    asked.resolve();
    await new Promise(() => {});
  }
  const { jobs } = play();
  const control = new AbortController();
  const uploading = jobs.upload(silent(), { signal: control.signal });
  await asked.promise;
  control.abort();
  await assert.rejects(uploading, { code: "ABORTED" });
  await assert.rejects(jobs.upload(bytes(10), { signal: AbortSignal.abort() }), { code: "ABORTED" });
});

/** A queue whose payload of ten bytes is read in pieces of three; `fails` says what ends a stream at a byte. */
function readable(fails = () => undefined) {
  const asked = [];
  const played = play({
    async *readPayload({ uploadId, offset }) {
      assert.equal(uploadId, "u-1");
      asked.push(Number(offset));
      for (let at = Number(offset); at < 10; at += 3) {
        const error = fails(at, asked.length);
        if (error) throw error;
        yield { data: bytes(10).subarray(at, at + 3) };
      }
    },
  });
  return { asked, ...played };
}
const ten = new Uploaded("u-1", 10);

test("what was uploaded is read from any byte, and goes on at the byte that was reached", async () => {
  const steady = readable();
  assert.deepEqual([...Buffer.concat(await collect(steady.jobs.read(ten)))], [...bytes(10)]);
  assert.deepEqual([...Buffer.concat(await collect(steady.jobs.read(ten, { offset: 7 })))], [7, 8, 9]);
  assert.deepEqual([await collect(steady.jobs.read(ten, { offset: 10 })), steady.asked], [[], [0, 7]]);
  for (const offset of [-1, 11, 0.5, NaN]) await assert.rejects(collect(steady.jobs.read(ten, { offset })), { code: "INVALID" });
  const breaking = readable((at, streams) => (streams < 4 && at > 0 && at >= streams * 2 ? lost() : undefined));
  assert.deepEqual([...Buffer.concat(await collect(breaking.jobs.read(ten)))], [...bytes(10)]);
  assert.deepEqual(breaking.asked.slice(0, 2), [0, 3]);
});

test("a reading that is not whole ends with an error", async () => {
  const refused = readable((at) => (at > 3 ? new StatusError(Code.PERMISSION_DENIED, "not here") : undefined));
  await assert.rejects(collect(refused.jobs.read(ten)), { kind: "other" });
  const short = readable();
  await assert.rejects(collect(short.jobs.read(new Uploaded("u-1", 12))), { code: "PROTOCOL" });
  await assert.rejects(collect(short.jobs.read(new Uploaded("u-1", 8))), { code: "PROTOCOL" });
  const gone = readable(lost);
  await assert.rejects(collect(gone.jobs.read(ten, { timeoutMs: 50 })), { kind: "unknown_outcome" });
  const control = new AbortController();
  const reading = readable().jobs.read(ten, { signal: control.signal });
  await reading.next();
  control.abort();
  await assert.rejects(collect(reading), { code: "ABORTED" });
});

test("a job names what was uploaded, and shows it as that and as nothing else", () => {
  const wire = fromNewJob({ id: "a", payload: ten, contentType: "text/csv" });
  const body = { body: { case: "uploaded", value: { uploadId: "u-1", bytes: 10n } }, contentType: "text/csv" };
  assert.deepEqual(onTheWire(NewJobSchema, wire), { jobId: "a", body });
  const job = new Job(create(JobSchema, { body: wire.body }));
  assert.deepEqual([job.payload, job.uploaded, job.contentType], [ten, ten, "text/csv"]);
  for (const look of [() => job.text, () => job.bytes, () => job.json()]) assert.throws(look, { name: "RialtoError", code: "INVALID" });
  const plain = new Job(create(JobSchema, { body: { body: { case: "text", value: "x" } } }));
  assert.deepEqual([plain.payload, plain.text, plain.uploaded], ["x", "x", undefined]);
  assert.deepEqual([new Job(create(JobSchema, {})).payload, new Job(create(JobSchema, {})).text], [undefined, ""]);
});

test("the job of a worker is read in the same way whether its payload was uploaded or came with it", async () => {
  const asked = [];
  async function* reads(job, uploaded, offset) {
    asked.push([job.id, uploaded, offset]);
    yield bytes(3);
  }
  const assignment = (body) => new Assignment(create(LeaseSchema, { jobId: "a", body: { body } }), undefined, undefined, undefined, reads);
  assert.deepEqual(await collect(assignment({ case: "uploaded", value: { uploadId: "u-1", bytes: 10n } }).read(7)), [bytes(3)]);
  assert.deepEqual(asked, [["a", ten, 7]]);
  const inline = assignment({ case: "text", value: "täxt" });
  assert.equal(Buffer.concat(await collect(inline.read())).toString(), "täxt");
  assert.deepEqual([Buffer.concat(await collect(inline.read(3))).toString(), await collect(inline.read(5))], ["xt", []]);
  await assert.rejects(collect(inline.read(6)), { code: "INVALID" });
});
