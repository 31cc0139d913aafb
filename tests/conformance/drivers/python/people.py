"""Who there is, by name: sessions, clients without one, streams of events, workers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import rialto

from command import Command

if TYPE_CHECKING:
    from workers import Shift


@dataclass
class Reader:
    """Who reads a stream of events."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    """Lets it go on, when it was to wait."""
    last: rialto.Event | None = None
    """The last event that it has told of."""


@dataclass
class People:
    """Everybody."""

    sessions: dict[str, rialto.Session] = field(default_factory=dict)
    clients: dict[str, rialto.Client] = field(default_factory=dict)
    readers: dict[str, Reader] = field(default_factory=dict)
    shifts: dict[str, Shift] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def session(self, command: Command) -> rialto.Session:
        """The session that a command is by."""
        return self.sessions[command.by]

    def namespace(self, command: Command) -> rialto.Namespace:
        """The namespace that it is about."""
        return self.session(command).namespace(command.text("namespace"))

    def room(self, command: Command) -> rialto.Room:
        """The room that it is about."""
        return self.namespace(command).room(command.text("room"))

    def client(self, command: Command) -> rialto.Client:
        """The client that a command is by."""
        return self.clients[command.by]

    def begin(self, work: Coroutine[None, None, None]) -> None:
        """Begins something that goes on beside the commands."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
