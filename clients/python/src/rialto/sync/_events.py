"""Events and answers for programs without an event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Concatenate, ParamSpec, TypeVar

from .. import event as aio
from .. import replies as aio_replies
from .. import v1
from .._audience import Stream
from ..content import Payload, encode, put
from ..target import Accepted
from ._background import Background, Handle, Iterating

P = ParamSpec("P")
A = TypeVar("A")


class Event(aio.EventData):
    """An event, with a way to answer one that asks."""

    def __init__(self, event: aio.EventData, background: Background) -> None:
        super().__init__(event._event, past=event.past, answer=event._answer)
        self._background = background

    def reply(self, payload: Payload = None, *, content_type: str | None = None) -> None:
        """Answers; returns when the answer is on its way."""
        reply = v1.Reply()
        put(encode(payload, content_type), reply)
        self._background.run(self._reply(reply))

    def reply_error(self, text: str) -> None:
        """Answers that it could not be done; the text is for the caller, at most 1 KiB."""
        self._background.run(self._reply(v1.Reply(error=text)))


class Events(Iterator[Event]):
    """Events from the moment at which they were asked for, in order. Bounded: one that is not read holds
    its session up."""

    def __init__(self, inner: Stream[aio.Event], background: Background) -> None:
        self._events = Iterating(inner, background)
        self._background = background

    def __next__(self) -> Event:
        return Event(next(self._events), self._background)

    def close(self) -> None:
        """Wants no more."""
        self._events.close()

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def hearing(
    method: Callable[Concatenate[A, P], Stream[aio.Event]],
) -> Callable[Concatenate[Handle[A], P], Events]:
    """The method that gives events."""

    def call(self: Handle[A], /, *args: P.args, **kwargs: P.kwargs) -> Events:
        return Events(self._background.do(lambda: method(self._inner, *args, **kwargs)), self._background)

    call.__doc__ = method.__doc__
    return call


class Replies(Iterator[aio_replies.Reply]):
    """The answers to a question, in the order of their arrival. Ends with a summary."""

    def __init__(self, inner: aio_replies.Replies, background: Background) -> None:
        self._inner = inner
        self._replies = Iterating(inner, background)

    @property
    def accepted(self) -> Accepted:
        """What the server said about the question."""
        return self._inner.accepted

    @property
    def summary(self) -> aio_replies.Summary | None:
        """How it has ended; nothing before the iteration has."""
        return self._inner.summary

    def __next__(self) -> aio_replies.Reply:
        return next(self._replies)

    def all(self) -> list[aio_replies.Reply]:
        """All answers; then there is the summary too."""
        return list(self)

    def close(self) -> None:
        """Wants no more answers."""
        self._replies.close()
