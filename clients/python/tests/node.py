"""A node for tests: the one whose address is in RIALTO_URL, or the binary that RIALTO_BIN names, started
on a folder of its own."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

THERE_IS_ONE = "RIALTO_URL" in os.environ or "RIALTO_BIN" in os.environ
_ADDRESS = re.compile(r"gRPC\s+(http://\S+)")


@contextmanager
def node() -> Iterator[str]:
    """Its address, as long as it is used."""
    if "RIALTO_URL" in os.environ:
        yield os.environ["RIALTO_URL"]
        return
    with tempfile.TemporaryDirectory() as data:
        command = [os.environ["RIALTO_BIN"], "serve", "--listen", "127.0.0.1:0", "--data", data]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            try:
                yield _address(process)
            finally:
                process.terminate()


def _address(process: subprocess.Popen[str]) -> str:
    for line in process.stdout or ():
        if found := _ADDRESS.search(line):
            return found[1]
    raise AssertionError("the node has ended before it told its address")
