"""Jobs as they are handed over."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict, Union

from . import v1
from ._times import duration, timestamp
from .content import Payload, encode, put
from .errors import RialtoError

if TYPE_CHECKING:
    from typing_extensions import Unpack


@dataclass(frozen=True)
class Uploaded:
    """A payload that was uploaded by itself: goes in the place of one, in a job of the same queue, within
    a day."""

    upload_id: str = field(repr=False)
    bytes: int
    """How many."""


JobPayload = Union[Payload, Uploaded]
"""What a worker needs to know: a payload, or one that was uploaded."""


@dataclass(frozen=True)
class Retry:
    """What happens after an attempt that failed; what is not set is as the queue says."""

    attempts_max: int = 0
    """Attempts in all, 1 to 1,000."""
    base: float | None = None
    """Seconds of the first wait at most; it doubles each time."""
    max: float | None = None
    """Seconds of the longest wait, at most a day."""

    def to_wire(self) -> v1.RetryPolicy:
        """As it is sent."""
        return v1.RetryPolicy(
            attempts_max=self.attempts_max,
            base=None if self.base is None else duration(self.base),
            max=None if self.max is None else duration(self.max),
        )


@dataclass(frozen=True)
class Notify:
    """Tells a room what becomes of a job, by an event `job.<state>`."""

    room: str
    namespace: str = ""
    """Empty: that of the queue."""
    states: Sequence[str] = ()
    """Of which states, as `completed`. Empty: of those in which a job ends."""


class JobOptions(TypedDict, total=False):
    """What may be said with a job."""

    id: str
    """Its name in its queue; without one it gets one by chance."""
    type: str
    """What kind of job it is."""
    content_type: str
    """Media type of the payload."""
    attributes: Mapping[str, str]
    """Key/value pairs by which jobs are found again."""
    priority: int
    """Jobs of higher priority are served first. -16 to 15."""
    fairness_key: str
    """On whose behalf: keys share the workers."""
    fairness_weight: int
    """How much its key gets beside others. 1 to 1,000."""
    ordering_key: str
    """Jobs with the same key are worked on one after the other."""
    unique_key: str
    """While a job with this key lives another one is not put in."""
    delay: float
    """Seconds before it may begin."""
    run_at: datetime
    """When it may begin."""
    ttl: float
    """Seconds within which it begins, or it expires."""
    retry: Retry
    """What happens after an attempt that failed."""
    notify: Sequence[Notify]
    """Who is told about it, at most 4."""
    batch: str
    """The batch that it belongs to: the name of the job that completes it."""
    completes_batch: bool
    """It begins once the batch of its name is closed and all jobs of that have ended."""
    chain: Sequence[NewJob]
    """Jobs that are put in one after the other, each with the result of the one before."""
    queue: str
    """Of a chained job: its queue, if it is another one."""


class NewJob:
    """A job to be put in: its payload, and what `JobOptions` names."""

    def __init__(self, payload: JobPayload = None, **options: Unpack[JobOptions]) -> None:
        self.payload = payload
        self.options: JobOptions = options

    def to_wire(self) -> v1.NewJob:
        """As it is sent by itself, with a name by chance if it has none: so it can be said again."""
        job = self.nameless()
        job.job_id = job.job_id or secrets.token_hex(16)
        return job

    def nameless(self) -> v1.NewJob:
        """As it is sent where the server gives it its name."""
        options = self.options
        if "delay" in options and "run_at" in options:
            raise RialtoError("invalid", "a job has a delay or a time at which it runs, not both")
        job = v1.NewJob(
            job_id=options.get("id", ""),
            type=options.get("type", ""),
            body=body_of(self.payload, options.get("content_type")),
            attributes=options.get("attributes", {}),
            priority=options.get("priority", 0),
            fairness_key=options.get("fairness_key", ""),
            fairness_weight=options.get("fairness_weight", 0),
            ordering_key=options.get("ordering_key", ""),
            unique_key=options.get("unique_key", ""),
            batch_id=options.get("batch", ""),
            completes_batch=options.get("completes_batch", False),
            chain=[_chained(each) for each in options.get("chain", ())],
            notify=[_notify(each) for each in options.get("notify", ())],
        )
        self._put_times(job)
        return job

    def _put_times(self, job: v1.NewJob) -> None:
        options = self.options
        if "delay" in options:
            job.delay.CopyFrom(duration(options["delay"]))
        if "run_at" in options:
            job.run_at.CopyFrom(timestamp(options["run_at"]))
        if "ttl" in options:
            job.ttl.CopyFrom(duration(options["ttl"]))
        if "retry" in options:
            job.retry.CopyFrom(options["retry"].to_wire())

    def scheduled(self) -> v1.NewJob:
        """As it is sent in a schedule, which names it and says when it begins."""
        job = self.nameless()
        job.job_id = job.batch_id = ""
        job.ClearField("start")
        return job


def body_of(payload: JobPayload, content_type: str | None) -> v1.JobBody:
    """A payload as jobs and results carry it."""
    if isinstance(payload, Uploaded):
        uploaded = v1.UploadedPayload(upload_id=payload.upload_id, bytes=payload.bytes)
        return v1.JobBody(uploaded=uploaded, content_type=content_type or "")
    body = v1.JobBody()
    put(encode(payload, content_type), body)
    return body


def state_of(name: str) -> v1.JobState:
    """A state, as it is sent. Raises `invalid` for a word that is none."""
    try:
        return v1.JobState.Value(f"JOB_STATE_{name.upper()}")  # type: ignore[return-value]
    except ValueError:
        raise RialtoError("invalid", f"there is no state {name!r}") from None


def _chained(job: NewJob) -> v1.ChainedJob:
    return v1.ChainedJob(queue=job.options.get("queue", ""), job=job.nameless())


def _notify(notify: Notify) -> v1.JobNotify:
    wire = v1.JobNotify(namespace=notify.namespace, room=notify.room)
    wire.states.extend(state_of(state) for state in notify.states)
    return wire
