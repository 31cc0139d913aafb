"""The driver of the Python client: commands come as lines of JSON, answers and reports go out as such.
What the lines mean is in `tests/conformance/README.md`. This file reads them and finds who carries them
out."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial

import jobs
import keeping
import plain
import report
import rooms
import sessions
import workers
from command import Command
from failure import failure_of
from people import People

Verb = Callable[[People, Command], Awaitable["report.Json | None"]]
CANCELLED = {"kind": "cancelled"}
LINE_BYTES_MAX = 64 << 20


class Driver:
    """Carries out commands at once and side by side; what is begun first takes its first step first."""

    def __init__(self) -> None:
        self.people = People()
        self.under_way: dict[int, asyncio.Task[report.Json | None]] = {}

    async def serve(self) -> None:
        """Until the input ends."""
        reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
        protocol = asyncio.StreamReaderProtocol(reader)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        while line := await reader.readline():
            self.begin(Command.read(line))

    def begin(self, command: Command) -> None:
        """Begins one command."""
        if command.verb == "cancel":
            task = self.under_way.get(command.arguments["command"])
            if task is not None:
                task.cancel()
            report.done(command.id, {})
            return
        task = asyncio.create_task(self.outcome(command))
        self.under_way[command.id] = task
        task.add_done_callback(partial(self.answer, command.id))

    def answer(self, id: int, task: asyncio.Task[report.Json | None]) -> None:
        """Answers a command that has ended, be it before its first step."""
        del self.under_way[id]
        if task.cancelled():
            report.failed(id, CANCELLED)
        elif (error := task.exception()) is not None:
            report.failed(id, failure_of(error))
        else:
            report.done(id, task.result())

    async def outcome(self, command: Command) -> report.Json | None:
        """What a command comes to."""
        for part in (sessions, rooms, keeping, plain, workers, jobs):
            verb: Verb | None = part.VERBS.get(command.verb)
            if verb is not None:
                return await verb(self.people, command)
        raise LookupError(f"not here: {command.verb}")


if __name__ == "__main__":
    asyncio.run(Driver().serve())
