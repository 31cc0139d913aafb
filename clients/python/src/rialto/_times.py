"""Spans and moments between Python and protobuf. Spans are seconds, moments have a time zone."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from .errors import RialtoError

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SECONDS_MAX = 315_576_000_000
_BELIEVED_MAX = 10 * 365 * 86_400.0
"""No server means a longer span, and calendars end."""


def seconds(span: Duration) -> float:
    """A span of the server in seconds; one below zero is zero."""
    return min(_BELIEVED_MAX, max(0.0, span.seconds + span.nanos / 1e9))


def duration(span: float) -> Duration:
    """Seconds as they are sent."""
    if not 0 <= span <= _SECONDS_MAX:
        raise RialtoError("invalid", f"{span} seconds is no span of time")
    whole = int(span)
    return Duration(seconds=whole, nanos=int((span - whole) * 1e9))


def moment(stamp: Timestamp) -> datetime | None:
    """A moment of the server; nothing when no calendar has it."""
    try:
        return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)
    except OverflowError:
        return None


def timestamp(at: datetime) -> Timestamp:
    """A moment as it is sent; one without a time zone is local time."""
    since = at.astimezone(timezone.utc) - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)
