// Calls over HTTP/2 whose connection the test plays: what becomes of them while there is none yet.

import assert from "node:assert/strict";
import { test } from "node:test";
import { single } from "../../dist/core/calls.js";
import { deferred } from "../../dist/core/time.js";
import { http2Transport } from "../../dist/wire/http2.js";

test("a call is given up at once also while it waits for a connection, and what comes of that is let go of", async () => {
  const opening = deferred();
  const control = new AbortController();
  const calling = http2Transport({ request: () => opening.promise }).call("/s/M", single(new Uint8Array()), { signal: control.signal });
  control.abort(new Error("too late"));
  await assert.rejects(Promise.race([calling, new Promise((_, reject) => setImmediate(reject, new Error("it still waits")))]), /too late/);
  const closed = deferred();
  opening.resolve({ close: closed.resolve });
  assert.equal(await closed.promise, 8, "CANCEL");
});

test("a connection that cannot be made fails the call with its reason", async () => {
  const refused = new Error("refused");
  const calling = http2Transport({ request: () => Promise.reject(refused) }).call("/s/M", single(new Uint8Array()), { signal: new AbortController().signal });
  await assert.rejects(calling, refused);
});
