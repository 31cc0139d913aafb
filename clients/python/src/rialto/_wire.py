"""gRPC as this client uses it: addresses, channels, calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import grpc
from google.protobuf.message import DecodeError, Message

from . import _failures
from .errors import RialtoError

M = TypeVar("M", bound=Message)
T = TypeVar("T")
Metadata = tuple[tuple[str, str], ...]

_MESSAGE_BYTES_MAX = 16 << 20
_STREAM_WINDOW = 256 << 10
_ONLY_IDENTITY = 1
_OPTIONS: Mapping[str, int] = {
    "grpc.max_receive_message_length": _MESSAGE_BYTES_MAX,
    "grpc.max_send_message_length": _MESSAGE_BYTES_MAX,
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.http2.max_pings_without_data": 0,
    # A reader that is behind slows the server only where windows are fixed.
    "grpc.http2.bdp_probe": 0,
    "grpc.http2.lookahead_bytes": _STREAM_WINDOW,
    "grpc.compression_enabled_algorithms_bitset": _ONLY_IDENTITY,
    # Waits and repetitions are this client's own.
    "grpc.enable_retries": 0,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1_000,
    "grpc.min_reconnect_backoff_ms": 10_000,
    # A connection that has failed is not shared with others.
    "grpc.use_local_subchannel_pool": 1,
}


@dataclass(frozen=True)
class Address:
    """Where the server is."""

    target: str
    secure: bool
    certificates: bytes | None = None
    """PEM of the authorities that are trusted, in the place of those that gRPC knows."""

    @classmethod
    def of(cls, url: str, certificates: bytes | None = None) -> Address:
        """An address from its text. Raises `invalid` when it is none."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise RialtoError("invalid", f"{url!r} is no address: {error}") from error
        if parts.scheme not in ("http", "https") or not host or parts.path not in ("", "/"):
            raise RialtoError(
                "invalid", f"{url!r} is no address: it is http:// or https://, a name and a port"
            )
        secure = parts.scheme == "https"
        name = f"[{host}]" if ":" in host else host
        return cls(f"{name}:{port or (443 if secure else 80)}", secure, certificates)

    def open(self) -> grpc.aio.Channel:
        """A channel to it, which connects when it is first used."""
        options = list(_OPTIONS.items())
        if not self.secure:
            return grpc.aio.insecure_channel(self.target, options=options)
        credentials = grpc.ssl_channel_credentials(root_certificates=self.certificates)
        return grpc.aio.secure_channel(self.target, credentials, options=options)


def bearer(token: str) -> Metadata:
    """What says a token with a call. Raises `invalid` when metadata cannot carry it."""
    if not token:
        return ()
    if not all(" " <= character <= "~" for character in token):
        raise RialtoError("invalid", "the token has characters that metadata cannot carry")
    return (("authorization", f"Bearer {token}"),)


async def ready(channel: grpc.aio.Channel) -> None:
    """Waits until a channel is connected. Raises `unavailable` when an attempt that is under way, or
    begins now, fails."""
    state = channel.get_state(try_to_connect=True)
    while state is not grpc.ChannelConnectivity.READY:
        if state in (grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN):
            raise RialtoError("unavailable", "the server was not reached")
        try:
            await channel.wait_for_state_change(state)
        except grpc.aio.UsageError:
            raise RialtoError("unavailable", "the connection was closed") from None
        state = channel.get_state(try_to_connect=True)


async def unary(
    channel: grpc.aio.Channel,
    path: str,
    request: Message,
    response: type[M],
    *,
    timeout: float,
    metadata: Metadata,
) -> M:
    """One call over a channel that is connected. `path` is service and method, as `RoomService/GetState`."""
    method: Any = channel.unary_unary(
        f"/rialto.v1.{path}",
        request_serializer=type(request).SerializeToString,
        response_deserializer=partial(_decode, response),
    )
    call = _begin(method, request, timeout=timeout, metadata=metadata)
    answer: M = _readable(await _settled(call))
    return answer


