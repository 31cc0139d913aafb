"""Waits between attempts: by chance, and longer each time. Pure."""

from __future__ import annotations

import random

FIRST = 0.25
LAST = 30.0
LAST_OF_WORK = 5.0
"""For workers and watches, whose server keeps things for a short time only."""
STABLE = 10.0
"""What went well for so long begins anew."""
_DOUBLINGS_MAX = 32


class Backoff:
    """Counts attempts. The wait is evenly between nothing and a bound that doubles, so that many do not
    come back together."""

    def __init__(self, last: float = LAST) -> None:
        self._last = last
        self._attempt = 0

    def next(self, not_before: float = 0.0, chance: float | None = None) -> float:
        """Seconds before the next attempt, and no fewer than the server asked for."""
        bound = min(self._last, FIRST * 2.0 ** min(self._attempt, _DOUBLINGS_MAX))
        self._attempt += 1
        return max(not_before, bound * (random.random() if chance is None else chance))

    def lasted(self, span: float) -> None:
        """What came of the last attempt has lasted so many seconds."""
        if span >= STABLE:
            self._attempt = 0
