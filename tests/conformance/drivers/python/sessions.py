"""Sessions: how they begin and end, and what they tell about themselves."""

from __future__ import annotations

from typing import Any

import rialto
from rialto import reports, status

from command import Command
from people import People
from report import Json, tell


async def connect(people: People, command: Command) -> Json:
    session = await rialto.connect(command.text("url"), **options(command))
    people.sessions[command.by] = session
    people.begin(tell_reports(command.by, session.reports()))
    people.begin(tell_status(command.by, session.statuses()))
    return {"session": session.id, "user": session.user}


def options(command: Command) -> Any:
    given = command.given(
        user="user",
        token="token",
        attributes="attributes",
        events_waiting="events_waiting",
        wait_for_server="wait",
    )
    for name, key in (("deadline", "deadline_ms"), ("connect_timeout", "connect_timeout_ms")):
        if (span := command.span(key)) is not None:
            given[name] = span
    if "tokens" in command.arguments:
        given["token"] = tokens(command.by, command.arguments["tokens"])
    if "offline" in command.arguments:
        given["offline_buffer"] = offline(command.of(command.arguments["offline"]))
    return given


def offline(table: Command) -> rialto.OfflineBuffer:
    given = table.given(count="count", bytes="bytes", overflow="overflow")
    return rialto.OfflineBuffer(age=table.span("age_ms"), **given)


def tokens(by: str, answers: list[Any]) -> Any:
    """A callback that gives out one answer after the other, the last one for ever."""
    asked = 0

    async def next_token() -> str | rialto.Token:
        nonlocal asked
        answer = answers[min(asked, len(answers) - 1)]
        asked += 1
        tell(by, "token_asked", asked)
        if isinstance(answer, str):
            return answer
        if answer.get("fails"):
            raise LookupError("no token today")
        lasts = answer.get("expires_in_ms")
        return rialto.Token(answer["text"], None if lasts is None else lasts / 1000)

    return next_token


async def tell_status(by: str, changes: Any) -> None:
    async for change in changes:
        tell(by, "status", change.state)
        if isinstance(change, status.Closed):
            tell(by, "closed", {"code": change.cause.code})


async def tell_reports(by: str, feed: Any) -> None:
    async for report in feed:
        told = told_report(report)
        if told is not None:
            tell(by, *told)


def told_report(report: reports.Report) -> tuple[str, object] | None:
    if isinstance(report, reports.Reconnected):
        return "reconnected", {"resumed": report.resumed}
    if isinstance(report, reports.Missed):
        return "missed", {
            "namespace": report.namespace,
            "rooms": report.rooms,
            "count": report.count,
            "from_offset": report.from_offset,
            "to_offset": report.to_offset,
        }
    if isinstance(report, reports.RejoinRefused):
        return "rejoin_refused", {
            "namespace": report.namespace,
            "room": report.room,
            "code": report.error.code,
        }
    if isinstance(report, (reports.Joined, reports.Parted)):
        kind = "joined" if isinstance(report, reports.Joined) else "parted"
        return kind, {"namespace": report.namespace, "rooms": report.rooms}
    if isinstance(report, reports.Refused):
        return "refused", {"code": report.error.code}
    if isinstance(report, reports.TokenUnavailable):
        return "token_unavailable", True
    return ("draining", True) if isinstance(report, reports.Draining) else None


async def close(people: People, command: Command) -> None:
    await people.session(command).close()


async def session(people: People, command: Command) -> Json:
    here = people.session(command)
    return {"session": here.id, "status": here.status.state}


async def ping(people: People, command: Command) -> None:
    await people.session(command).ping()


async def refresh(people: People, command: Command) -> None:
    await people.session(command).refresh(command.text("token"))


async def retry_now(people: People, command: Command) -> None:
    people.session(command).retry_now()


async def clear_buffer(people: People, command: Command) -> Json:
    return {"count": people.session(command).clear_offline_buffer()}


VERBS: dict[str, Any] = {
    verb.__name__: verb for verb in (connect, close, session, ping, refresh, retry_now, clear_buffer)
}
