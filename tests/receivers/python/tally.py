"""What every receiver in Python says on its standard output; see ../README.md."""

import asyncio
import json
import sys

STEP = 256
PAYLOAD_LETTERS = 128


class Tally:
    """Counts events, and says so after each 256th."""

    def __init__(self) -> None:
        self.received = 0

    def count(self, text: str) -> None:
        if len(text) != PAYLOAD_LETTERS:
            raise ValueError(f"a payload of {len(text)} letters")
        self.received += 1
        if self.received % STEP == 0:
            say(str(self.received))


def say(line: str) -> None:
    print(line, flush=True)


async def told_to_end(tally: Tally) -> None:
    """Waits for the end of the standard input, and says how much has come."""
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    say(json.dumps({"received": tally.received}))
