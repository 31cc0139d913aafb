// What deltas are read with where the runtime has no inflater that takes a dictionary: browsers. A chunk of its own, that
// pages without deltas never load.

import { inflateSync } from "fflate";
import { RialtoError } from "./errors.js";
import type { Inflate } from "./carrier.js";

const FIRST_BYTES = 64 << 10;

/** Reads raw DEFLATE into at most so many bytes. */
export const inflate: Inflate = (data, dictionary, bytesMax) => {
  // With a place of its own to write to, what is beyond it is not written; one byte more tells that there was more.
  for (let size = Math.min(FIRST_BYTES, bytesMax); ; size = bytesMax) {
    const bytes = inflateSync(data, { dictionary, out: new Uint8Array(size + 1) });
    if (bytes.length <= size) return bytes.slice();
    if (size === bytesMax) throw new RialtoError("PROTOCOL", "a delta is larger than any payload");
  }
};
