"""The history of a room, read by pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from . import v1
from ._times import timestamp
from .errors import RialtoError
from .event import Event

if TYPE_CHECKING:
    from ._line import Line

_PAGE_MAX = 300


class HistoryStart(TypedDict, total=False):
    """Where reading begins and ends."""

    newest: int
    """The newest so many events, or all there are."""
    from_: int
    """Forward, with the event of this offset; 0: with the oldest."""
    before: int
    """Backward, with the event before this offset."""
    since: datetime
    """Forward, with the first event of this moment or later."""
    to: int
    """Not beyond the event of this offset, when going forward."""
    epoch: str
    """Which life of the history offsets count in; another one is refused with `POSITION_GONE`."""
    page_size: int
    """Events of a page, at most 300. Default 50."""
    deadline: float
    """Seconds that each page may take."""


@dataclass(frozen=True)
class HistoryPage:
    """Some events of a history, by rising offset."""

    events: list[Event]
    next: str
    """Asks for the next page; empty when this is the last."""
    epoch: str
    """Which life of the history offsets count in."""
    first_offset: int
    """The oldest event that is kept; `next_offset` when there is none."""
    next_offset: int
    """The offset that the next event will have."""


class History:
    """A way through the history of one room. Iterating it gives all events, page after page."""

    def __init__(self, line: Line, namespace: str, room: str, start: HistoryStart) -> None:
        self._line = line
        self._place = (namespace, room)
        self._start = start

    async def page(self, token: str = "") -> HistoryPage:
        """One page: the first, or the one that follows the page which gave the token."""
        return await self._page(token, self._start.get("newest") or None)

    async def _page(self, token: str, left: int | None) -> HistoryPage:
        request = self._request(token, left)
        path = "RoomService/GetHistory"
        found = await self._line.call(path, request, v1.GetHistoryResponse, self._start.get("deadline"))
        events = [Event(event, past=True) for event in found.events]
        return HistoryPage(events, found.next_page_token, found.epoch, found.first_offset, found.next_offset)

    def _request(self, token: str, left: int | None) -> v1.GetHistoryRequest:
        start, (namespace, room) = self._start, self._place
        if sum(name in start for name in ("newest", "from_", "before", "since")) > 1:
            raise RialtoError("invalid", "a history has one start")
        size = min(left, _PAGE_MAX) if left is not None else start.get("page_size")
        request = v1.GetHistoryRequest(
            namespace=namespace,
            room=room,
            to_offset=start.get("to"),
            epoch=start.get("epoch"),
            page_size=size,
            page_token=token,
        )
        if "from_" in start:
            request.from_offset = start["from_"]
        elif "before" in start:
            request.before_offset = start["before"]
        elif "since" in start:
            request.since.CopyFrom(timestamp(start["since"]))
        return request

    async def pages(self) -> AsyncIterator[HistoryPage]:
        """All pages, in the direction of the start."""
        left = self._start.get("newest")
        token = ""
        while left is None or left > 0:
            page = await self._page(token, left)
            yield page
            if not page.next:
                return
            token = page.next
            left = None if left is None else left - len(page.events)

    async def events(self) -> list[Event]:
        """All events at once, by rising offset. Bound it with `newest` or `to`."""
        pages = [page.events async for page in self.pages()]
        forward = "from_" in self._start or "since" in self._start
        return [event for page in (pages if forward else reversed(pages)) for event in page]

    async def __aiter__(self) -> AsyncIterator[Event]:
        async for page in self.pages():
            for event in page.events:
                yield event