def incoming(
    channel: grpc.aio.Channel, path: str, request: Message, response: type[M], *, metadata: Metadata
) -> grpc.aio.UnaryStreamCall[Any, M]:
    """Opens a stream of the server."""
    method: Any = channel.unary_stream(
        f"/rialto.v1.{path}",
        request_serializer=type(request).SerializeToString,
        response_deserializer=partial(_decode, response),
    )
    call: grpc.aio.UnaryStreamCall[Any, M] = _begin(method, request, metadata=metadata)
    return call


def both_ways(
    channel: grpc.aio.Channel,
    path: str,
    request: type[Message],
    response: type[M],
    *,
    metadata: Metadata = (),
) -> grpc.aio.StreamStreamCall[Any, M]:
    """Opens a stream in both directions."""
    method: Any = channel.stream_stream(
        f"/rialto.v1.{path}",
        request_serializer=request.SerializeToString,
        response_deserializer=partial(_decode, response),
    )
    call: grpc.aio.StreamStreamCall[Any, M] = _begin(method, metadata=metadata)
    return call


async def read(call: grpc.aio.StreamStreamCall[Any, M] | grpc.aio.UnaryStreamCall[Any, M]) -> M:
    """The next message of a stream. Raises `EndOfStream`, or what it has ended with."""
    return await apart(next_message(call))


async def next_message(call: grpc.aio.StreamStreamCall[Any, M] | grpc.aio.UnaryStreamCall[Any, M]) -> M:
    """The same for who does all its reading `apart`, which costs a task once and not for each message."""
    try:
        message: Any = await call.read()
    except grpc.aio.AioRpcError as error:
        raise _failures.of_call(error, sent=True) from None
    except Exception as error:
        raise RialtoError("other", f"what came cannot be read: {error}") from error
    if message is grpc.aio.EOF:
        raise EndOfStream
    answer: M = _readable(message)
    return answer


async def write(call: grpc.aio.StreamStreamCall[M, Any], message: M) -> None:
    """Says something on a stream, as soon as it takes it. Raises what the stream has ended with."""
    try:
        await _settled(call.write(message))
    except RialtoError:
        # Why it takes nothing more only its status says.
        raise await _ended_with(call) from None


async def _ended_with(call: grpc.aio.StreamStreamCall[Any, Any]) -> Exception:
    code = await call.code()
    if code is grpc.StatusCode.OK:
        return EndOfStream()
    metadata = ((key, value) for key, value in await call.trailing_metadata() or ())
    return _failures.of_status(code, await call.details() or "", metadata, sent=True)


def _begin(method: Any, *arguments: Any, **options: Any) -> Any:
    try:
        return method(*arguments, **options)
    except grpc.aio.UsageError:
        raise RialtoError("unavailable", "the connection was closed") from None


def _decode(response: type[M], data: bytes) -> M | None:
    """A message; nothing when it cannot be read, since gRPC would log what is raised here and go on with
    nothing too."""
    try:
        return response.FromString(data)
    except DecodeError:
        return None


def _readable(message: Any) -> Any:
    if message is None:
        raise RialtoError("other", "a message cannot be read")
    return message


class EndOfStream(Exception):
    """The server has ended a stream well."""


async def _settled(awaitable: Awaitable[Any]) -> Any:
    """What comes of an operation."""
    try:
        return await apart(awaitable)
    except RialtoError:
        raise
    except grpc.aio.AioRpcError as error:
        raise _failures.of_call(error, sent=True) from None
    except Exception as error:
        raise RialtoError("other", f"what came cannot be read: {error}") from error


async def apart(awaitable: Awaitable[T]) -> T:
    """Does something in a task of its own. gRPC raises `CancelledError` also when it was the server who
    cancelled, and only so it is known who it was."""
    task = asyncio.ensure_future(awaitable)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.cancel()
        raise
    if task.cancelled():
        raise RialtoError("unknown_outcome", "the call was cancelled")
    return task.result()
