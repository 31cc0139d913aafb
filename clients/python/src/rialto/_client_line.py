"""A client's connection: made when it is first used, and again when it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.message import Message

from . import _wire
from ._failures import closed_here
from .errors import RialtoError
from .token import Credentials

Q = TypeVar("Q", bound=Message)
M = TypeVar("M", bound=Message)
T = TypeVar("T")


class ClientLine:
    """Calls and streams of one client, each with a token of its own."""

    def __init__(self, address: _wire.Address, credentials: Credentials, deadline: float) -> None:
        self.deadline = deadline
        self.credentials = credentials
        self.closed = asyncio.Event()
        self._address = address
        self._channel: grpc.aio.Channel | None = None

    async def call(self, path: str, request: Message, response: type[M], deadline: float | None) -> M:
        """One call, which ends within `deadline` seconds, or the usual ones; token and connecting
        included."""
        loop = asyncio.get_running_loop()
        until = loop.time() + (self.deadline if deadline is None else deadline)
        channel, metadata = await self._begin(until)
        left = max(0.0, until - loop.time())
        call = _wire.unary(channel, path, request, response, timeout=left, metadata=metadata)
        return await self.watched(call)

    async def listen(
        self, path: str, request: Message, response: type[M], deadline: float | None
    ) -> Incoming[M]:
        """Opens a stream of the server; token and connecting have a deadline, the stream has none."""
        until = asyncio.get_running_loop().time() + (self.deadline if deadline is None else deadline)
        channel, metadata = await self._begin(until)
        return Incoming(self, _wire.incoming(channel, path, request, response, metadata=metadata))

    async def converse(self, path: str, request: type[Q], response: type[M]) -> Talk[Q, M]:
        """Opens a stream in both directions."""
        until = asyncio.get_running_loop().time() + self.deadline
        channel, metadata = await self._begin(until)
        return Talk(self, _wire.both_ways(channel, path, request, response, metadata=metadata))

    async def _begin(self, until: float) -> tuple[grpc.aio.Channel, _wire.Metadata]:
        self.check_open()
        left = max(0.0, until - asyncio.get_running_loop().time())
        try:
            return await asyncio.wait_for(self._connect(), left)
        except asyncio.TimeoutError:
            raise RialtoError("unavailable", "the server was not reached in time") from None
        except RialtoError:
            self.check_open()
            raise

    async def _connect(self) -> tuple[grpc.aio.Channel, _wire.Metadata]:
        metadata = _wire.bearer((await self.credentials.fetch_to_begin()).text)
        self.check_open()
        if self._channel is None:
            self._channel = self._address.open()
        channel = self._channel
        try:
            await _wire.ready(channel)
        except RialtoError:
            # The next call begins anew; in between nothing tries to connect.
            if self._channel is channel:
                self._channel = None
            await channel.close()
            raise
        return channel, metadata

    async def watched(self, work: Awaitable[T]) -> T:
        """What comes of something that is under way; it fails with `closed` when the client was closed
        meanwhile."""
        try:
            return await work
        except RialtoError:
            if self.closed.is_set():
                raise RialtoError(
                    "closed", "closed on this side", code="CLOSED", may_have_happened=True
                ) from None
            raise

    def check_open(self) -> None:
        """Raises `closed` once the client was closed."""
        if self.closed.is_set():
            raise closed_here()

    async def close(self) -> None:
        """Ends everything that is under way."""
        self.closed.set()
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()


class Incoming(Generic[M]):
    """A stream of the server. `read` raises `EndOfStream` at its end."""

    def __init__(self, line: ClientLine, call: grpc.aio.UnaryStreamCall[Any, M]) -> None:
        self._line = line
        self._call = call

    async def read(self) -> M:
        """The next message."""
        return await self._line.watched(_wire.read(self._call))

    def close(self) -> None:
        """Wants no more."""
        self._call.cancel()

    def __enter__(self) -> Incoming[M]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Talk(Generic[Q, M]):
    """A stream in both directions."""

    def __init__(self, line: ClientLine, call: grpc.aio.StreamStreamCall[Q, M]) -> None:
        self._line = line
        self._call = call

    async def read(self) -> M:
        """The next message."""
        return await self._line.watched(_wire.read(self._call))

    async def write(self, message: Q) -> None:
        """Says something."""
        await self._line.watched(_wire.write(self._call, message))

    def close(self) -> None:
        """Ends it."""
        self._call.cancel()
