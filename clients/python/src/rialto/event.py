"""Events as they are heard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Optional

from . import v1
from ._positions import Position
from ._times import moment
from .content import Content, Payload, encode, put
from .errors import RialtoError

Answer = Optional[Callable[[v1.Reply], Awaitable[None]]]


class EventData(Content):
    """What there is to know about an event."""

    def __init__(self, event: v1.Event, *, past: bool, answer: Answer = None) -> None:
        content = event.content
        text = content.text if content.WhichOneof("body") == "text" else None
        super().__init__(text, content.binary, content.content_type)
        self._event = event
        self._answer = answer
        self.past = past
        """It was said before the session was a member: it came out of the history."""

    @property
    def name(self) -> str:
        """Its name, for example `message`."""
        return self._event.content.event

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return self._event.namespace

    @property
    def rooms(self) -> list[str]:
        """The rooms it was sent to; empty when it was sent to sessions, users or everyone."""
        return list(self._event.rooms)

    @property
    def headers(self) -> Mapping[str, str]:
        """Key/value pairs of its sender."""
        return dict(self._event.content.headers)

    @property
    def key(self) -> str:
        """Which of several things it is about; empty for none."""
        return self._event.content.key

    @property
    def id(self) -> str:
        """Its identity, unique for ever."""
        return self._event.event_id

    @property
    def offset(self) -> int | None:
        """Its position in the history of its room; nothing when it is kept in none, or in several."""
        return self._event.offset if self._event.HasField("offset") else None

    @property
    def epoch(self) -> str:
        """Which life of the history the offset counts in."""
        return self._event.epoch

    @property
    def positions(self) -> Mapping[str, Position]:
        """Its positions by room, when it went to several with history."""
        return {at.room: Position(at.epoch, at.offset) for at in self._event.positions}

    @property
    def sender(self) -> str:
        """The session that sent it; empty when it was published without one."""
        return self._event.sender.session

    @property
    def user(self) -> str:
        """The user who sent it."""
        return self._event.sender.user

    @property
    def sent_at(self) -> datetime | None:
        """When the node took it, by the node's clock."""
        return moment(self._event.sent_at) if self._event.HasField("sent_at") else None

    @property
    def wants_reply(self) -> bool:
        """Whether its sender waits for an answer."""
        return self._answer is not None

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.name!r} from {self.user!r} in {self.namespace!r} {self.rooms!r}>"
        )

    async def _reply(self, reply: v1.Reply) -> None:
        if self._answer is None:
            raise RialtoError("invalid", "this event asks for no answer")
        reply.reply_token = self._event.reply_token
        await self._answer(reply)


class Event(EventData):
    """An event, with a way to answer one that asks."""

    async def reply(self, payload: Payload = None, *, content_type: str | None = None) -> None:
        """Answers; done when the answer is on its way."""
        reply = v1.Reply()
        put(encode(payload, content_type), reply)
        await self._reply(reply)

    async def reply_error(self, text: str) -> None:
        """Answers that it could not be done; the text is for the caller, at most 1 KiB."""
        await self._reply(v1.Reply(error=text))
