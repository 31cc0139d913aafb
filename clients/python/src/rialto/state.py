"""The keyed state of a room: the last value of each key, with a revision that only rises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from . import v1
from ._pages import Page
from ._times import duration, moment
from .content import Content, Payload, encode, put
from .errors import RialtoError
from .target import durability_name

if TYPE_CHECKING:
    from ._audience import Stream
    from ._line import Line
    from ._link import Link


class StateEntry(Content):
    """A key as it is, or as it became."""

    def __init__(self, entry: v1.StateEntry) -> None:
        super().__init__(
            entry.text if entry.WhichOneof("body") == "text" else None, entry.binary, entry.content_type
        )
        self.key = entry.key
        self.is_gone = entry.WhichOneof("body") is None
        """The key was taken away, or has expired: it has no value."""
        self.revision = entry.revision
        """That of the last change."""
        self.session = entry.by.session
        """The session that made it; empty for an expiry."""
        self.user = entry.by.user
        """The user who made it."""
        self.set_at: datetime | None = moment(entry.set_at) if entry.HasField("set_at") else None
        self.expires_at: datetime | None = moment(entry.expires_at) if entry.HasField("expires_at") else None

    def __repr__(self) -> str:
        return f"<StateEntry {self.key!r} revision {self.revision}{' gone' if self.is_gone else ''}>"


@dataclass(frozen=True)
class StateSet:
    """A key was set or taken away."""

    revision: int
    """The revision that it has by that."""
    epoch: str
    """Which life of the room's state revisions count in."""
    durability: str
    """What it outlives."""


@dataclass(frozen=True)
class StateChange:
    """Keys that became different."""

    namespace: str
    room: str
    entries: Mapping[str, StateEntry]
    """By key. Those that are gone have no value."""
    whole: bool
    """These are all that there are; told first."""


def change_of(namespace: str, room: str, entries: Sequence[v1.StateEntry], *, whole: bool) -> StateChange:
    """A change as it is told."""
    return StateChange(namespace, room, {entry.key: StateEntry(entry) for entry in entries}, whole)


class State:
    """The state of one room."""

    def __init__(self, line: Line, link: Link | None, namespace: str, room: str) -> None:
        self._line = line
        self._link = link
        self._place = (namespace, room)

    async def get(self, key: str, *, deadline: float | None = None) -> StateEntry | None:
        """One key; nothing when there is none."""
        found = await self._ask(self._request(keys=[key]), deadline)
        return next((StateEntry(entry) for entry in found.entries if entry.key == key), None)

    async def page(
        self, *, page_size: int = 0, page_token: str = "", deadline: float | None = None
    ) -> Page[StateEntry]:
        """A page of all keys, by name."""
        found = await self._ask(self._request(page_size=page_size, page_token=page_token), deadline)
        entries = [StateEntry(entry) for entry in found.entries]
        return Page(entries, found.next_page_token, total=found.total_count)

    async def set(
        self,
        key: str,
        payload: Payload,
        *,
        content_type: str | None = None,
        if_revision: int | None = None,
        if_absent: bool = False,
        expires_in: float | None = None,
        deadline: float | None = None,
    ) -> StateSet:
        """Sets a key.

        With `if_revision` or `if_absent` only if it is so; otherwise `CONFLICT`, with the revision that
        the key has. The value holds for `expires_in` seconds.
        """
        encoded = encode(payload, content_type)
        change = self._change(key, if_revision, if_absent)
        put(encoded, change)
        if change.WhichOneof("body") is None:
            # No value would take the key away.
            change.binary = b""
        if expires_in is not None:
            change.expires_in.CopyFrom(duration(expires_in))
        return await self._say(change, deadline)

    async def remove(
        self, key: str, *, if_revision: int | None = None, deadline: float | None = None
    ) -> StateSet:
        """Takes a key away; with `if_revision` only if it has that."""
        return await self._say(self._change(key, if_revision, if_absent=False), deadline)

    def watch(self) -> Stream[StateChange]:
        """All that is there and then each change, while the room is joined with `state`. Needs a session."""
        link = self._session()
        known = link.views.state(*self._place)
        first = change_of(*self._place, list(known.values()), whole=True) if known is not None else None
        return link.audience.state(*self._place, first)

    @property
    def current(self) -> Mapping[str, StateEntry] | None:
        """All keys now; nothing before they were heard, or unless the room is joined with `state`. Needs a
        session."""
        known = self._session().views.state(*self._place)
        return None if known is None else {key: StateEntry(entry) for key, entry in known.items()}

    def _session(self) -> Link:
        if self._link is None:
            raise RialtoError("invalid", "changes come over a session only")
        return self._link

    def _change(self, key: str, if_revision: int | None, if_absent: bool) -> v1.SetState:
        if if_absent and if_revision is not None:
            raise RialtoError("invalid", "a key is absent or has a revision, not both")
        namespace, room = self._place
        expected = 0 if if_absent else if_revision
        return v1.SetState(namespace=namespace, room=room, key=key, expected_revision=expected)

    async def _say(self, change: v1.SetState, deadline: float | None) -> StateSet:
        if self._link is None:
            request = v1.SetStateRequest(set=change)
            done = (await self._line.call("RoomService/SetState", request, v1.SetStateResponse, deadline)).set
        else:
            frame = await self._link.ask(v1.ClientFrame(set_state=change), "state_set", deadline)
            done = frame.state_set
        return StateSet(done.revision, done.epoch, durability_name(done.durability))

    def _request(
        self, *, keys: Sequence[str] = (), page_size: int = 0, page_token: str = ""
    ) -> v1.GetStateRequest:
        namespace, room = self._place
        return v1.GetStateRequest(
            namespace=namespace, room=room, keys=keys, page_size=page_size, page_token=page_token
        )

    async def _ask(self, request: v1.GetStateRequest, deadline: float | None) -> v1.GetStateResponse:
        return await self._line.call("RoomService/GetState", request, v1.GetStateResponse, deadline)
