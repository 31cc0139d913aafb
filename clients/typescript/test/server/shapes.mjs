// The two shapes of a session, for tests that run over both: in one stream as Node does it, in two halves as a browser
// does it. Waiting helpers without sleeps.

import assert from "node:assert/strict";
import * as node from "@rialto/client/node";
import * as web from "@rialto/client/web";

/** The server that the tests talk to. */
export const url = process.env.RIALTO_URL;
assert.ok(url, "RIALTO_URL must be the address of a server");

/** Name and module of each shape. */
export const SHAPES = [
  ["in one stream", node],
  ["in two halves", web],
];

let count = 0;
/** A name that no other test uses. */
export function fresh(name) {
  return `${name}-${process.pid}-${++count}`;
}

/** Resolves when `value` of an observable fulfils a condition. */
export function until(observable, condition, what, ms = 10_000) {
  return new Promise((resolve, reject) => {
    let stop = () => {};
    const timer = setTimeout(() => {
      stop();
      reject(new Error(`${what} did not come; it is ${JSON.stringify(observable.current, (_, v) => (v instanceof Map ? [...v] : typeof v === "bigint" ? String(v) : v))}`));
    }, ms);
    stop = observable.subscribe((value) => {
      if (!condition(value)) return;
      clearTimeout(timer);
      queueMicrotask(() => stop());
      resolve(value);
    });
  });
}

/** The next `count` events of a room, in order. */
export async function next(events, wanted) {
  const found = [];
  const timer = setTimeout(() => events.return(), 10_000);
  for await (const event of events) {
    found.push(event);
    if (found.length === wanted) break;
  }
  clearTimeout(timer);
  assert.equal(found.length, wanted, "events in time");
  return found;
}

/** A code of an expected failure. */
export function code(expected) {
  return (error) => {
    assert.equal(error.name, "RialtoError", String(error.stack));
    assert.equal(error.code, expected, error.message);
    return true;
  };
}
