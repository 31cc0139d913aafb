"""What is known of rooms that were joined with `presence` or `state`. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from . import v1
from ._mirror import Mirror
from .presence import PresenceView

_Place = tuple[str, str]


class Views:
    """Presence and state, by namespace and room, as long as the session is in the room."""

    def __init__(self) -> None:
        self._presence: dict[_Place, PresenceView] = {}
        self._state: dict[_Place, Mirror] = {}

    def presence(self, namespace: str, room: str) -> PresenceView | None:
        """Who is in a room."""
        return self._presence.get((namespace, room))

    def state(self, namespace: str, room: str) -> dict[str, v1.StateEntry] | None:
        """The keys of a room; nothing before all of them were heard."""
        mirror = self._state.get((namespace, room))
        return mirror.current if mirror else None

    def joined(self, join: v1.Join, joined: v1.Joined) -> list[v1.Presence]:
        """A join was answered. What became different in rooms that were known before: nobody else tells
        that."""
        told = []
        for state in joined.rooms if join.presence else ():
            place = (joined.namespace, state.room)
            known = place in self._presence
            news = self._presence.setdefault(place, PresenceView()).found(joined.namespace, state)
            if known and news is not None:
                told.append(news)
        return told

    def came_or_went(self, presence: v1.Presence) -> bool:
        """Members have changed. True when names and count disagree, and the room is to be joined once
        more."""
        view = self._presence.get((presence.namespace, presence.room))
        if view is None:
            return False
        view.changed(presence)
        return view.disagrees

    def changed(self, changes: v1.StateChanges) -> tuple[list[v1.StateEntry], bool] | None:
        """Keys have changed. What is to be told of it, and whether that is all there is."""
        return self._state.setdefault((changes.namespace, changes.room), Mirror()).take(changes)

    def parted(self, namespace: str, rooms: Iterable[str] | None) -> None:
        """The session is no longer in these rooms, or in the whole namespace."""
        names = None if rooms is None else set(rooms)
        for views in (self._presence, self._state):
            gone = [
                place for place in views if place[0] == namespace and (names is None or place[1] in names)
            ]
            for place in gone:
                del views[place]
