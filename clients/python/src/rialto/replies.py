"""Answers to a question, as they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from . import v1
from ._queue import Queue
from .content import Content
from .errors import RialtoError
from .target import Accepted


class Reply(Content):
    """One answer."""

    def __init__(self, item: v1.ReplyItem) -> None:
        which = item.WhichOneof("body")
        super().__init__(item.text if which == "text" else None, item.binary, item.content_type)
        self.session = getattr(item, "from").session
        """The session that has answered."""
        self.user = getattr(item, "from").user
        """Its user."""
        self.error: str | None = item.error if which == "error" else None
        """Its text when the receiver could not do what was asked."""


@dataclass(frozen=True)
class MissingReply:
    """Who has not answered."""

    session: str
    user: str
    left: bool
    """It left before it answered; otherwise the time was up."""


@dataclass(frozen=True)
class Summary:
    """How a question has ended."""

    answered: int
    missing: tuple[MissingReply, ...]
    """At most 256 are named."""
    missing_count: int
    """How many did not answer."""
    timed_out: bool
    """The time was up before all had answered."""
    nodes_missing: tuple[str, ...]
    """Nodes that were asked and did not say how it went."""

    @classmethod
    def of(cls, done: v1.RepliesDone) -> Summary:
        """What the server has said."""
        missing = (
            MissingReply(getattr(m, "from").session, getattr(m, "from").user, m.left) for m in done.missing
        )
        return cls(
            done.answered, tuple(missing), done.missing_count, done.timed_out, tuple(done.nodes_missing)
        )


class Replies(AsyncIterator[Reply]):
    """The answers to a question that was taken, in the order of their arrival. Ends with a summary.

    An answer that is an error is an item. The iteration fails with `unknown_outcome` when the session is
    lost, and with `timed_out` when the server does not end the wait.
    """

    def __init__(self, accepted: Accepted, queue: Queue[Reply | v1.RepliesDone], until: float) -> None:
        self.accepted = accepted
        """What the server said about the question."""
        self.summary: Summary | None = None
        """How it has ended; nothing before the iteration has."""
        self._queue = queue
        self._until = until

    async def __anext__(self) -> Reply:
        if self.summary is not None:
            raise StopAsyncIteration
        left = self._until - asyncio.get_running_loop().time()
        try:
            item = await asyncio.wait_for(self._queue.get(), max(0.0, left))
        except asyncio.TimeoutError:
            self.close()
            raise RialtoError("timed_out", "the server did not end the wait for answers") from None
        if isinstance(item, v1.RepliesDone):
            self.summary = Summary.of(item)
            raise StopAsyncIteration
        return item

    async def all(self) -> list[Reply]:
        """All answers; then there is the summary too."""
        return [reply async for reply in self]

    def close(self) -> None:
        """Wants no more answers."""
        self._queue.close()

    def __del__(self) -> None:
        self.close()
