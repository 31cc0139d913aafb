"""One command on its way to the server, and who waits for its answer."""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import TYPE_CHECKING

from . import v1
from .errors import RialtoError

if TYPE_CHECKING:
    from ._queue import Queue
    from .replies import Reply

COMMAND_BYTES_MAX = (1 << 20) + (60 << 10)
"""1 MiB of payload and what may stand around it: a larger frame would cost the session."""
_MEMBERSHIP = ("join", "part", "enter", "leave")


class Purpose(Enum):
    """Who wants a command."""

    APPLICATION = auto()
    REJOIN = auto()
    """The session, which joins again what it was in."""
    REFILL = auto()
    """The session, which joins a room once more to know it whole."""
    RENEWAL = auto()
    """The session, which hands in a new token."""
    SIGN = auto()
    """The session, which wants to know how far its replies were taken."""


class Command:
    """A command. Its number stands in its frame once it has left; 0 before."""

    def __init__(
        self,
        frame: v1.ClientFrame,
        *,
        purpose: Purpose = Purpose.APPLICATION,
        answer: asyncio.Future[v1.ServerFrame] | None = None,
        replies: Queue[Reply | v1.RepliesDone] | None = None,
    ) -> None:
        self.frame = frame
        self.purpose = purpose
        self.answer = answer
        self.replies = replies
        """Of a question: where its answers go, once it was taken."""
        self.kind: str = frame.WhichOneof("command") or ""
        self.size = frame.ByteSize()
        self.sent_at: float | None = None
        """When it left for the first time."""
        self.taken = False
        """Of a question: the server has it, and its answers come."""
        self.given_up = False
        """Nobody waits any more."""

    @property
    def volatile(self) -> bool:
        """Whether it is an emit that may be lost."""
        return self.kind == "emit" and self.frame.emit.delivery == v1.DELIVERY_VOLATILE

    @property
    def keyed(self) -> bool:
        """Whether it is an emit that takes effect once, however often it is said."""
        return self.kind == "emit" and self.frame.emit.idempotency_key != ""

    @property
    def moves(self) -> bool:
        """Whether it changes where the session is."""
        return self.kind in _MEMBERSHIP

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.given_up or (self.taken and self.replies is not None and self.replies.is_closed)

    def succeed(self, frame: v1.ServerFrame) -> None:
        """Gives the answer to who waits for it."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(frame)

    def fail(self, error: RialtoError) -> None:
        """Says that no answer will come, nor replies."""
        if self.replies is not None:
            self.replies.end(error)
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error)
            # Who has gone does not ask for it, and that is no fault.
            self.answer.exception()
