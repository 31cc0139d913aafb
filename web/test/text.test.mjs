// Text from strangers, as the page reads it: names, links, marks, questions.
// The sources are tested as they are.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const { toName, initials, hue, visible } = await load("text/names.ts");
const { parts } = await load("text/links.ts");
const { mark, MarksOut, readMark } = await load("state/seen.ts");
const { readChoices, readResult, readSeconds } = await load("state/asking.ts");
const { readPlace, writePlace } = await load("state/place.ts");

test("a name loses what cannot be seen and what the server refuses", () => {
  assert.equal(toName("  Ann\u202e \u200bLee\n"), "Ann Lee");
  assert.equal(toName("$$_root"), "root");
  assert.equal(toName("e\u0301"), "\u00e9");
  assert.equal(toName("\u200b\u202e"), "");
  assert.ok(new TextEncoder().encode(toName("字".repeat(100))).length <= 128);
  assert.equal(visible("a\u2066b\u2069c"), "abc");
});

test("initials are one or two letters of any script", () => {
  assert.equal(initials("Ann Lee"), "AL");
  assert.equal(initials("дмитрий"), "Д");
  assert.equal(initials("(x) y"), "XY");
  assert.equal(initials(""), "?");
  assert.equal(hue("Ann"), hue("Ann"));
  assert.match(hue("anything"), /^hue-(\d|1[01])$/);
});

test("only http and https become links, and a link shows all that it is", () => {
  const hrefs = (text) => parts(text).map((part) => part.href).filter(Boolean);
  assert.deepEqual(hrefs("see https://example.org/a?b=c."), ["https://example.org/a?b=c"]);
  assert.deepEqual(hrefs("(https://example.org/x_(y)) and http://a.b"), ["https://example.org/x_(y)", "http://a.b/"]);
  for (const text of ["javascript:alert(1)", "data:text/html,x", "JaVaScRiPt://%0aalert(1)", "https://", "file:///etc/passwd"]) {
    assert.deepEqual(hrefs(text), [], text);
  }
  assert.deepEqual(hrefs('<a href="https://example.org/">'), ["https://example.org/"]);
  assert.deepEqual(hrefs("https://example.org/\u202egnp.exe"), ["https://example.org/"]);
});

test("the parts of a text are the text", () => {
  for (const text of ["", "plain", "a https://x.y/ b http://z, c", "https://x.y/", "<b>&amp;</b>"]) {
    assert.equal(parts(text).map((part) => part.text).join(""), text);
  }
});

test("a mark counts for a message and everything before it, once per receiver", () => {
  const messages = ["a", "b", "c"].map((eventId) => ({ eventId, seenBy: new Set() }));
  mark(messages, "b", "s1");
  mark(messages, "b", "s1");
  mark(messages, "c", "s2");
  mark(messages, "unknown", "s3");
  assert.deepEqual(messages.map(({ seenBy }) => seenBy.size), [2, 2, 1]);
});

test("marks are told once, the newest of each sender, and never without bound", () => {
  const marks = new MarksOut();
  marks.note("", "x");
  assert.equal(marks.take(), undefined);
  marks.note("s1", "a");
  marks.note("s1", "b");
  assert.deepEqual(marks.take(), { sessions: ["s1"], payload: '{"s1":"b"}' });
  assert.equal(marks.take(), undefined);
  for (let index = 0; index < 1000; index++) marks.note(`s${index}`, "e");
  assert.equal(marks.take().sessions.length, 64);
});

test("foreign marks, choices, results and addresses are checked", () => {
  assert.equal(readMark('{"s1":"b"}', "s1"), "b");
  for (const text of ["", "null", "[]", '{"s1":1}', "{", '"s1"']) assert.equal(readMark(text, "s1"), "", text);
  assert.equal(readMark("{}", "constructor"), "");
  assert.deepEqual(readChoices('["A","A"," ",1,"B","C","D","E"]'), ["A", "B", "C", "D"]);
  for (const text of [undefined, "", "{}", "[]", "[1]"]) assert.deepEqual(readChoices(text), ["Yes", "No"]);
  assert.equal(readSeconds("NaN"), 30);
  assert.equal(readSeconds("1e9"), 30);
  assert.deepEqual(readResult('{"counts":[["A",2],["B",-1],[1,1]],"asked":3}'), { counts: new Map([["A", 2]]), asked: 3 });
  for (const text of ["", "null", "{}", '{"counts":[],"asked":-1}']) assert.equal(readResult(text), undefined, text);
  const place = { workspace: "a/b #", room: "x y/%" };
  assert.deepEqual(readPlace(writePlace(place)), place);
  for (const text of ["", "#", "#/", "#/%E0%A4%A", "#composer"]) assert.equal(readPlace(text), undefined, text);
});
