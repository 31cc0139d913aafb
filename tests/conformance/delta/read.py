# Reads deltas with Python's own zlib. Usage: read.py VECTORS
import json
import sys
import zlib

with open(sys.argv[1], encoding="utf-8") as file:
    vectors = json.load(file)
for vector in vectors:
    base, delta, payload = (bytes.fromhex(vector[part]) for part in ("base", "delta", "payload"))
    inflater = zlib.decompressobj(wbits=-15, zdict=base[-32768:])
    assert inflater.decompress(delta) + inflater.flush() == payload, vector["name"]
    assert inflater.eof and not inflater.unused_data, vector["name"]
print(f"{len(vectors)} deltas were read")
