"""A namespace, as a session sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from . import v1
from ._audience import Interest, Stream
from ._membership import Wishes, join_of
from ._positions import Position
from ._queue import Queue
from ._times import duration
from .content import Payload
from .errors import RialtoError
from .event import Event
from .replies import MissingReply, Replies, Reply
from .reports import RoomState
from .room import Room
from .target import Accepted, EmitOptions, Target, emit_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._life import Life

ANSWERS_TIMEOUT = 5.0
"""How long answers are waited for."""
SERVER_MARGIN = 5.0
"""How much longer the server may take to say that the wait is over."""


class Namespace:
    """Rooms and events of one namespace."""

    def __init__(self, life: Life, name: str) -> None:
        self._life = life
        self._link = life.link
        self.name = name

    def room(self, name: str) -> Room:
        """A room. Sends nothing."""
        return Room(self, self._life, name)

    async def enter(self, *, deadline: float | None = None) -> None:
        """Enters without joining a room: what is said to its session, its user and everyone is heard."""
        enter = v1.ClientFrame(enter=v1.Enter(namespace=self.name))
        await self._link.ask(enter, "entered", deadline)

    async def leave(self, *, deadline: float | None = None) -> list[str]:
        """Leaves, and parts all its rooms. Returns which those were."""
        leave = v1.ClientFrame(leave=v1.Leave(namespace=self.name))
        return list((await self._link.ask(leave, "left", deadline)).left.rooms)

    async def join(
        self,
        rooms: Iterable[str],
        *,
        newest: int = 0,
        presence: bool = False,
        state: bool = False,
        delta: bool = False,
        recover: dict[str, Position] | None = None,
        deadline: float | None = None,
    ) -> list[RoomState]:
        """Joins several rooms, at most 64: all of them or, when one is refused, none. See `Room.join`."""
        at = [
            v1.RoomPosition(room=room, epoch=p.epoch, offset=p.offset) for room, p in (recover or {}).items()
        ]
        join = join_of(self.name, list(rooms), Wishes(presence, state, delta), at)
        join.newest = newest
        with self._link.kept.joining(join):
            frame = await self._link.ask(v1.ClientFrame(join=join), "joined", deadline)
        return [RoomState.of(state) for state in frame.joined.rooms]

    async def part(self, rooms: Iterable[str], *, deadline: float | None = None) -> list[str]:
        """Parts several rooms; nothing more of them is heard. Returns those that it was in."""
        part = v1.ClientFrame(part=v1.Part(namespace=self.name, rooms=list(rooms)))
        return list((await self._link.ask(part, "parted", deadline)).parted.rooms)

    def events(self) -> Stream[Event]:
        """All events of the namespace from now on."""
        return self._link.audience.events(Interest(self.name))

    def on(self, event: str) -> Stream[Event]:
        """Events of one name from now on."""
        return self._link.audience.events(Interest(self.name, name=event))

    async def emit_to(
        self, target: Target, event: str, payload: Payload = None, **options: Unpack[EmitOptions]
    ) -> Accepted:
        """Says an event to any target; done when the server has taken it."""
        emit = emit_of(self.name, target, event, payload, options)
        frame = await self._link.ask(v1.ClientFrame(emit=emit), "accepted", options.get("deadline"))
        return Accepted.of(frame.accepted)

    async def emit_to_with_replies(
        self,
        target: Target,
        event: str,
        payload: Payload = None,
        *,
        timeout: float = ANSWERS_TIMEOUT,
        **options: Unpack[EmitOptions],
    ) -> Replies:
        """Asks all of a target for an answer, for so many seconds, at most 60. Done when the server has
        taken the question."""
        emit = emit_of(self.name, target, event, payload, options)
        emit.expect_replies.timeout.CopyFrom(duration(timeout))
        queue: Queue[Reply | v1.RepliesDone] = Queue(self._link.settings.events_waiting)
        frame = await self._link.question(emit, queue, options.get("deadline"))
        until = asyncio.get_running_loop().time() + timeout + SERVER_MARGIN
        return Replies(Accepted.of(frame.accepted), queue, until)

    async def call(
        self,
        event: str,
        payload: Payload = None,
        *,
        session: str = "",
        any_of: str = "",
        timeout: float = ANSWERS_TIMEOUT,
        **options: Unpack[EmitOptions],
    ) -> Reply:
        """Asks one session, or any one member of a room, and gives its answer.

        Fails as `refused`: `RECIPIENT_FAILED` with the text of the receiver, `TIMED_OUT`, `RECIPIENT_LEFT`
        or `NO_RECIPIENT`.
        """
        target = Target(sessions=[session] if session else (), any_of=any_of)
        replies = await self.emit_to_with_replies(target, event, payload, timeout=timeout, **options)
        async for reply in replies:
            replies.close()
            if reply.error is not None:
                raise RialtoError("refused", reply.error, code="RECIPIENT_FAILED")
            return reply
        missing = replies.summary.missing if replies.summary else ()
        raise _unanswered(missing)


def _unanswered(missing: tuple[MissingReply, ...]) -> RialtoError:
    if not missing:
        return RialtoError("refused", "nobody was asked", code="NO_RECIPIENT", advice="after-change")
    if missing[0].left:
        return RialtoError("refused", "the receiver left before it answered", code="RECIPIENT_LEFT")
    return RialtoError("refused", "the receiver has not answered in time", code="TIMED_OUT")
