"""Jobs as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from . import v1
from ._times import moment
from .content import Content
from .errors import RialtoError
from .new_job import Uploaded


class JobContent(Content):
    """What a job or its result says."""

    def __init__(self, body: v1.JobBody) -> None:
        which = body.WhichOneof("body")
        super().__init__(body.text if which == "text" else None, body.binary, body.content_type)
        uploaded = body.uploaded
        self.uploaded = Uploaded(uploaded.upload_id, uploaded.bytes) if which == "uploaded" else None
        """Set when it was uploaded by itself; then it is to be read."""

    @property
    def text(self) -> str | None:
        """As text; nothing when it was given as bytes that are not UTF-8. Raises `invalid` when it was
        uploaded."""
        self._check_here()
        return super().text

    @property
    def bytes(self) -> bytes:
        """As bytes. Raises `invalid` when it was uploaded."""
        self._check_here()
        return super().bytes

    def _check_here(self) -> None:
        if self.uploaded is not None:
            raise RialtoError("invalid", "the payload was uploaded: it is not empty, and is to be read")


@dataclass(frozen=True)
class Progress:
    """How far a worker has come."""

    done: int
    total: int
    """0 when it is not known."""
    message: str


@dataclass(frozen=True)
class JobFailure:
    """Why an attempt failed, or a job was discarded or cancelled."""

    code: str
    message: str


@dataclass(frozen=True)
class Batch:
    """A batch as it is now, and from when it is complete as it was then."""

    closed: bool
    live: int
    completed: int
    dead: int
    cancelled: int
    expired: int
    discarded: int

    @classmethod
    def of(cls, batch: v1.JobBatch) -> Batch:
        """As the server counts it."""
        return cls(
            batch.closed,
            batch.live_count,
            batch.completed_count,
            batch.dead_count,
            batch.cancelled_count,
            batch.expired_count,
            batch.discarded_count,
        )


class Job:
    """A job as it is now."""

    def __init__(self, job: v1.Job) -> None:
        self.wire = job
        """All that the server has said of it."""

    @property
    def id(self) -> str:
        """Its name in its queue."""
        return self.wire.job_id

    @property
    def queue(self) -> str:
        """Its queue."""
        return self.wire.queue

    @property
    def type(self) -> str:
        """What kind of job it is."""
        return self.wire.type

    @property
    def state(self) -> str:
        """Where it is: `delayed`, `waiting`, `running`, `completed`, `dead`, `cancelled`, `expired`,
        `discarded`, `blocked`, `paused`."""
        value = v1.JobState.DESCRIPTOR.values_by_number.get(self.wire.state)
        return value.name.removeprefix("JOB_STATE_").lower() if value else str(self.wire.state)

    @property
    def ended(self) -> bool:
        """Whether it stays in its state."""
        return self.wire.HasField("end_time")

    @property
    def payload(self) -> JobContent:
        """What the worker needs to know; only when this one job was asked for, and not once it has ended
        well."""
        return JobContent(self.wire.body)

    @property
    def result(self) -> JobContent | None:
        """What the worker found, once it is completed."""
        return JobContent(self.wire.result) if self.wire.HasField("result") else None

    @property
    def error(self) -> JobFailure | None:
        """Why the last attempt failed, or why it was discarded or cancelled."""
        return failure_of(self.wire.error) if self.wire.HasField("error") else None

    @property
    def progress(self) -> Progress | None:
        """How far the worker has come."""
        return progress_of(self.wire.progress) if self.wire.HasField("progress") else None

    @property
    def batch(self) -> Batch | None:
        """The batch that it completes."""
        return Batch.of(self.wire.batch) if self.wire.HasField("batch") else None

    @property
    def attributes(self) -> Mapping[str, str]:
        """Key/value pairs by which jobs are found again."""
        return dict(self.wire.attributes)

    @property
    def attempt(self) -> int:
        """Which attempt runs or ran last; 0 before the first."""
        return self.wire.attempt

    @property
    def attempts_max(self) -> int:
        """How many there may be."""
        return self.wire.attempts_max

    @property
    def cancelling(self) -> bool:
        """Somebody wants it cancelled while a worker has it."""
        return self.wire.cancelling

    @property
    def pausing(self) -> bool:
        """Somebody wants it paused while a worker has it."""
        return self.wire.pausing

    @property
    def enqueued_at(self) -> datetime | None:
        """When it was put in."""
        return _moment(self.wire.enqueue_time)

    @property
    def due_at(self) -> datetime | None:
        """When it may begin, while it is delayed."""
        return _moment(self.wire.due_time)

    @property
    def ended_at(self) -> datetime | None:
        """When it came into a state in which it stays."""
        return _moment(self.wire.end_time)

    def __repr__(self) -> str:
        return f"<Job {self.id!r} {self.state}>"


def progress_of(progress: v1.JobProgress) -> Progress:
    """Progress as the server says it."""
    return Progress(progress.done, progress.total, progress.message)


def failure_of(error: v1.JobError) -> JobFailure:
    """A failure as the server says it."""
    return JobFailure(error.code, error.message)


def _moment(stamp: Timestamp) -> datetime | None:
    return moment(stamp) if stamp.seconds or stamp.nanos else None
