"""Errors from what the server and gRPC say: refusals, closes and statuses."""

from __future__ import annotations

from collections.abc import Iterable

import grpc

from . import v1
from ._details import Details, read_details
from ._times import seconds
from .errors import Advice, RialtoError

_NEVER = (
    "INVALID",
    "NAME_INVALID",
    "TARGET_EMPTY",
    "PAYLOAD_TOO_LARGE",
    "REF_REUSED",
    "REPLY_UNKNOWN",
    "OUT_OF_ORDER",
    "ALREADY_EXISTS",
)
_AFTER_CHANGE = (
    "LIMIT_REACHED",
    "FORBIDDEN",
    "NAMESPACE_UNKNOWN",
    "NOT_A_MEMBER",
    "NO_RECIPIENT",
    "UNAUTHENTICATED",
    "SESSION_UNKNOWN",
    "NOT_FOUND",
    "CONFLICT",
    "POSITION_GONE",
    "RESUME_LATE",
    "STORAGE_FAILED",
)
_ADVICE: dict[str, Advice] = {
    **dict.fromkeys(_NEVER, "never"),
    **dict.fromkeys(_AFTER_CHANGE, "after-change"),
}
_WIRE_ADVICE: dict[int, Advice] = {
    v1.RETRY_ADVICE_NEVER: "never",
    v1.RETRY_ADVICE_LATER: "later",
    v1.RETRY_ADVICE_AFTER_CHANGE: "after-change",
}
_BROKEN = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.ABORTED,
)
_REFUSALS = {value.name.removeprefix("REFUSAL_CODE_") for value in v1.RefusalCode.DESCRIPTOR.values}
_CLOSES = {value.name.removeprefix("CLOSE_CODE_") for value in v1.CloseCode.DESCRIPTOR.values}
DOMAIN = "rialto"


def refusal_name(code: int) -> str:
    """A refusal by its name, or by its number when this version does not know it."""
    value = v1.RefusalCode.DESCRIPTOR.values_by_number.get(code)
    return value.name.removeprefix("REFUSAL_CODE_") if value else str(code)


def close_name(code: int) -> str:
    """A close by its name, or by its number when this version does not know it."""
    value = v1.CloseCode.DESCRIPTOR.values_by_number.get(code)
    return value.name.removeprefix("CLOSE_CODE_") if value else str(code)


def refused(refusal: v1.Refused) -> RialtoError:
    """The server has answered no."""
    code = refusal_name(refusal.code)
    advice = _WIRE_ADVICE.get(refusal.retry.advice, _ADVICE.get(code))
    return RialtoError(
        "refused",
        refusal.reason,
        code=code,
        advice=advice,
        after=seconds(refusal.retry.after) if advice == "later" else None,
        limit=refusal.limit,
        revision=refusal.revision if refusal.HasField("revision") else None,
    )


def closed(close: v1.Close) -> RialtoError:
    """The server has ended the stream."""
    after = seconds(close.after) if close.HasField("after") else None
    return RialtoError("closed", close.reason, code=close_name(close.code), after=after)


def closed_here() -> RialtoError:
    """This side has ended the session or the client."""
    return RialtoError("closed", "closed on this side", code="CLOSED")


def of_call(error: grpc.aio.AioRpcError, *, sent: bool) -> RialtoError:
    """A call or stream has ended with a status. `sent`: something of it may have reached the server."""
    metadata = ((key, value) for key, value in error.trailing_metadata() or ())
    return of_status(error.code(), error.details() or "", metadata, sent=sent)


def of_status(
    code: grpc.StatusCode, message: str, metadata: Iterable[tuple[str, str | bytes]], *, sent: bool
) -> RialtoError:
    """The same from the parts of a status."""
    details = read_details(metadata)
    if details.domain == DOMAIN:
        return _of_details(details, message)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return RialtoError("timed_out" if sent else "unavailable", message)
    if code is grpc.StatusCode.UNAUTHENTICATED:
        # No word of a Rialto server, but of somebody who guards it.
        return RialtoError("other", message, code="UNAUTHENTICATED", may_have_happened=False)
    if code is grpc.StatusCode.UNAVAILABLE and not sent:
        return RialtoError("unavailable", message)
    if code in _BROKEN or (code is grpc.StatusCode.INTERNAL and _says_broken(message)):
        return RialtoError("unknown_outcome" if sent else "unavailable", message)
    return RialtoError("other", f"{code.name}: {message}")


def _says_broken(message: str) -> bool:
    """What gRPC calls internal when a stream is reset, or ends while something is written to it."""
    return "RST_STREAM" in message or message == "Internal error from Core"


def _of_details(details: Details, message: str) -> RialtoError:
    if details.reason in _CLOSES and details.reason not in _REFUSALS:
        return RialtoError("closed", message, code=details.reason)
    later = details.retry_after is not None
    return RialtoError(
        "refused",
        message,
        code=details.reason,
        advice="later" if later else _ADVICE.get(details.reason),
        after=details.retry_after,
        limit=details.metadata.get("limit", ""),
        revision=_number(details.metadata.get("revision")),
        violations=details.violations,
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None
