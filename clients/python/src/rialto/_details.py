"""The details of a gRPC status: `google.rpc` messages in the trailers.

The three of them that Rialto sends are described here, in a pool of their own, so that the client needs no
further package and does not collide with one that has them too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from .errors import Violation

_TRAILER = "grpc-status-details-bin"
_TEXT = descriptor_pb2.FieldDescriptorProto.TYPE_STRING
_BYTES = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
_INT32 = descriptor_pb2.FieldDescriptorProto.TYPE_INT32
_INT64 = descriptor_pb2.FieldDescriptorProto.TYPE_INT64
_SECONDS_MAX = 86_400 * 365


@dataclass(frozen=True)
class Details:
    """What the details of a status say."""

    domain: str = ""
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    violations: tuple[Violation, ...] = ()


def _describe() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="details.proto", package="google.rpc", syntax="proto3")

    def message(name: str, *fields: tuple[str, int, Any, bool]) -> None:
        described = file.message_type.add(name=name)
        for label, number, kind, many in fields:
            added = described.field.add(name=label, number=number, label=3 if many else 1)
            if isinstance(kind, str):
                added.type, added.type_name = (
                    descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
                    f".google.rpc.{kind}",
                )
            else:
                added.type = kind

    message("Any", ("type_url", 1, _TEXT, False), ("value", 2, _BYTES, False))
    message("Status", ("code", 1, _INT32, False), ("message", 2, _TEXT, False), ("details", 3, "Any", True))
    # A map is a list of pairs on the wire.
    message("Pair", ("key", 1, _TEXT, False), ("value", 2, _TEXT, False))
    message(
        "ErrorInfo", ("reason", 1, _TEXT, False), ("domain", 2, _TEXT, False), ("metadata", 3, "Pair", True)
    )
    message("Duration", ("seconds", 1, _INT64, False), ("nanos", 2, _INT32, False))
    message("RetryInfo", ("retry_delay", 1, "Duration", False))
    message("FieldViolation", ("field", 1, _TEXT, False), ("description", 2, _TEXT, False))
    message("BadRequest", ("field_violations", 1, "FieldViolation", True))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    names = ("Status", "ErrorInfo", "RetryInfo", "BadRequest")
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"google.rpc.{name}"))
        for name in names
    }


_MESSAGES = _describe()


def read_details(metadata: Iterable[tuple[str, str | bytes]]) -> Details:
    """What trailers say; nothing when they say nothing, or something that is none of ours."""
    encoded = next((value for key, value in metadata if key == _TRAILER), b"")
    if not isinstance(encoded, bytes):
        return Details()
    try:
        return _read(_MESSAGES["Status"].FromString(encoded))
    except DecodeError:
        return Details()


def _read(status: Any) -> Details:
    said: dict[str, Any] = {}
    for detail in status.details:
        name = detail.type_url.rpartition("google.rpc.")[2]
        if name in _MESSAGES:
            said[name] = _MESSAGES[name].FromString(detail.value)
    info, retry, wrong = said.get("ErrorInfo"), said.get("RetryInfo"), said.get("BadRequest")
    violations = [Violation(each.field, each.description) for each in wrong.field_violations] if wrong else []
    return Details(
        domain=info.domain if info else "",
        reason=info.reason if info else "",
        metadata={pair.key: pair.value for pair in info.metadata} if info else {},
        retry_after=_span(retry.retry_delay) if retry else None,
        violations=tuple(violations),
    )


def _span(delay: Any) -> float:
    return float(min(_SECONDS_MAX, max(0.0, delay.seconds + delay.nanos / 1e9)))
