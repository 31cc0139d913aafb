// Messages and calls on the wire: bytes as protobuf's own documentation gives them, and what may come from anybody.

import assert from "node:assert/strict";
import { test } from "node:test";
import { single } from "../../dist/core/calls.js";
import * as admin from "../../dist/gen/rialto/v1/admin_pb.js";
import * as directory from "../../dist/gen/rialto/v1/directory_pb.js";
import * as frames from "../../dist/gen/rialto/v1/frame_pb.js";
import * as jobs from "../../dist/gen/rialto/v1/job_service_pb.js";
import * as messaging from "../../dist/gen/rialto/v1/messaging_pb.js";
import * as rooms from "../../dist/gen/rialto/v1/room_service_pb.js";
import * as workers from "../../dist/gen/rialto/v1/worker_service_pb.js";
import { decode } from "../../dist/wire/decode.js";
import { encode } from "../../dist/wire/encode.js";
import { enveloped, Envelopes } from "../../dist/wire/envelope.js";
import { create, MessageType } from "../../dist/wire/message.js";
import { judge, judgeAnswer } from "../../dist/wire/status.js";
import { timestampDate, timestampFromDate } from "../../dist/wire/wellknown.js";
import { webTransport } from "../../dist/wire/web.js";

const hex = (bytes) => Buffer.from(bytes).toString("hex");
const bytes = (text) => new Uint8Array(Buffer.from(text, "hex"));
const Inner = new MessageType("a=1i");
const Every = new MessageType("u=1u text=2s inner=3:0 numbers=4*u signed=5z big=6U small=7I yes=8b raw=9y maybe=10?u pick.left=11s pick.right=12:0 texts=13m many=14*:0 kind=15i names=16*s", () => [Inner]);
const blank = { u: 0, text: "", numbers: [], signed: 0, big: 0n, small: 0n, yes: false, raw: new Uint8Array(), pick: { case: undefined }, texts: {}, many: [], kind: 0, names: [] };

test("values travel as the documentation of protobuf shows them", () => {
  const cases = [
    [{ u: 150 }, "089601"],
    [{ text: "testing" }, "120774657374696e67"],
    [{ inner: { a: 150 } }, "1a03089601"],
    [{ signed: -2 }, "2803"],
    [{ kind: -1 }, "78ffffffffffffffffff01"],
    [{ small: -2n }, "38feffffffffffffffff01"],
    [{ big: 2n ** 64n - 1n }, "30ffffffffffffffffff01"],
    [{ maybe: 0 }, "5000"],
    [{ pick: { case: "left", value: "" } }, "5a00"],
    [{ texts: { k: "v" } }, "6a060a016b120176"],
    [{ names: ["", "a"] }, "820100820101" + "61"],
  ];
  for (const [said, travels] of cases) {
    assert.equal(hex(encode(Every, said)), travels);
    assert.deepEqual(decode(Every, bytes(travels)), { ...blank, ...said });
  }
  assert.equal(encode(Every, { u: 0, text: "", yes: false, raw: new Uint8Array(), kind: 0, big: 0n, names: null, inner: null }).length, 0, "nothing is not said");
});

test("numbers are read also when they travel together, and the last one of a field counts", () => {
  assert.deepEqual(decode(Every, bytes("2206038e029ea705")).numbers, [3, 270, 86942]);
  assert.deepEqual(decode(Every, bytes("2003208e02")).numbers, [3, 270]);
  assert.equal(decode(Every, bytes("08010802")).u, 2);
  assert.deepEqual(decode(Every, bytes("5a0161" + "62020801")).pick, { case: "right", value: { a: 1 } });
});

test("what a later server says is passed over", () => {
  const unknown = "a006" + "ff01" + "a206" + "03616263" + "a506" + "01020304" + "a106" + "0102030405060708";
  assert.deepEqual(decode(Every, bytes(`${unknown}0801${unknown}`)), { ...blank, u: 1 });
  assert.equal(decode(Every, bytes("0a0161" + "0807")).u, 7, "a field that travels in another way than it should");
});

test("bytes that are no message throw, wherever they end", () => {
  const whole = encode(Every, { u: 300, text: "täxt", inner: { a: 7 }, texts: { k: "v" }, raw: new Uint8Array([1, 2]), numbers: [1, 2] });
  const starts = Array.from({ length: whole.length }, (_, end) => whole.subarray(0, end));
  const read = starts.filter((start) => {
    try {
      return decode(Every, start);
    } catch (error) {
      assert.ok(error instanceof RangeError, error);
      return false;
    }
  });
  assert.ok(read.length < 10, "only where a field ends is it one");
  for (const wrong of ["08ffffffffffffffffffff01", "0b", "0f", "1a0508", "1a02088001", "220180", "6a020a05", "12ffffffff0f"]) {
    assert.throws(() => decode(Every, bytes(wrong)), RangeError, wrong);
  }
});

test("texts are what they were, whatever they say", () => {
  for (const text of ["\ufeffmark", "x".repeat(39), "x".repeat(40), "ü", `${"x".repeat(38)}ü`, "\u{1f600}", "a\u0000b"]) {
    assert.equal(decode(Every, encode(Every, { text })).text, text);
  }
  const texts = JSON.parse('{"__proto__":"p","constructor":"c"}');
  const read = decode(Every, encode(Every, { texts })).texts;
  assert.deepEqual(Object.entries(read), [["__proto__", "p"], ["constructor", "c"]]);
  assert.equal(Object.getPrototypeOf(read), Object.prototype);
});

