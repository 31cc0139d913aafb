"""News that never slow who tells them: for a reader that is behind so many are kept, then the oldest go."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar
from weakref import WeakSet

T = TypeVar("T")
_KEPT = 64


class Feed(AsyncIterator[T]):
    """What one reader gets, from the moment at which it asked."""

    def __init__(self, overlooked: Callable[[int], T] | None) -> None:
        self._items: deque[T] = deque()
        self._overlooked = overlooked
        self._lost = 0
        self._ended = False
        self._news = asyncio.Event()

    def _tell(self, item: T) -> None:
        if len(self._items) >= _KEPT:
            self._items.popleft()
            self._lost += 1
        self._items.append(item)
        self._news.set()

    def _end(self) -> None:
        self._ended = True
        self._news.set()

    async def __anext__(self) -> T:
        while True:
            if self._lost and self._overlooked:
                lost, self._lost = self._lost, 0
                return self._overlooked(lost)
            if self._items:
                return self._items.popleft()
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()


class Feeds(Generic[T]):
    """All readers of the same news. Those who have gone are forgotten."""

    def __init__(self, overlooked: Callable[[int], T] | None = None) -> None:
        self._feeds: WeakSet[Feed[T]] = WeakSet()
        self._overlooked = overlooked
        self._ended = False

    def begin(self) -> Feed[T]:
        """Another reader."""
        feed: Feed[T] = Feed(self._overlooked)
        if self._ended:
            feed._end()
        self._feeds.add(feed)
        return feed

    def tell(self, item: T) -> None:
        """Tells everybody."""
        for feed in list(self._feeds):
            feed._tell(item)

    def end(self) -> None:
        """Nothing more comes: readers get what there is, and then the end."""
        self._ended = True
        for feed in list(self._feeds):
            feed._end()
