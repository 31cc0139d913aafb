"""What goes out next: first what is sent again and what the session says by itself, then what the
application has said. Pure."""

from __future__ import annotations

from collections import deque

from . import v1
from ._backlog import Backlog, OfflineBuffer
from ._command import Command, Purpose
from ._outstanding import Outstanding, goes_again
from ._pace import Pace
from .errors import RialtoError

FRAMES_PER_MESSAGE = 256
BYTES_PER_MESSAGE = 64 << 10


class Outbox:
    """Commands on their way out."""

    def __init__(self, bounds: OfflineBuffer) -> None:
        self.backlog = Backlog(bounds)
        self.outstanding = Outstanding()
        self.pace = Pace()
        self._ahead: deque[Command] = deque()

    @property
    def is_empty(self) -> bool:
        """Nothing waits to be sent."""
        return not self._ahead and not self.backlog

    def say(self, command: Command) -> None:
        """The session says something by itself, before what the application has said and was not sent."""
        self._ahead.append(command)

    def resumed(self, last_ref: int) -> None:
        """The session goes on: what did not arrive goes again under its numbers."""
        again = self.outstanding.resume(last_ref)
        unsent = [command for command in self._ahead if command.frame.ref == 0 and command.kind != "refresh"]
        self._ahead = deque(again + unsent)

    def afresh(self, first: list[Command], now: float) -> None:
        """Another session has begun: `first` brings it where it belongs, then goes what may be said again."""
        self.backlog.lost(session_over=True)
        unsent = [c for c in self._ahead if c.frame.ref == 0 and goes_again(c, now)]
        self._ahead = deque(first + self.outstanding.restart(now) + unsent)

    def next_message(
        self, now: float, count: int = FRAMES_PER_MESSAGE, *, new: bool = True
    ) -> list[v1.ClientFrame]:
        """The frames that leave now, at most so many. Without `new` only those that had left before."""
        frames: list[v1.ClientFrame] = []
        size = 0
        while len(frames) < count:
            command = self._next(new=new)
            if command is None or (frames and size + command.size > BYTES_PER_MESSAGE):
                break
            if not self._may_leave(command, now):
                break
            self._take(command)
            if command.abandoned and command.frame.ref == 0:
                continue
            size += command.size
            frames.append(self.outstanding.leave(command, now))
            self._after(command)
        return frames

    def _next(self, *, new: bool) -> Command | None:
        if self._ahead:
            command = self._ahead[0]
            return command if new or command.frame.ref else None
        return self.backlog.first if new else None

    def _may_leave(self, command: Command, now: float) -> bool:
        if command.frame.ref == 0 and not self.outstanding.has_room(command.size):
            return False
        return command.kind != "emit" or self.pace.take(now)

    def _take(self, command: Command) -> None:
        if self._ahead:
            self._ahead.popleft()
        else:
            self.backlog.take()

    def _after(self, command: Command) -> None:
        if command.kind == "reply":
            # Nothing answers it; who waits wants to know that it is on its way.
            command.succeed(v1.ServerFrame())
            if self.outstanding.wants_sign:
                self._ahead.appendleft(Command(v1.ClientFrame(ping=v1.Ping()), purpose=Purpose.SIGN))

    def wait(self, now: float) -> float | None:
        """Seconds until the next emit may leave; nothing when none waits for that."""
        command = self._next(new=True)
        if command is None or command.kind != "emit" or not self.outstanding.has_room(command.size):
            return None
        return self.pace.wait(now) or None

    def take_back(self, command: Command) -> None:
        """The caller of a command has given up: one that has not left will not."""
        command.given_up = True
        self.backlog.take_back(command)

    def lost(self, *, session_over: bool) -> None:
        """The stream is gone."""
        self.backlog.lost(session_over=session_over)

    def close(self, error: RialtoError) -> None:
        """Nothing will be sent any more."""
        for command in [*self.outstanding.clear(), *self._ahead, *self.backlog.drain()]:
            command.fail(error)
        self._ahead.clear()
