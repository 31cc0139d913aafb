"""How things fail: one exception, with what there is to know about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "refused",
    "closed",
    "unavailable",
    "unsent",
    "timed_out",
    "unknown_outcome",
    "invalid",
    "cancelled",
    "lease_lost",
    "other",
]
"""In what way something failed."""

Advice = Literal["never", "later", "after-change"]
"""What to do about a refusal."""

_MAY_HAVE_HAPPENED = {"timed_out", "unknown_outcome", "lease_lost", "other"}
_REFUSED_AND_PERHAPS_DONE = {
    "STORAGE_FAILED",
    "NODES_UNREACHABLE",
    "INTERNAL",
    "TIMED_OUT",
    "RECIPIENT_LEFT",
    "RECIPIENT_FAILED",
}


@dataclass(frozen=True)
class Violation:
    """A field that was wrong."""

    field: str
    """Its name."""
    description: str
    """What is wrong with it, for people."""


class RialtoError(Exception):
    """Everything that this client raises by itself."""

    kind: Kind
    """In what way it failed; the first thing to look at."""
    code: str
    """A name without prefix, for example `NOT_A_MEMBER`; empty where the kind says all."""
    reason: str
    """For people alone."""
    advice: Advice | None
    """What the server advises; nothing when it is not known."""
    after: float | None
    """With the advice `later`: not before so many seconds from then on."""
    limit: str
    """The limit that was reached, by its name."""
    revision: int | None
    """With `CONFLICT`: the revision that the key has; 0 when there is no such key."""
    violations: tuple[Violation, ...]
    """The fields that were wrong."""
    may_have_happened: bool
    """Whether it may have taken effect all the same."""

    def __init__(
        self,
        kind: Kind,
        reason: str = "",
        *,
        code: str = "",
        advice: Advice | None = None,
        after: float | None = None,
        limit: str = "",
        revision: int | None = None,
        violations: tuple[Violation, ...] = (),
        may_have_happened: bool | None = None,
    ) -> None:
        super().__init__(kind, code, reason)
        self.kind = kind
        self.code = code
        self.reason = reason
        self.advice = advice
        self.after = after
        self.limit = limit
        self.revision = revision
        self.violations = violations
        if may_have_happened is None:
            perhaps = kind == "refused" and code in _REFUSED_AND_PERHAPS_DONE
            may_have_happened = perhaps or kind in _MAY_HAVE_HAPPENED
        self.may_have_happened = may_have_happened

    @property
    def passes(self) -> bool:
        """Whether the same may go well when it is said again."""
        if self.kind == "refused":
            return self.advice == "later" or self.code == "INTERNAL"
        return self.kind in ("unavailable", "unknown_outcome", "timed_out")

    def __str__(self) -> str:
        name = f"{self.kind} ({self.code})" if self.code else self.kind
        return f"{name}: {self.reason}" if self.reason else name
