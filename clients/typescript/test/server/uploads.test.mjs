// Payloads that are too large for a message, over both shapes: uploaded, named by a job, read by its worker and by others, also
// when the connection breaks.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { deferred } from "../../dist/core/time.js";
import { beginUploadMethod, uploadChunkMethod } from "../../dist/gen/rialto/v1/job_service_pb.js";
import { Desk } from "./desk.mjs";
import { code, SHAPES } from "./shapes.mjs";

/** More than three chunks, the last one small. */
const PAYLOAD = randomBytes((3 << 19) + 12_345);
const PIECE = 100_003;

async function* pieces(payload) {
  for (let at = 0; at < payload.length; at += PIECE) yield payload.subarray(at, at + PIECE);
}

async function whole(reading) {
  const found = [];
  for await (const data of reading) found.push(data);
  return Buffer.concat(found);
}

/** The same bytes; a difference is not printed, it would be long. */
function same(found, expected) {
  assert.equal(found.length, expected.length);
  assert.ok(expected.equals(found), "byte for byte");
}

for (const [shape, module] of SHAPES) {
  const { Uploaded } = module;

  test(`${shape}: bytes, a file and an iterable come to a worker byte for byte`, async (t) => {
    const desk = new Desk(t, module);
    const found = {};
    desk.work(async (job) => {
      found[job.id] = await whole(job.read());
      return String(job.uploaded?.bytes);
    });
    const sources = { bytes: PAYLOAD, blob: new Blob([PAYLOAD]), iterable: pieces(PAYLOAD) };
    for (const [id, source] of Object.entries(sources)) {
      const told = [];
      const payload = await desk.jobs.upload(source, { onProgress: (done) => told.push(done) });
      assert.deepEqual([payload.bytes, told.at(-1), told.length], [PAYLOAD.length, PAYLOAD.length, 4]);
      await desk.jobs.enqueue({ id, payload, contentType: "application/octet-stream" });
      const ended = await desk.jobs.wait(id);
      assert.deepEqual([ended.state, ended.result?.text], ["completed", String(PAYLOAD.length)], ended.error?.message);
      same(found[id], PAYLOAD);
    }
    await desk.jobs.enqueue({ id: "inline", payload: "small" });
    assert.equal((await desk.jobs.wait("inline")).state, "completed");
    assert.equal(found.inline.toString(), "small");
  });

  test(`${shape}: a payload is read from a byte in its middle, by its worker and by who asks`, async (t) => {
    const desk = new Desk(t, module);
    const middle = (1 << 19) + 777;
    const payload = await desk.jobs.upload(PAYLOAD);
    await desk.jobs.enqueue({ id: "one", payload });
    const { uploaded } = await desk.jobs.get("one");
    assert.deepEqual(uploaded, payload);
    same(await whole(desk.jobs.read(uploaded, { offset: middle })), PAYLOAD.subarray(middle));
    assert.equal((await whole(desk.jobs.read(uploaded, { offset: PAYLOAD.length }))).length, 0);
    let rest;
    desk.work(async (job) => {
      assert.throws(() => job.text, code("INVALID"));
      rest = await whole(job.read(middle));
    });
    assert.equal((await desk.jobs.wait("one")).state, "completed");
    same(rest, PAYLOAD.subarray(middle));
  });

  test(`${shape}: what is not uploaded, or not to its end, or for another queue, is not taken as a payload`, async (t) => {
    const desk = new Desk(t, module);
    const { uploadId, chunkBytes } = await desk.client.ask(beginUploadMethod, desk.place);
    await desk.client.ask(uploadChunkMethod, { ...desk.place, uploadId, index: 0, data: PAYLOAD.subarray(0, chunkBytes) });
    await desk.client.ask(uploadChunkMethod, { ...desk.place, uploadId, index: 2, data: PAYLOAD.subarray(0, 10) });
    const refused = [new Uploaded(uploadId, 2 * chunkBytes + 10), new Uploaded(uploadId, chunkBytes + 1), new Uploaded("nothing", 5)];
    const good = await desk.jobs.upload(PAYLOAD);
    refused.push(new Uploaded(good.uploadId, good.bytes - 1), new Uploaded(good.uploadId, good.bytes + 1));
    for (const payload of refused) {
      await assert.rejects(desk.jobs.enqueue({ payload }), (error) => error.name === "RialtoError" && error.said, JSON.stringify(payload));
    }
    const other = new Desk(t, module);
    await assert.rejects(other.jobs.enqueue({ payload: good }), (error) => error.said);
    assert.deepEqual((await desk.jobs.list().page()).entries, []);
    await desk.jobs.enqueue({ payload: good });
  });

  test(`${shape}: an upload ends when the caller gives up, and so does a reading`, async (t) => {
    const desk = new Desk(t, module);
    const [control, begun] = [new AbortController(), deferred()];
    async function* endless() {
      for (;;) yield PAYLOAD;
    }
    const uploading = desk.jobs.upload(endless(), { signal: control.signal, onProgress: begun.resolve });
    await begun.promise;
    control.abort();
    await assert.rejects(uploading, code("ABORTED"));
    const payload = await desk.jobs.upload(PAYLOAD);
    await desk.jobs.enqueue({ payload });
    const over = new AbortController();
    const reading = desk.jobs.read(payload, { signal: over.signal });
    await reading.next();
    over.abort();
    await assert.rejects(whole(reading), code("ABORTED"));
  });

  test(`${shape}: an upload and a reading go on when their connection is lost`, async (t) => {
    const desk = new Desk(t, module);
    const { wire, client } = await desk.wire();
    const jobs = new module.Jobs(client, desk.place);
    let cuts = 0;
    const payload = await jobs.upload(pieces(PAYLOAD), { onProgress: () => cuts++ < 2 && wire.cut() });
    await jobs.enqueue({ id: "one", payload });
    assert.ok(cuts > 2);
    const found = [];
    for await (const data of jobs.read(payload)) {
      found.push(data);
      if (found.length === 1) wire.cut();
    }
    same(Buffer.concat(found), PAYLOAD);
  });
}
