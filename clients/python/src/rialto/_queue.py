"""A bounded queue between a session and one reader, which tells the session when the reader has gone."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Queue(Generic[T]):
    """Items for one reader, oldest first."""

    def __init__(self, size: int) -> None:
        self._size = max(1, size)
        self._items: deque[T] = deque()
        self._waiting: list[asyncio.Future[None]] = []
        """The reader, and who waits for room: one future each, since who is cancelled cancels its own."""
        self._ended = False
        self._error: BaseException | None = None
        self.is_closed = False
        """The reader has gone: nothing is wanted any more."""

    def offer(self, item: T) -> bool:
        """Adds an item. False when there is no room; to a reader who has gone everything is given."""
        if self.is_closed or self._ended:
            return True
        if len(self._items) >= self._size:
            return False
        self._items.append(item)
        self._wake()
        return True

    async def room(self) -> None:
        """Waits until there is room, or the reader has gone."""
        while len(self._items) >= self._size and not self.is_closed:
            await self._change()

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes: the reader gets what there is, and then the end or an error."""
        if not self._ended:
            self._ended, self._error = True, error
            self._wake()

    def close(self) -> None:
        """The reader goes."""
        self.is_closed = True
        self._items.clear()
        self._wake()

    async def get(self) -> T:
        """The next item. Raises what the queue was ended with, `StopAsyncIteration` if nothing."""
        while not self._items:
            if self._error is not None:
                raise self._error
            if self._ended or self.is_closed:
                raise StopAsyncIteration
            await self._change()
        item = self._items.popleft()
        self._wake()
        return item

    async def _change(self) -> None:
        changed = asyncio.get_running_loop().create_future()
        self._waiting.append(changed)
        await changed

    def _wake(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for changed in waiting:
            if not changed.done() and not changed.get_loop().is_closed():
                changed.set_result(None)


class Parked:
    """Items that found a queue full, oldest first. While there is one the session reads nothing more."""

    def __init__(self) -> None:
        self._items: deque[tuple[Queue[object], object]] = deque()

    def __bool__(self) -> bool:
        return bool(self._items)

    def offer(self, queue: Queue[T], item: T) -> None:
        """Hands an item over, or parks it behind those that wait."""
        if self._items or not queue.offer(item):
            self._items.append((queue, item))  # type: ignore[arg-type]

    async def hand_over(self) -> None:
        """Waits until all have found room, or their readers have gone. What was not handed over stays when
        this is cancelled."""
        while self._items:
            queue, item = self._items[0]
            if queue.offer(item):
                self._items.popleft()
            else:
                await queue.room()

    def give_up(self) -> None:
        """Hands over what there is room for, in order, and forgets the rest: nobody will give it any more."""
        for queue, item in self._items:
            queue.offer(item)
        self._items.clear()
