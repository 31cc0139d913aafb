"""Where a session wants to be: namespaces and rooms that the application has entered, as the server has
answered. Says which commands bring a new session there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from . import v1
from ._positions import Positions

ROOMS_PER_JOIN = 64


@dataclass(frozen=True)
class Wishes:
    """What was asked for with a room, beside its events."""

    presence: bool = False
    state: bool = False
    delta: bool = False

    def with_those_of(self, other: Wishes) -> Wishes:
        """Both: wishes of several joins add up."""
        return Wishes(self.presence or other.presence, self.state or other.state, self.delta or other.delta)


class Membership:
    """Namespaces and rooms, each room with what was asked for."""

    def __init__(self) -> None:
        self._entered: dict[str, None] = {}
        self._rooms: dict[str, dict[str, Wishes]] = {}
        self._guests: set[tuple[str, str]] = set()
        self._unanswered: set[tuple[str, str]] = set()

    def entered(self, namespace: str) -> None:
        """The application is in a namespace."""
        self._entered[namespace] = None

    def joined(self, join: v1.Join) -> None:
        """The application is in rooms."""
        here = self._rooms.setdefault(join.namespace, {})
        wishes = Wishes(join.presence, join.state, join.delta)
        for room in join.rooms:
            here[room] = wishes.with_those_of(here.get(room, Wishes()))
            self._unanswered.discard((join.namespace, room))

    def brought(self, namespace: str, rooms: Iterable[str]) -> None:
        """Somebody else has had the session join rooms: it is in them, and does not return to them."""
        self._guests.update((namespace, room) for room in rooms if room not in self._rooms.get(namespace, {}))

    def parted(self, namespace: str, rooms: Iterable[str]) -> None:
        """The session is no longer in rooms. It stays in the namespace, as at the server."""
        here = self._rooms.get(namespace, {})
        for room in rooms:
            here.pop(room, None)
            self._guests.discard((namespace, room))
            self._unanswered.discard((namespace, room))
        if namespace in self._rooms and not here:
            del self._rooms[namespace]
            self._entered[namespace] = None

    def left(self, namespace: str) -> None:
        """The session is no longer in a namespace."""
        self._rooms.pop(namespace, None)
        self._entered.pop(namespace, None)
        self._guests = {place for place in self._guests if place[0] != namespace}
        self._unanswered = {place for place in self._unanswered if place[0] != namespace}

    def afresh(self) -> None:
        """A new session, which is nowhere until its joins are answered."""
        self._guests.clear()
        self._unanswered = {(namespace, room) for namespace, here in self._rooms.items() for room in here}

    def is_in(self, namespace: str, room: str) -> bool:
        """Whether the session is in a room."""
        place = (namespace, room)
        return place in self._guests or (self.wants(namespace, room) and place not in self._unanswered)

    def wants(self, namespace: str, room: str) -> bool:
        """Whether the application wants to be in a room."""
        return room in self._rooms.get(namespace, {})

    def wishes(self, namespace: str, room: str) -> Wishes:
        """What was asked for with a room."""
        return self._rooms.get(namespace, {}).get(room, Wishes())

    def takes_deltas(self, namespace: str, rooms: Iterable[str]) -> bool:
        """Whether deltas may come to one of these rooms."""
        here = self._rooms.get(namespace)
        if here is not None:
            for room in rooms:
                wishes = here.get(room)
                if wishes is not None and wishes.delta:
                    return True
        return False

    def joins(self, positions: Positions) -> list[v1.Join]:
        """What brings a session that is nowhere to where this one was, and to what it has not heard there."""
        joins = []
        for namespace, here in self._rooms.items():
            alike: dict[Wishes, list[str]] = {}
            for room, wishes in here.items():
                alike.setdefault(wishes, []).append(room)
            for wishes, rooms in alike.items():
                for first in range(0, len(rooms), ROOMS_PER_JOIN):
                    some = rooms[first : first + ROOMS_PER_JOIN]
                    joins.append(join_of(namespace, some, wishes, positions.to_recover(namespace, some)))
        return joins

    def enters(self) -> Iterator[v1.Enter]:
        """What enters namespaces of which no room is joined."""
        return (v1.Enter(namespace=namespace) for namespace in self._entered if namespace not in self._rooms)


def join_of(namespace: str, rooms: list[str], wishes: Wishes, recover: list[v1.RoomPosition]) -> v1.Join:
    """A join of rooms with the same wishes."""
    return v1.Join(
        namespace=namespace,
        rooms=rooms,
        presence=wishes.presence,
        state=wishes.state,
        delta=wishes.delta,
        recover=recover,
    )


def one_by_one(join: v1.Join) -> list[v1.Join]:
    """A join of several rooms as joins of one each, so that one that is refused spares the others."""
    wishes = Wishes(join.presence, join.state, join.delta)
    return [
        join_of(join.namespace, [room], wishes, [at for at in join.recover if at.room == room])
        for room in join.rooms
    ]
