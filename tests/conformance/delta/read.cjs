// Reads deltas with Node's own zlib. Usage: read.cjs VECTORS
const assert = require("node:assert");
const fs = require("node:fs");
const zlib = require("node:zlib");

const vectors = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
for (const vector of vectors) {
  const [base, delta, payload] = ["base", "delta", "payload"].map((part) => Buffer.from(vector[part], "hex"));
  const read = zlib.inflateRawSync(delta, { dictionary: base.subarray(-32768) });
  assert(read.equals(payload), vector.name);
}
console.log(`${vectors.length} deltas were read`);
