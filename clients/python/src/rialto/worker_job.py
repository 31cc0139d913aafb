"""A job that a worker has, as the program sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime

from . import v1
from ._client_line import ClientLine
from ._reading import read_here, read_uploaded
from ._times import moment
from .errors import RialtoError
from .job import Batch, JobContent, JobFailure, Progress, failure_of, progress_of
from .outcome import cut

_CHECKPOINT_BYTES_MAX = 64 << 10
_PROGRESS_BYTES_MAX = 1 << 10


class Notice:
    """Something that a job may be told, once."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.reason = ""
        """Why, as a code; empty before."""

    def is_set(self) -> bool:
        """Whether it was told."""
        return self._event.is_set()

    async def wait(self) -> str:
        """Waits for it; returns why."""
        await self._event.wait()
        return self.reason

    def fire(self, reason: str) -> None:
        """Tells it. What was told first holds."""
        if not self._event.is_set():
            self.reason = reason
            self._event.set()


class Said:
    """What a program has said of its job and was not sent yet: of several the newest. Pure."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._progress: v1.JobProgress | None = None
        self._checkpoint: bytes | None = None

    @property
    def is_new(self) -> bool:
        """Whether there is something to send."""
        return self._progress is not None or self._checkpoint is not None

    @property
    def size(self) -> int:
        """Its bytes, about."""
        progress = self._progress.ByteSize() if self._progress is not None else 0
        return progress + len(self._checkpoint or b"")

    def progress(self, progress: v1.JobProgress) -> None:
        """How far the work has come."""
        self._progress = progress
        self._changed()

    def checkpoint(self, checkpoint: bytes) -> None:
        """What the next attempt is to know."""
        self._checkpoint = checkpoint
        self._changed()

    def take(self, token: str) -> v1.Extension:
        """Takes out what is to be sent."""
        extension = v1.Extension(token=token, progress=self._progress, checkpoint=self._checkpoint)
        self.forget()
        return extension

    def put_back(self, extension: v1.Extension) -> None:
        """It may not have arrived; something newer counts."""
        if self._progress is None and extension.HasField("progress"):
            self._progress = extension.progress
        if self._checkpoint is None and extension.HasField("checkpoint"):
            self._checkpoint = extension.checkpoint

    def forget(self) -> None:
        """Nothing is to be sent."""
        self._progress = self._checkpoint = None


class JobData(JobContent):
    """What there is to know of a job. Its payload is `text`, `bytes` or `json()`; one that was uploaded is
    to be read."""

    def __init__(self, lease: v1.Lease) -> None:
        super().__init__(lease.body)
        self._lease = lease

    @property
    def id(self) -> str:
        """Its name in its queue."""
        return self._lease.job_id

    @property
    def namespace(self) -> str:
        """The namespace of its queue."""
        return self._lease.namespace

    @property
    def queue(self) -> str:
        """Its queue."""
        return self._lease.queue

    @property
    def type(self) -> str:
        """What kind of job it is."""
        return self._lease.type

    @property
    def attributes(self) -> Mapping[str, str]:
        """Key/value pairs of it."""
        return dict(self._lease.attributes)

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self._lease.attempt

    @property
    def attempts_max(self) -> int:
        """How many there may be."""
        return self._lease.attempts_max

    @property
    def enqueued_at(self) -> datetime | None:
        """When it was put in."""
        return moment(self._lease.enqueue_time) if self._lease.HasField("enqueue_time") else None

    @property
    def last_error(self) -> JobFailure | None:
        """Why the attempt before failed."""
        return failure_of(self._lease.last_error) if self._lease.HasField("last_error") else None

    @property
    def last_checkpoint(self) -> bytes:
        """What the attempt before has left for this one; empty for nothing."""
        return self._lease.checkpoint

    @property
    def last_progress(self) -> Progress | None:
        """How far the attempt before had come."""
        return progress_of(self._lease.progress) if self._lease.HasField("progress") else None

    @property
    def previous_result(self) -> JobContent | None:
        """What the job before it in its chain has found."""
        return JobContent(self._lease.previous_result) if self._lease.HasField("previous_result") else None

    @property
    def batch(self) -> Batch | None:
        """The batch that it completes."""
        return Batch.of(self._lease.batch) if self._lease.HasField("batch") else None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id!r} of {self.queue!r}, attempt {self.attempt}>"


class WorkerJob(JobData):
    """A job that is being worked on."""

    def __init__(self, lease: v1.Lease, said: Said, line: ClientLine) -> None:
        super().__init__(lease)
        self._said = said
        self._line = line
        self.cancelled = Notice()
        """Somebody wants it cancelled (`CANCELLED`), its lease is lost (`LEASE_LOST`), or the worker gives
        it up (`CLOSED`): what is done from now on is for nothing."""
        self.to_pause = Notice()
        """Somebody wants it paused: leave a checkpoint, and raise `Release` as soon as that is sensible."""

    def read(self, offset: int = 0) -> AsyncIterator[bytes]:
        """The payload piece by piece from one byte on, whether it was uploaded or came with the job."""
        if self.uploaded is None:
            return read_here(self.bytes, offset)
        return read_uploaded(self._line, self.namespace, self.queue, self.uploaded, offset)

    def progress(self, done: int, total: int = 0, message: str = "") -> None:
        """Says how far the work has come, of a total that is 0 when it is not known. Sent a moment later;
        of several the newest."""
        self._said.progress(v1.JobProgress(done=done, total=total, message=cut(message, _PROGRESS_BYTES_MAX)))

    def checkpoint(self, checkpoint: bytes | str) -> None:
        """Leaves something for the next attempt, if this one does not complete. At most 64 KiB; of several
        the newest."""
        left = checkpoint.encode() if isinstance(checkpoint, str) else bytes(checkpoint)
        if len(left) > _CHECKPOINT_BYTES_MAX:
            reason = "a checkpoint has at most 64 KiB"
            raise RialtoError("refused", reason, code="PAYLOAD_TOO_LARGE", advice="never")
        self._said.checkpoint(left)
