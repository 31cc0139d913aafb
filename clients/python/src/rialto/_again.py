"""Saying something again after failures that pass."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ._backoff import Backoff
from .errors import RialtoError

T = TypeVar("T")


async def until_answered(say: Callable[[float], Awaitable[T]], within: float) -> T:
    """Says something, and again after failures that pass, until its deadline. `say` is told how many seconds
    are left.

    Gives up early when the next wait would go beyond it.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + within
    backoff = Backoff()
    while True:
        try:
            return await say(max(0.0, until - loop.time()))
        except RialtoError as error:
            wait = backoff.next(error.after or 0.0)
            if not error.passes or loop.time() + wait >= until:
                raise
        await asyncio.sleep(wait)


def worth_again(error: RialtoError, *, was_open: bool, renewable: bool) -> bool:
    """Whether a stream that was lost is opened again."""
    turned_down = error.code == "UNAUTHENTICATED" and error.kind in ("refused", "other")
    return error.passes or (turned_down and was_open and renewable)
