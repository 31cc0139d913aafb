"""What comes after an ending: another attempt, with or without the session, or nothing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from . import v1
from ._failures import closed
from ._times import seconds
from .errors import RialtoError


class How(Enum):
    """How an attempt or a stream has ended."""

    GREETING = auto()
    """Before its welcome."""
    STREAM = auto()
    """After it."""
    MOVED = auto()
    """The node stops, and the session moves."""
    USED_UP = auto()
    """There are no numbers left."""


@dataclass(frozen=True)
class Ending:
    """The end of an attempt or of a stream."""

    how: How
    cause: RialtoError
    close: v1.Close | None = None
    """The last word of the server, if it had one."""

    @classmethod
    def by_close(cls, how: How, close: v1.Close) -> Ending:
        """The server has said that it ends."""
        return cls(how, closed(close), close)


@dataclass(frozen=True)
class Step:
    """What comes next."""

    stay: bool = False
    """Nothing: the session is over."""
    forget: bool = False
    """The session cannot go on; another one takes its place."""
    at_once: bool = False
    """Without the wait that is by chance."""
    not_before: float = 0.0
    """Seconds that the server has asked for."""
    new_token: bool = False
    """The token was turned down, and another one is tried once."""


STAY = Step(stay=True)
_CANNOT_RESUME = ("SESSION_UNKNOWN", "RESUME_LATE", "POSITION_GONE", "INVALID")
_FINAL = (
    "INVALID",
    "NAME_INVALID",
    "FORBIDDEN",
    "NAMESPACE_UNKNOWN",
    "OUT_OF_ORDER",
    "PAYLOAD_TOO_LARGE",
)


def next_step(ending: Ending, *, resuming: bool, may_renew: bool) -> Step:
    """What comes after `ending`. `resuming`: the greeting asked to go on; `may_renew`: another token may
    help."""
    if ending.how is How.USED_UP:
        return Step(forget=True)
    if ending.how is How.MOVED:
        return Step()
    greeting = ending.how is How.GREETING
    if greeting and ending.cause.code == "UNAUTHENTICATED":
        return Step(at_once=True, new_token=True) if may_renew else STAY
    if ending.close is not None:
        return _after_close(ending.close)
    return _after_refusal(ending.cause, resuming) if greeting else Step()


def _after_close(close: v1.Close) -> Step:
    after = seconds(close.after)
    arrow = close.then
    if arrow == v1.THEN_UNSPECIFIED:
        hundreds = close.code // 100
        arrow = {1: v1.THEN_RESUME, 2: v1.THEN_RECONNECT}.get(hundreds, v1.THEN_STAY_AWAY)
    if arrow == v1.THEN_RESUME:
        return Step(not_before=after)
    if arrow == v1.THEN_RECONNECT:
        return Step(forget=True, not_before=after)
    return STAY


def _after_refusal(error: RialtoError, resuming: bool) -> Step:
    if error.kind == "invalid":
        return STAY
    if error.kind == "closed":
        return _after_close(v1.Close(code=f"CLOSE_CODE_{error.code}"))
    if error.kind != "refused":
        return Step()
    if resuming and error.code in _CANNOT_RESUME:
        return Step(forget=True, at_once=True, not_before=error.after or 0.0)
    if error.advice == "later":
        return Step(not_before=error.after or 0.0)
    return STAY if error.code in _FINAL else Step()
