"""Reads the responses and writes the requests of a folder with Python's official protobuf runtime.

Usage: decode.py GENERATED FOLDER
"""

import json
import pathlib
import sys

generated, folder = sys.argv[1], pathlib.Path(sys.argv[2])
sys.path.insert(0, generated)

from google.protobuf import json_format  # noqa: E402
from rialto.v1 import messaging_pb2  # noqa: E402

for path in sorted(folder.glob("*.response.bin")):
    message = messaging_pb2.AttachResponse.FromString(path.read_bytes())
    text = json_format.MessageToDict(message, preserving_proto_field_name=True)
    path.with_suffix(".json").write_text(json.dumps(text), encoding="utf-8")

for path in sorted(folder.glob("*.request.json")):
    message = json_format.Parse(path.read_text(encoding="utf-8"), messaging_pb2.AttachRequest())
    path.with_suffix(".bin").write_bytes(message.SerializeToString())
