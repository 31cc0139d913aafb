"""Whom an event reaches, and how."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from . import v1
from ._positions import Position
from .content import Payload, encode, put
from .errors import RialtoError


@dataclass(frozen=True)
class Target:
    """Members of rooms, sessions and users, each session once; or everyone; or any one member of a room."""

    rooms: Sequence[str] = ()
    """Members of these rooms, at most 64."""
    sessions: Sequence[str] = ()
    """These sessions, by id, at most 256."""
    users: Sequence[str] = ()
    """All sessions of these users, at most 256."""
    everyone: bool = False
    """Every session in the namespace. Excludes all others."""
    any_of: str = ""
    """Any one member of this room, by chance. Excludes all others."""

    def to_wire(self) -> v1.Target:
        """A target as it is sent."""
        return v1.Target(
            rooms=self.rooms,
            sessions=self.sessions,
            users=self.users,
            everyone=self.everyone,
            any_of=self.any_of,
        )


class PublishOptions(TypedDict, total=False):
    """What may be said with an event."""

    headers: Mapping[str, str]
    """Key/value pairs for the receivers."""
    content_type: str
    """Media type of the payload."""
    key: str
    """Which of several things it is about."""
    idempotency_key: str
    """Makes it take effect once, however often it is said. With an empty one it has none."""
    volatile: bool
    """It is dropped, and does not wait, where something is slow."""
    latest: bool
    """Of the same rooms, name and key only the newest waits for a slow receiver."""
    except_room: str | Sequence[str]
    """Members of these rooms are left out."""
    except_session: str | Sequence[str]
    """These sessions are left out."""
    local: bool
    """Only sessions of the node that takes it."""
    deadline: float
    """Seconds until it has its answer."""


class EmitOptions(PublishOptions, total=False):
    """What may be said with an event of a session."""

    include_sender: bool
    """The sending session hears it too."""


@dataclass(frozen=True)
class Accepted:
    """The server has taken an event."""

    event_id: str
    """Its identity, unique for ever."""
    recipients: int
    """How many sessions of this node it was handed to."""
    offset: int | None
    """Its position in the history of the room; nothing when it is kept in none, or in several."""
    epoch: str
    """Which life of the history the offset counts in."""
    positions: Mapping[str, Position]
    """Its positions by room, when it went to several with history."""
    duplicate: bool
    """It had been taken before under its idempotency key."""
    durability: str
    """What it outlives: `memory`, `fsync`, `replicated` or `stored`."""

    @classmethod
    def of(cls, accepted: v1.Accepted) -> Accepted:
        """What the server has said."""
        return cls(
            event_id=accepted.event_id,
            recipients=accepted.recipients_here,
            offset=accepted.offset if accepted.HasField("offset") else None,
            epoch=accepted.epoch,
            positions={at.room: Position(at.epoch, at.offset) for at in accepted.positions},
            duplicate=accepted.duplicate,
            durability=durability_name(accepted.durability),
        )


def durability_name(durability: int) -> str:
    """The word for what something outlives."""
    value = v1.Durability.DESCRIPTOR.values_by_number.get(durability)
    return value.name.removeprefix("DURABILITY_").lower() if value else str(durability)


def emit_of(namespace: str, target: Target, event: str, payload: Payload, options: EmitOptions) -> v1.Emit:
    """An emit as it is sent, under an idempotency key unless it is volatile or none is wanted."""
    emit = event_of(namespace, target, event, payload, options)
    if "idempotency_key" not in options and not options.get("volatile"):
        emit.idempotency_key = secrets.token_hex(16)
    emit.target.include_sender = options.get("include_sender", False)
    return emit


def event_of(
    namespace: str, target: Target, event: str, payload: Payload, options: PublishOptions
) -> v1.Emit:
    """The same without a sender who could hear it, and with no other idempotency key than that of the
    application."""
    volatile, latest = options.get("volatile", False), options.get("latest", False)
    if volatile and latest:
        raise RialtoError("invalid", "an event is volatile or latest, not both")
    wire = target.to_wire()
    wire.local = options.get("local", False)
    wire.except_rooms.extend(_several(options.get("except_room", ())))
    wire.except_sessions.extend(_several(options.get("except_session", ())))
    content = v1.Content(event=event, headers=options.get("headers", {}), key=options.get("key", ""))
    put(encode(payload, options.get("content_type")), content)
    key = options.get("idempotency_key", "")
    emit = v1.Emit(namespace=namespace, target=wire, content=content, idempotency_key=key)
    if volatile:
        emit.delivery = v1.DELIVERY_VOLATILE
    elif latest:
        emit.delivery = v1.DELIVERY_LATEST
    return emit


def _several(names: str | Sequence[str]) -> Sequence[str]:
    return (names,) if isinstance(names, str) else names
