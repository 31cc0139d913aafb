"""Payloads, targets, events and answers between JSON and the client."""

from __future__ import annotations

import base64
from typing import Any

import rialto

from command import Command
from report import Json


def payload(command: Command) -> Any:
    """The payload of a command."""
    if "base64" in command.arguments:
        return base64.b64decode(command.text("base64"))
    return command.get("text", command.get("json"))


def told_payload(content: rialto.Content) -> Json:
    """A payload as it is told."""
    told: Json = {}
    if content.is_text:
        told["text"] = content.text
    elif content.bytes:
        told["base64"] = base64.b64encode(content.bytes).decode()
    if content.content_type:
        told["content_type"] = content.content_type
    return told


def target(command: Command) -> rialto.Target:
    """The target of a command: its own, or its room."""
    table = command.get("target")
    if table is None:
        return rialto.Target(rooms=[command.text("room")])
    return rialto.Target(**table)


def options(command: Command) -> Any:
    """What a command says about its event."""
    given = command.given(
        headers="headers",
        content_type="content_type",
        key="key",
        idempotency_key="idempotency_key",
        include_sender="include_sender",
        except_room="except_rooms",
        except_session="except_sessions",
        local="local",
    )
    if command.get("delivery") in ("volatile", "latest"):
        given[command.text("delivery")] = True
    if (deadline := command.span("deadline_ms")) is not None:
        given["deadline"] = deadline
    return given


def told_event(event: rialto.Event) -> Json:
    """An event as it is told."""
    return {
        "name": event.name,
        "namespace": event.namespace,
        "rooms": event.rooms,
        "user": event.user,
        "session": event.sender,
        "id": event.id,
        "key": event.key,
        "offset": event.offset,
        "epoch": event.epoch,
        "asks": event.wants_reply,
        "headers": event.headers,
        **told_payload(event),
    }


def told_accepted(accepted: rialto.Accepted) -> Json:
    """What the server said about an event that it took."""
    return {
        "event_id": accepted.event_id,
        "recipients": accepted.recipients,
        "offset": accepted.offset,
        "epoch": accepted.epoch,
        "duplicate": accepted.duplicate,
        "durability": accepted.durability,
    }