test("a number that its field cannot hold is not sent", () => {
  for (const said of [{ u: -1 }, { u: 1.5 }, { u: 2 ** 32 }, { u: NaN }, { big: 2n ** 64n }]) assert.throws(() => encode(Every, said), RangeError);
});

/** A message that says something in each of its fields, as deep as that goes. */
function full(type, depth = 0) {
  const one = ({ letter, type: of, number }) => (of ? full(of, depth + 1) : { s: `t${number}`, y: new Uint8Array([number]), b: true, u: number, i: number, z: -number, U: BigInt(number), I: BigInt(-number), m: { k: "v" } }[letter]);
  const message = {};
  for (const field of type.fields) {
    if (field.type && depth > 3) continue;
    if (field.choice !== undefined) message[field.choice] = { case: field.name, value: one(field) };
    else message[field.name] = field.many ? [one(field), one(field)] : one(field);
  }
  return message;
}

test("every message of the protos comes back as it was sent", () => {
  const all = [admin, directory, frames, jobs, messaging, rooms, workers].flatMap((file) => Object.entries(file)).filter(([, type]) => type instanceof MessageType);
  assert.ok(all.length > 80, `${all.length}`);
  for (const [name, type] of all) {
    const sent = create(type, full(type));
    assert.deepEqual(decode(type, encode(type, sent)), sent, name);
  }
});

test("a message is made whole from what is said of it", () => {
  assert.deepEqual(create(Every), blank);
  assert.deepEqual(create(Every, { pick: { case: "right", value: {} }, many: [{}] }), { ...blank, pick: { case: "right", value: { a: 0 } }, many: [{ a: 0 }] });
  assert.notEqual(create(Every).numbers, create(Every).numbers);
});

test("times are the same on both sides", () => {
  for (const ms of [0, 1, 999, 1_700_000_000_123, -1, -1_001]) assert.equal(timestampDate(timestampFromDate(new Date(ms))).getTime(), ms);
});

test("messages are found in a body however it is cut", () => {
  const body = Buffer.concat(["", "a", "bc".repeat(300)].map((text) => enveloped(Buffer.from(text))));
  for (const size of [1, 2, 4, 5, 6, 7, 100, body.length]) {
    const envelopes = new Envelopes();
    const found = [];
    for (let at = 0; at < body.length; at += size) for (const { flags, data } of envelopes.take(body.subarray(at, at + size))) found.push([flags, Buffer.from(data).toString()]);
    assert.deepEqual(found, [[0, ""], [0, "a"], [0, "bc".repeat(300)]]);
  }
  assert.throws(() => [...new Envelopes().take(bytes("00ffffffff"))], { status: 13 }, "more than is read");
  assert.throws(() => [...new Envelopes().take(bytes("0100000000"))], { status: 13 }, "compressed");
});

test("a status is read from headers, and what is no server of gRPC is told from one", () => {
  const header = (headers) => (name) => headers[name];
  assert.equal(judge(header({})), false);
  assert.equal(judge(header({ "grpc-status": "0" })), true);
  assert.throws(() => judge(header({ "grpc-status": "7", "grpc-message": "n%C3%B6" })), { status: 7, message: "nö" });
  assert.throws(() => judge(header({ "grpc-status": "7", "grpc-message": "50%", "grpc-status-details-bin": "!" })), { status: 7, message: "50%", details: [] });
  assert.throws(() => judge(header({ "grpc-status": "x" })), { status: 2 });
  assert.equal(judgeAnswer(200, "application/grpc-web+proto", header({})), false);
  for (const [http, status] of [[401, 16], [403, 7], [404, 12], [502, 14], [500, 13]]) assert.throws(() => judgeAnswer(http, "text/html", header({})), { status });
  assert.throws(() => judgeAnswer(200, "text/html", header({})), { status: 13 });
});

/** What a call over fetch gives when the server answers with this body. */
async function answered(body, { signal } = {}) {
  const fetch = () => Promise.resolve(new Response(body, { headers: { "content-type": "application/grpc-web+proto" } }));
  const found = [];
  for await (const message of await webTransport("http://x/", fetch).call("/s/M", single(new Uint8Array()), { signal })) found.push(Buffer.from(message).toString());
  return found;
}

test("an answer over grpc-web ends with its trailers, or is cut", async () => {
  const trailers = (text) => Buffer.concat([Buffer.from([0x80, 0, 0, 0, text.length]), Buffer.from(text)]);
  const message = enveloped(Buffer.from("m"));
  assert.deepEqual(await answered(Buffer.concat([message, trailers("grpc-status:0\r\n")])), ["m"]);
  assert.deepEqual(await answered(trailers("Grpc-Status: 0\r\ngrpc-message: \r\n")), []);
  await assert.rejects(answered(Buffer.concat([message, trailers("grpc-status:5\r\ngrpc-message:none\r\n")])), { status: 5, message: "none" });
  for (const cut of [message, Buffer.concat([message, trailers("x: y")]), message.subarray(0, 3)]) await assert.rejects(answered(cut), /lost/);
  await assert.rejects(answered(message, { signal: AbortSignal.abort(new Error("given up")) }), /given up/);
});
