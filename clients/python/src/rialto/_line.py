"""The way of single calls to the server: over a client's own connection, or over that of a session."""

from __future__ import annotations

from typing import Protocol, TypeVar

from google.protobuf.message import Message

M = TypeVar("M", bound=Message)


class Line(Protocol):
    """Makes single calls."""

    async def call(self, path: str, request: Message, response: type[M], deadline: float | None) -> M:
        """One call, which ends within `deadline` seconds, or the usual ones; connecting included."""
        ...
