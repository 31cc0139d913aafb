"""What rooms keep: histories, presence, keyed state; of a session or of a client without one."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import rialto

from command import Command
from content import payload, told_event, told_payload
from people import People
from report import Json, tell


def place(command: Command) -> tuple[str, str]:
    return command.text("namespace"), command.text("room")


def presence_of(people: People, command: Command) -> rialto.Presence:
    if command.by in people.sessions:
        return people.room(command).presence
    return people.client(command).presence(*place(command))


def state_of(people: People, command: Command) -> rialto.State:
    if command.by in people.sessions:
        return people.room(command).state
    return people.client(command).state(*place(command))


async def history(people: People, command: Command) -> Json:
    start: Any = command.given(newest="newest", from_="from", before="before", page_size="page_size")
    if (since := command.span("since_ms")) is not None:
        start["since"] = datetime.fromtimestamp(since, timezone.utc)
    if command.by in people.sessions:
        found = people.room(command).history(**start)
    else:
        found = people.client(command).history(*place(command), **start)
    if "newest" in start:
        return {"events": [told_event(event) for event in await found.events()]}
    pages = [page async for page in found.pages()]
    return {"events": [told_event(event) for page in pages for event in page.events], "pages": len(pages)}


async def presence(people: People, command: Command) -> Json:
    here, of = presence_of(people, command), command.text("of")
    if of == "counts":
        counts = await here.counts()
        return {"sessions": counts.sessions, "users": counts.users}
    if of == "users":
        return {"users": [user.user for user in (await here.users()).items]}
    return {"members": [told_member(member) for member in (await here.members()).items]}


def told_member(member: rialto.Member) -> Json:
    return {
        "session": member.session,
        "user": member.user,
        "attributes": member.attributes,
        "away": member.away,
    }


async def who(people: People, command: Command) -> Json:
    here = presence_of(people, command).current
    if here is None:
        return {"users": [], "count": 0, "complete": False}
    users = sorted(member.user for member in here.members.values())
    return {"users": users, "count": here.sessions, "complete": here.complete}


async def watch_presence(people: People, command: Command) -> None:
    people.begin(tell_presence(command.text("as"), presence_of(people, command).changes()))


async def tell_presence(by: str, changes: rialto.Stream[rialto.PresenceChange]) -> None:
    async for change in changes:
        told = {
            "joined": [member.user for member in change.joined if not member.away],
            "away": [member.user for member in change.joined if member.away],
            "left": [member.user for member in change.left],
            "count": change.sessions,
        }
        tell(by, "presence", told)
    tell(by, "ended", True)


async def get_state(people: People, command: Command) -> Json:
    entry = await state_of(people, command).get(command.text("key"))
    if entry is None:
        return {"found": False}
    return {"found": True, "revision": entry.revision, **told_payload(entry)}


async def all_state(people: People, command: Command) -> Json:
    here, token = state_of(people, command), ""
    entries: Json = {}
    while True:
        page = await here.page(page_token=token)
        entries.update((entry.key, entry.text) for entry in page.items)
        if not page.next:
            return {"entries": entries}
        token = page.next


async def set_state(people: People, command: Command) -> Json:
    conditions: Any = command.given(
        content_type="content_type", if_revision="if_revision", if_absent="if_absent"
    )
    if (expires := command.span("expires_in_ms")) is not None:
        conditions["expires_in"] = expires
    here = state_of(people, command)
    done = await here.set(command.text("key"), payload(command), **conditions)
    return {"revision": done.revision}


async def remove_state(people: People, command: Command) -> Json:
    here = state_of(people, command)
    done = await here.remove(command.text("key"), **command.given(if_revision="if_revision"))
    return {"revision": done.revision}


async def watch_state(people: People, command: Command) -> None:
    people.begin(tell_state(command.text("as"), state_of(people, command).watch()))


async def tell_state(by: str, changes: rialto.Stream[rialto.StateChange]) -> None:
    async for change in changes:
        entries = {key: None if entry.is_gone else entry.text for key, entry in change.entries.items()}
        tell(by, "state", {"entries": entries, "whole": change.whole})
    tell(by, "ended", True)


VERBS: dict[str, Any] = {
    verb.__name__: verb
    for verb in (
        history,
        presence,
        who,
        watch_presence,
        get_state,
        all_state,
        set_state,
        remove_state,
        watch_state,
    )
}
