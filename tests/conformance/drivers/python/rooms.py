"""Namespaces and rooms: being there, saying, hearing, asking, answering."""

from __future__ import annotations

import sys
from typing import Any

import rialto

from command import Command
from content import options, payload, target, told_accepted, told_event, told_payload
from people import People, Reader
from report import Json, tell


async def enter(people: People, command: Command) -> None:
    await people.namespace(command).enter()


async def leave(people: People, command: Command) -> None:
    await people.namespace(command).leave()


async def join(people: People, command: Command) -> Json:
    wishes = command.given(newest="newest", presence="presence", state="state", delta="delta")
    if (after := command.get("recover")) is not None:
        wishes["recover"] = rialto.Position(after["epoch"], after["offset"])
    state = await people.room(command).join(**wishes)
    return {"epoch": state.epoch, "offset": state.offset, "members": state.members}


async def part(people: People, command: Command) -> Json:
    return {"parted": await people.room(command).part()}


async def room(people: People, command: Command) -> Json:
    here = people.room(command)
    at = here.position
    return {"status": here.status, **({"epoch": at.epoch, "offset": at.offset} if at else {})}


async def listen(people: People, command: Command) -> None:
    reader = people.readers[command.text("as")] = Reader()
    people.begin(read(command, stream(people, command), reader))


def stream(people: People, command: Command) -> rialto.Stream[rialto.Event]:
    name = command.text("event")
    place = people.room(command) if command.text("room") else people.namespace(command)
    return place.on(name) if name else place.events()


async def read(command: Command, events: rialto.Stream[rialto.Event], reader: Reader) -> None:
    by = command.text("as")
    if command.get("hold"):
        await reader.go.wait()
    async for event in events:
        tell(by, "event", told_event(event))
        reader.last = event
        if event.wants_reply:
            await answer(command, event)
    tell(by, "ended", True)


async def answer(command: Command, event: rialto.Event) -> None:
    try:
        if "reply" in command.arguments:
            await event.reply(command.text("reply"))
        elif "reply_error" in command.arguments:
            await event.reply_error(command.text("reply_error"))
    except rialto.RialtoError as error:
        print(f"{command.text('as')} cannot answer: {error}", file=sys.stderr)


async def let_go(people: People, command: Command) -> None:
    people.readers[command.by].go.set()


async def reply(people: People, command: Command) -> None:
    last = people.readers[command.by].last
    if last is None:
        raise LookupError("nothing was heard")
    if "error" in command.arguments:
        await last.reply_error(command.text("error"))
    else:
        await last.reply(payload(command))


async def emit(people: People, command: Command) -> Json:
    namespace = people.namespace(command)
    accepted = await namespace.emit_to(
        target(command), command.text("event"), payload(command), **options(command)
    )
    return told_accepted(accepted)


async def ask(people: People, command: Command) -> Json:
    replies = await people.namespace(command).emit_to_with_replies(
        target(command),
        command.text("event"),
        payload(command),
        timeout=command.span("timeout_ms") or 5.0,
        **options(command),
    )
    told = [told_reply(each) for each in await replies.all()]
    summary = replies.summary
    if summary is None:
        raise LookupError("the replies have no end")
    return {
        "replies": told,
        "answered": summary.answered,
        "missing": [missing.user for missing in summary.missing],
        "timed_out": summary.timed_out,
    }


def told_reply(reply: rialto.Reply) -> Json:
    if reply.error is not None:
        return {"user": reply.user, "error": reply.error}
    return {"user": reply.user, **told_payload(reply)}


VERBS: dict[str, Any] = {
    verb.__name__: verb for verb in (enter, leave, join, part, room, listen, let_go, reply, emit, ask)
}
