"""How fast emits may leave, so that a full buffer is not refused when it is sent. Pure: told the time, in
seconds."""

from __future__ import annotations

_SHARE = 0.8
"""The server fills a bucket of the same kind by its own clock; the rest is for what lies between the
clocks."""


class Pace:
    """A bucket of emits that fills with time."""

    def __init__(self) -> None:
        self._rate = 0.0
        self._burst = 0.0
        self._left = 0.0
        self._at = 0.0

    def bounds(self, rate: int, burst: int, now: float, *, goes_on: bool) -> None:
        """What a welcome says. A session that goes on keeps what is left."""
        self._rate, self._burst = float(rate), max(1.0, burst * _SHARE)
        self._fill(now)
        self._left = min(self._left, self._burst) if goes_on else self._burst

    def wait(self, now: float) -> float:
        """Seconds until an emit may leave."""
        if self._rate == 0.0:
            return 0.0
        self._fill(now)
        return max(0.0, (1.0 - self._left) / self._rate)

    def take(self, now: float) -> bool:
        """Takes one emit out, if there is one."""
        if self.wait(now) > 0.0:
            return False
        self._left -= 1.0
        return True

    def _fill(self, now: float) -> None:
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
