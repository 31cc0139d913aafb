"""What becomes of a job, as its worker says it."""

from __future__ import annotations

from . import v1
from ._times import duration
from .errors import RialtoError
from .new_job import JobPayload, Uploaded, body_of

RESULT_BYTES_MAX = 64 << 10
_CODE_BYTES_MAX = 64
_TEXT_BYTES_MAX = 4 << 10
INVALID_OUTCOME = "INVALID_OUTCOME"


class Fail(Exception):
    """The attempt has failed. Any other exception says the same, with the name of its type as its code."""

    def __init__(
        self, message: str = "", *, code: str = "", permanent: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.permanent = permanent
        """It would fail again: the job is dead at once."""
        self.retry_after = retry_after
        """Seconds until it is tried again; otherwise as the retry policy says."""


class Release(Exception):
    """The job is given back, and no attempt counted. It begins again after `delay` seconds at the
    earliest."""

    def __init__(self, delay: float = 0.0) -> None:
        super().__init__(delay)
        self.delay = delay


class Discard(Exception):
    """The job is not to be done."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


def cut(text: str, size: int) -> str:
    """A text of at most so many bytes, never cut within a character."""
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")


def completed(token: str, result: JobPayload) -> v1.Settlement:
    """A job is done. Raises `invalid` or `PAYLOAD_TOO_LARGE` for a result that cannot be sent."""
    if isinstance(result, Uploaded):
        raise RialtoError("invalid", "a result is not uploaded")
    body = body_of(result, None)
    if body.ByteSize() > RESULT_BYTES_MAX:
        raise RialtoError(
            "refused", "the result is larger than 64 KiB", code="PAYLOAD_TOO_LARGE", advice="never"
        )
    return v1.Settlement(token=token, completed=v1.JobCompleted(result=body))


def released(token: str, delay: float = 0.0) -> v1.Settlement:
    """A job is given back."""
    return v1.Settlement(token=token, released=v1.JobReleased(delay=duration(delay)))


def not_done(token: str, error: BaseException) -> v1.Settlement:
    """What an exception of the work says."""
    if isinstance(error, Release):
        return released(token, error.delay)
    if isinstance(error, Discard):
        return v1.Settlement(
            token=token, discarded=v1.JobDiscarded(reason=cut(error.reason, _TEXT_BYTES_MAX))
        )
    return v1.Settlement(token=token, failed=_failed(error))


def _failed(error: BaseException) -> v1.JobFailed:
    if not isinstance(error, Fail):
        code = getattr(error, "code", None)
        name = code if isinstance(code, str) and code else type(error).__name__
        return v1.JobFailed(code=cut(name, _CODE_BYTES_MAX), message=cut(str(error), _TEXT_BYTES_MAX))
    return v1.JobFailed(
        code=cut(error.code, _CODE_BYTES_MAX),
        message=cut(error.message, _TEXT_BYTES_MAX),
        permanent=error.permanent,
        retry_after=None if error.retry_after is None else duration(error.retry_after),
    )


def invalid_outcome(token: str, reason: str) -> v1.Settlement:
    """The server takes no such outcome, and would not the next time."""
    return not_done(token, Fail(reason, code=INVALID_OUTCOME, permanent=True))
