"""What waits for the connection, in the order in which the application said it: bounded in count and
bytes. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from ._command import Command
from .errors import RialtoError


@dataclass(frozen=True)
class OfflineBuffer:
    """How much may wait for the connection while there is none."""

    count: int = 1000
    """Commands; with 0 nothing waits."""
    bytes: int = 1 << 20
    """Bytes of all of them. One alone may have more."""
    age: float | None = None
    """Seconds that a command may wait at most, and never beyond its own deadline."""
    overflow: Literal["refuse", "drop-oldest"] = "refuse"
    """When it is full the new command fails with `FULL`, or the oldest emits make room and fail with
    `MADE_ROOM`."""


class Backlog:
    """Commands that were never sent."""

    def __init__(self, bounds: OfflineBuffer) -> None:
        self._bounds = bounds
        self._waiting: deque[Command] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def first(self) -> Command | None:
        """The oldest."""
        return self._waiting[0] if self._waiting else None

    def offer(self, command: Command, *, attached: bool) -> bool:
        """Adds a command. False when it has to wait in line, which it has only while the session is
        attached."""
        while not self._fits(command.size, attached=attached):
            if attached:
                return False
            self._make_room()
        self._waiting.append(command)
        self._bytes += command.size
        return True

    def _fits(self, size: int, *, attached: bool) -> bool:
        if not self._waiting:
            return attached or self._bounds.count > 0
        return len(self._waiting) < self._bounds.count and self._bytes + size <= self._bounds.bytes

    def _make_room(self) -> None:
        oldest = next((command for command in self._waiting if command.kind == "emit"), None)
        if oldest is None or self._bounds.overflow == "refuse":
            raise RialtoError("unsent", "too much waits for the connection", code="FULL", advice="later")
        self.take_back(oldest)
        oldest.fail(RialtoError("unsent", "newer commands took its place", code="MADE_ROOM", advice="later"))

    def take(self) -> Command:
        """Takes the oldest out."""
        command = self._waiting.popleft()
        self._bytes -= command.size
        return command

    def take_back(self, command: Command) -> bool:
        """Takes a command out; false when it is not here."""
        if command not in self._waiting:
            return False
        self._waiting.remove(command)
        self._bytes -= command.size
        return True

    def clear(self) -> int:
        """Gives up all emits. Returns how many."""
        emits = [command for command in self._waiting if command.kind == "emit"]
        for command in emits:
            self.take_back(command)
            command.fail(RialtoError("unsent", "the buffer was cleared", code="CLEARED"))
        return len(emits)

    def lost(self, *, session_over: bool) -> None:
        """The stream is gone: volatile emits do not wait for the next one, nor replies for another
        session."""
        gone = [c for c in self._waiting if c.volatile or (session_over and c.kind == "reply")]
        for command in gone:
            self.take_back(command)
            command.fail(RialtoError("unavailable", "the connection was lost before it was sent"))

    def drain(self) -> list[Command]:
        """Takes everything out."""
        commands = list(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        return commands
