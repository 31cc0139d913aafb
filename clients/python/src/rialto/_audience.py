"""Who in the application listens to what, and the way of events to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from . import v1
from ._queue import Parked, Queue
from .event import Event
from .presence import PresenceChange, change_of
from .state import StateChange

T = TypeVar("T")


class Stream(AsyncIterator[T]):
    """What is told from the moment at which it was asked for, in order. Bounded: one that is not read
    holds its session up. It ends with the session, or when it is closed or dropped."""

    def __init__(self, queue: Queue[T]) -> None:
        self._queue = queue

    async def __anext__(self) -> T:
        return await self._queue.get()

    def close(self) -> None:
        """Wants no more."""
        self._queue.close()

    async def __aenter__(self) -> Stream[T]:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


@dataclass(frozen=True)
class Interest:
    """Which events somebody wants to hear; nothing means all."""

    namespace: str | None = None
    room: str | None = None
    name: str | None = None

    def covers(self, event: Event) -> bool:
        """Whether an event is one of them."""
        # Of the message itself: each event comes by here once for each listener.
        said = event._event
        return (
            (self.room is None or self.room in said.rooms)
            and (self.namespace is None or self.namespace == said.namespace)
            and (self.name is None or self.name == said.content.event)
        )


class _Listeners(Generic[T]):
    """Readers of one kind of thing, each with what it wants. One that has gone is forgotten."""

    def __init__(self) -> None:
        self._readers: list[tuple[Callable[[T], bool], Queue[T]]] = []

    def add(self, wants: Callable[[T], bool], queue: Queue[T]) -> None:
        self._readers = [reader for reader in self._readers if not reader[1].is_closed]
        self._readers.append((wants, queue))

    def give(self, item: T, parked: Parked) -> None:
        for wants, queue in self._readers:
            if not queue.is_closed and wants(item):
                parked.offer(queue, item)

    def end(self) -> None:
        for _, queue in self._readers:
            queue.end()
        self._readers.clear()


class Audience:
    """All readers of one session."""

    def __init__(self, waiting: int) -> None:
        self.parked = Parked()
        """What found no room; while it is there the session reads nothing more."""
        self._waiting = waiting
        self._events: _Listeners[Event] = _Listeners()
        self._presence: _Listeners[PresenceChange] = _Listeners()
        self._state: _Listeners[StateChange] = _Listeners()
        self._over = False

    def events(self, interest: Interest) -> Stream[Event]:
        """Begins to hear events."""
        return self._begin(self._events, interest.covers)

    def presence(self, namespace: str, room: str) -> Stream[PresenceChange]:
        """Begins to hear who comes and goes in a room."""
        return self._begin(
            self._presence, lambda change: (change.namespace, change.room) == (namespace, room)
        )

    def state(self, namespace: str, room: str, known: StateChange | None) -> Stream[StateChange]:
        """Begins to hear changes of a room's state, after what is known of it already."""
        stream = self._begin(self._state, lambda change: (change.namespace, change.room) == (namespace, room))
        if known is not None:
            stream._queue.offer(known)
        return stream

    def _begin(self, listeners: _Listeners[T], wants: Callable[[T], bool]) -> Stream[T]:
        queue: Queue[T] = Queue(self._waiting)
        if self._over:
            queue.end()
        else:
            listeners.add(wants, queue)
        return Stream(queue)

    def hear(self, event: Event) -> None:
        """Gives an event to all who want it."""
        self._events.give(event, self.parked)

    def came_or_went(self, presence: v1.Presence) -> None:
        """Gives a change of members to all who want it."""
        self._presence.give(change_of(presence), self.parked)

    def changed(self, change: StateChange) -> None:
        """Gives a change of state to all who want it."""
        self._state.give(change, self.parked)

    def end(self) -> None:
        """The session is over: all streams give what they hold, and end."""
        self._over = True
        self.parked.give_up()
        self._events.end()
        self._presence.end()
        self._state.end()
