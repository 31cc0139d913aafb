"""What happens to a session, apart from events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Union

from . import v1
from .errors import RialtoError


@dataclass(frozen=True)
class Reconnected:
    """Attached again."""

    before: str
    """Id of the session before."""
    now: str
    """Id of the session now."""
    resumed: bool
    """The session goes on. Otherwise it is another one; what was sent to the old one, its user or everyone
    meanwhile is lost."""
    cause: RialtoError
    """Why the stream before was lost."""


@dataclass(frozen=True)
class RoomState:
    """A room as a member found it."""

    room: str
    """Its name."""
    members: int
    """Sessions in it, this one included."""
    users: int
    """Users in it: sessions of one user count once, sessions without a user each."""
    epoch: str
    """Which life of its history offsets count in; empty when it keeps none."""
    offset: int | None
    """The last event before the session joined; nothing when the room keeps no history."""
    first_offset: int | None
    """The oldest event that is kept."""

    @classmethod
    def of(cls, state: v1.RoomState) -> RoomState:
        """A room as the server describes it."""
        return cls(
            room=state.room,
            members=state.member_count,
            users=state.user_count,
            epoch=state.epoch,
            offset=state.offset if state.HasField("offset") else None,
            first_offset=state.first_offset if state.HasField("first_offset") else None,
        )


@dataclass(frozen=True)
class Rejoined:
    """Another session is in rooms again."""

    namespace: str
    rooms: tuple[RoomState, ...]


@dataclass(frozen=True)
class RejoinRefused:
    """Another session is not in a room any more, or in a namespace when `room` is empty. It will not come
    back to it."""

    namespace: str
    room: str
    error: RialtoError


@dataclass(frozen=True)
class Missed:
    """Events do not come, or may not."""

    namespace: str
    rooms: tuple[str, ...]
    """Empty for events to sessions, users or everyone."""
    count: int
    """How many; 0 when that is not known."""
    from_offset: int | None
    """First missing position, in rooms with history."""
    to_offset: int | None
    """Last missing position; nothing when it is not known."""
    epoch: str
    """Which life of the history offsets count in."""
    cause: Literal["said", "afresh", "delta"]
    """The server has said so; another session has begun and nothing tells what was between; or a payload
    could not be made."""

    @classmethod
    def said(cls, missed: v1.Missed) -> Missed:
        """What the server has said."""
        return cls(
            namespace=missed.namespace,
            rooms=tuple(missed.rooms),
            count=missed.count,
            from_offset=missed.from_offset if missed.HasField("from_offset") else None,
            to_offset=missed.to_offset if missed.HasField("to_offset") else None,
            epoch=missed.epoch,
            cause="said",
        )

    @classmethod
    def afresh(cls, namespace: str, room: str) -> Missed:
        """Something may be missing since the session before."""
        return cls(namespace, (room,), 0, None, None, "", "afresh")

    @classmethod
    def unmade(cls, event: v1.Event) -> Missed:
        """The payload of an event could not be made."""
        offset = event.offset if event.HasField("offset") else None
        return cls(event.namespace, tuple(event.rooms), 1, offset, offset, event.epoch, "delta")


@dataclass(frozen=True)
class Joined:
    """Somebody else has had the session join rooms."""

    namespace: str
    rooms: tuple[str, ...]


@dataclass(frozen=True)
class Parted:
    """Somebody else has had the session part rooms; without rooms, leave the namespace."""

    namespace: str
    rooms: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """The server has refused something whose answer nobody waits for: a reply, or a new token."""

    error: RialtoError


@dataclass(frozen=True)
class TokenUnavailable:
    """The callback for tokens has failed while the session is attached. It is asked again."""

    cause: BaseException


@dataclass(frozen=True)
class Draining:
    """The node will stop; the session moves by itself."""


@dataclass(frozen=True)
class Overlooked:
    """So many reports were not read in time and are gone."""

    count: int


Report = Union[
    Reconnected,
    Rejoined,
    RejoinRefused,
    Missed,
    Joined,
    Parted,
    Refused,
    TokenUnavailable,
    Draining,
    Overlooked,
]
"""Something that happened to a session."""
