"""Where a session is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, Union

from . import v1
from .errors import RialtoError

Arrival = Literal["first", "resumed", "afresh"]
"""How a session came: for the first time, as the session that it was, or as another one."""


@dataclass(frozen=True)
class Limits:
    """The bounds that hold for a session."""

    payload_bytes: int
    """Largest payload of an event or a reply, in bytes."""
    rooms: int
    """Rooms at once."""
    emits_per_second: int
    """Emits per second that are sustained."""
    emits_burst: int
    """Emits that may come at once."""
    replies_outstanding: int
    """Questions that may be open at once."""
    outbox_frames: int
    """Frames that wait for a slow receiver before the policy of its namespace acts."""
    outbox_bytes: int
    """Their bytes."""
    headers: int
    """Keys in headers or attributes."""
    headers_bytes: int
    """Bytes of all of them."""

    @classmethod
    def of(cls, limits: v1.Limits) -> Limits:
        """Limits as the server says them."""
        return cls(
            limits.payload_bytes_max,
            limits.rooms_max,
            limits.emits_per_second,
            limits.emits_burst,
            limits.replies_outstanding_max,
            limits.outbox_frames_max,
            limits.outbox_bytes_max,
            limits.headers_max,
            limits.headers_bytes_max,
        )


@dataclass(frozen=True)
class Connecting:
    """An attempt is under way."""

    state: ClassVar[Literal["connecting"]] = "connecting"


@dataclass(frozen=True)
class Attached:
    """The server has welcomed the session, and the stream is in use."""

    state: ClassVar[Literal["attached"]] = "attached"
    session: str
    """The session's id."""
    user: str
    """The user, as the server understood the credentials."""
    node: str
    """The node that holds the session."""
    limits: Limits
    """The bounds that hold."""
    arrival: Arrival
    """How it came."""


@dataclass(frozen=True)
class Waiting:
    """There is no stream; the next attempt comes by itself."""

    state: ClassVar[Literal["waiting"]] = "waiting"
    until: datetime
    """When."""
    cause: RialtoError
    """Why the stream was lost, or the attempt failed."""


@dataclass(frozen=True)
class Closed:
    """It is over, and nothing comes back by itself."""

    state: ClassVar[Literal["closed"]] = "closed"
    cause: RialtoError
    """Why. Its code is `CLOSED` when this side has ended it."""


Status = Union[Connecting, Attached, Waiting, Closed]
"""Where a session is; `state` says it in a word."""
