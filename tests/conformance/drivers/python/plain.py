"""Clients without a session: publishing, calling, looking inside."""

from __future__ import annotations

from typing import Any

import rialto

from command import Command
from content import options, payload, target, told_accepted, told_payload
from people import People
from report import Json


async def client(people: People, command: Command) -> None:
    given = command.given(token="token")
    if (deadline := command.span("deadline_ms")) is not None:
        given["deadline"] = deadline
    people.clients[command.by] = rialto.Client(command.text("url"), **given)


async def publish(people: People, command: Command) -> Json:
    here, namespace = people.client(command), command.text("namespace")
    taken = await here.publish(
        namespace, target(command), command.text("event"), payload(command), **options(command)
    )
    return told_accepted(taken)


async def publish_batch(people: People, command: Command) -> Json:
    publications = [publication(command.of(item)) for item in command.arguments["items"]]
    outcomes = await people.client(command).publish_batch(publications)
    return {"outcomes": [told_outcome(outcome) for outcome in outcomes]}


def publication(item: Command) -> rialto.Publication:
    namespace, event = item.text("namespace"), item.text("event")
    return rialto.Publication(namespace, target(item), event, payload(item), options(item))


def told_outcome(outcome: rialto.Outcome) -> Json:
    if isinstance(outcome, rialto.RialtoError):
        return {"refused": outcome.code}
    return told_accepted(outcome)


async def call(people: People, command: Command) -> Json:
    callee: Any = command.given(session="session", any_of="any_of")
    callee["timeout"] = command.span("timeout_ms") or 5.0
    question = (command.text("event"), payload(command))
    if command.by in people.sessions:
        reply = await people.namespace(command).call(*question, **callee)
    else:
        reply = await people.client(command).call(command.text("namespace"), *question, **callee)
    return told_payload(reply)


async def rooms(people: People, command: Command) -> Json:
    directory, token = people.client(command).directory, ""
    found: list[Json] = []
    while True:
        page = await directory.rooms(command.text("namespace"), command.text("prefix"), page_token=token)
        found.extend({"name": room.room, "members": room.member_count} for room in page.items)
        if not page.next:
            return {"rooms": found}
        token = page.next


async def disconnect(people: People, command: Command) -> Json:
    directory = people.client(command).directory
    user = rialto.Target(users=[command.text("user")])
    ended = await directory.disconnect_members(command.text("namespace"), user, command.text("reason"))
    return {"count": ended.sessions_changed}


VERBS: dict[str, Any] = {
    verb.__name__: verb for verb in (client, publish, publish_batch, call, rooms, disconnect)
}
