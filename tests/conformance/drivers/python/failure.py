"""How commands fail, as drivers write it."""

from __future__ import annotations

from rialto import RialtoError

from report import Json


def failure_of(error: BaseException) -> Json:
    """What a command failed with."""
    if not isinstance(error, RialtoError):
        return {"kind": "other", "reason": f"{type(error).__name__}: {error}"}
    failure: Json = {"kind": error.kind, "code": error.code, "reason": error.reason, "limit": error.limit}
    failure["may_have_happened"] = error.may_have_happened
    if error.advice is not None:
        failure["advice"] = error.advice
    if error.after is not None:
        failure["after_ms"] = round(error.after * 1000)
    return failure
