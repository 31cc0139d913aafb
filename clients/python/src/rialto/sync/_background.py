"""One thread with an event loop, on which the asyncio client runs for programs without one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
A = TypeVar("A")
T = TypeVar("T")
U = TypeVar("U")


class Background:
    """The thread. It is there as long as a session or a client is open."""

    _lock = threading.Lock()
    _current: Background | None = None

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._users = 0
        self._thread = threading.Thread(target=self._loop.run_forever, name="rialto", daemon=True)
        self._thread.start()

    @classmethod
    def enter(cls) -> Background:
        """Another session or client is there."""
        with cls._lock:
            background = cls._current = cls._current or cls()
            background._users += 1
            return background

    def leave(self) -> None:
        """It is gone; with the last one the thread goes."""
        with self._lock:
            self._users -= 1
            if self._users > 0:
                return
            Background._current = None
        self.run(_wind_up())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Does something on the thread and waits for it. When the wait is interrupted, so is the work."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def do(self, act: Callable[[], T]) -> T:
        """Calls something on the thread."""

        async def call() -> T:
            return act()

        return self.run(call())

    def post(self, act: Callable[[], object]) -> None:
        """Calls something on the thread, and does not wait for it."""
        self._loop.call_soon_threadsafe(act)


async def _wind_up() -> None:
    """What still ends is let end, as `asyncio.run` does."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


class Handle(Generic[A]):
    """Something of the asyncio client, from another thread."""

    def __init__(self, inner: A, background: Background) -> None:
        self._inner = inner
        self._background = background


class Iterating(Iterator[T]):
    """What is told, one after the other; each step waits for the next."""

    def __init__(self, inner: AsyncIterator[T], background: Background) -> None:
        self._inner = inner
        self._background = background

    def __next__(self) -> T:
        try:
            return self._background.run(_next(self._inner))
        except _End:
            raise StopIteration from None

    def close(self) -> None:
        """Wants no more."""
        close = getattr(self._inner, "close", None)
        if close is not None:
            self._background.do(close)
        elif hasattr(self._inner, "aclose"):
            self._background.run(self._inner.aclose())

    def __enter__(self) -> Iterating[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _End(Exception):
    """An iteration has ended; `StopIteration` cannot travel in a future."""


async def _next(inner: AsyncIterator[T]) -> T:
    try:
        return await inner.__anext__()
    except StopAsyncIteration:
        raise _End from None


def blocking(
    method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Handle[A], P], T]:
    """The method that waits for what a coroutine of the asyncio client gives."""

    def call(self: Handle[A], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._background.run(method(self._inner, *args, **kwargs))

    return _like(call, method)


def direct(method: Callable[Concatenate[A, P], T]) -> Callable[Concatenate[Handle[A], P], T]:
    """The method that calls one of the asyncio client, on its thread."""

    def call(self: Handle[A], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._background.do(lambda: method(self._inner, *args, **kwargs))

    return _like(call, method)


def iterating(
    method: Callable[Concatenate[A, P], AsyncIterator[T]],
) -> Callable[Concatenate[Handle[A], P], Iterating[T]]:
    """The method that gives an iterator in the place of an asynchronous one."""

    def call(self: Handle[A], /, *args: P.args, **kwargs: P.kwargs) -> Iterating[T]:
        inner = self._background.do(lambda: method(self._inner, *args, **kwargs))
        return Iterating(inner, self._background)

    return _like(call, method)


def _like(call: U, method: Callable[..., Any]) -> U:
    """The same words for the same thing."""
    call.__doc__ = method.__doc__
    return call
