"""A queue of jobs, for those who hand work over and look what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict, TypeVar, Union

from google.protobuf.message import Message

from . import v1
from ._again import until_answered
from ._backoff import LAST_OF_WORK, Backoff
from ._client_line import ClientLine
from ._failures import refused
from ._pages import Page, over_all
from ._reading import read_uploaded
from ._times import duration, timestamp
from ._watching import JobWatch
from .errors import RialtoError
from .job import Job
from .new_job import JobOptions, JobPayload, NewJob, Uploaded, state_of
from .schedule import Schedule, ScheduleStatus
from .target import durability_name
from .upload import Source, Upload

if TYPE_CHECKING:
    from typing_extensions import Unpack

M = TypeVar("M", bound=Message)

_JOBS_MAX = 1000
_WAIT = 60.0
_ONE_WAIT = 30.0
_MARGIN = 5.0


@dataclass(frozen=True)
class Enqueued:
    """A job was taken."""

    id: str
    """Its name in the queue."""
    duplicate: bool
    """It was there before: under its name, or one that has its unique key."""
    durability: str
    """What it outlives: `memory`, `fsync`, `replicated` or `stored`."""


EnqueueOutcome = Union[Enqueued, RialtoError]
"""What became of one of several jobs: taken, or the refusal."""


class JobFilter(TypedDict, total=False):
    """Which jobs are meant."""

    states: Sequence[str]
    """Only in these states, as `waiting`."""
    type: str
    attributes: Mapping[str, str]
    """Only with all of these."""
    batch: str
    """Only of this batch."""
    enqueued_from: datetime
    enqueued_before: datetime


class Jobs:
    """A queue. Calls are made once, but for `enqueue`, `upload`, `read`, `wait` and `watch`, which go on
    after failures that pass."""

    def __init__(self, line: ClientLine, namespace: str, queue: str) -> None:
        self._line = line
        self._place = (namespace, queue)

    async def enqueue(
        self,
        payload: JobPayload | NewJob = None,
        *,
        deadline: float | None = None,
        **options: Unpack[JobOptions],
    ) -> Enqueued:
        """Puts a job in; it is one job, however often it is said. Raises its refusal."""
        job = payload if isinstance(payload, NewJob) else NewJob(payload, **options)
        outcome = (await self.enqueue_all([job], deadline=deadline))[0]
        if isinstance(outcome, RialtoError):
            raise outcome
        return outcome

    async def enqueue_all(
        self, jobs: Sequence[NewJob], *, deadline: float | None = None
    ) -> Sequence[EnqueueOutcome]:
        """Puts up to 1,000 jobs in. Each is taken or refused by itself."""
        if len(jobs) > _JOBS_MAX:
            raise RialtoError("invalid", f"{len(jobs)} jobs are more than {_JOBS_MAX}")
        if not jobs:
            return []
        request = v1.EnqueueRequest(jobs=[job.to_wire() for job in jobs])
        within = self._line.deadline if deadline is None else deadline
        answer = await until_answered(
            lambda left: self._ask("Enqueue", request, v1.EnqueueResponse, left), within
        )
        if len(answer.outcomes) != len(jobs):
            raise RialtoError("other", f"of {len(jobs)} jobs {len(answer.outcomes)} were answered")
        return [_outcome(outcome, answer.durability) for outcome in answer.outcomes]

    async def upload(self, source: Source, *, progress: Callable[[int], object] | None = None) -> Uploaded:
        """Uploads a payload that is too large for a job. `progress` is told how many bytes are stored."""
        return await Upload(self._line, *self._place, progress).run(source)

    def read(self, uploaded: Uploaded, offset: int = 0) -> AsyncIterator[bytes]:
        """The bytes of an uploaded payload from one on, as long as a job has it that has not ended well."""
        return read_uploaded(self._line, *self._place, uploaded, offset)

    async def get(self, id: str, *, deadline: float | None = None) -> Job:
        """One job as it is now."""
        return Job((await self._ask("GetJob", v1.GetJobRequest(job_id=id), v1.GetJobResponse, deadline)).job)

    async def wait(self, id: str, timeout: float = _WAIT) -> Job:
        """One job once it has ended, in whatever way; `timed_out` when it has not within so many seconds."""
        loop = asyncio.get_running_loop()
        until, backoff = loop.time() + timeout, Backoff(LAST_OF_WORK)
        while (left := until - loop.time()) > 0:
            span = min(left, _ONE_WAIT)
            request = v1.WaitJobRequest(job_id=id, timeout=duration(span))
            try:
                job = Job((await self._ask("WaitJob", request, v1.WaitJobResponse, span + _MARGIN)).job)
            except RialtoError as error:
                if not error.passes:
                    raise
                await asyncio.sleep(min(backoff.next(error.after or 0.0), max(0.0, until - loop.time())))
                continue
            backoff = Backoff(LAST_OF_WORK)
            if job.ended:
                return job
        raise RialtoError(
            "timed_out", f"the job has not ended within {timeout} seconds", may_have_happened=False
        )

    def watch(self, ids: str | Iterable[str] | None = None) -> JobWatch:
        """Jobs as they are and then each change: named ones, at most 64, until all have ended; without
        names all of the queue."""
        names = [ids] if isinstance(ids, str) else ids
        return JobWatch(self._line, *self._place, None if names is None else list(names))

    async def page(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        deadline: float | None = None,
        **which: Unpack[JobFilter],
    ) -> Page[Job]:
        """A page of jobs, the last one put in first."""
        request = v1.ListJobsRequest(
            states=[state_of(state) for state in which.get("states", ())],
            type=which.get("type", ""),
            attributes=which.get("attributes", {}),
            batch_id=which.get("batch", ""),
            page_size=page_size,
            page_token=page_token,
        )
        if "enqueued_from" in which:
            request.enqueued_from.CopyFrom(timestamp(which["enqueued_from"]))
        if "enqueued_before" in which:
            request.enqueued_before.CopyFrom(timestamp(which["enqueued_before"]))
        found = await self._ask("ListJobs", request, v1.ListJobsResponse, deadline)
        return Page([Job(job) for job in found.jobs], found.next_page_token)

    def list(self, **which: Unpack[JobFilter]) -> AsyncIterator[Job]:
        """All jobs that are meant, the last one put in first."""
        return over_all(lambda token: self.page(page_token=token, **which))

    async def cancel(self, id: str, reason: str = "", *, deadline: float | None = None) -> Job:
        """Ends a job that waits, and asks the worker of one that runs to end it."""
        request = v1.CancelJobRequest(job_id=id, reason=reason)
        return Job((await self._ask("CancelJob", request, v1.CancelJobResponse, deadline)).job)

    async def pause_job(self, id: str, *, deadline: float | None = None) -> Job:
        """Pauses a job that waits, and asks the worker of one that runs to give it back."""
        return Job(
            (await self._ask("PauseJob", v1.PauseJobRequest(job_id=id), v1.PauseJobResponse, deadline)).job
        )

    async def resume_job(self, id: str, *, deadline: float | None = None) -> Job:
        """Has a paused job go on."""
        request = v1.ResumeJobRequest(job_id=id)
        return Job((await self._ask("ResumeJob", request, v1.ResumeJobResponse, deadline)).job)

    async def redrive(self, ids: Iterable[str] | None = None, *, deadline: float | None = None) -> int:
        """Gives dead jobs all their attempts again: these, at most 1,000, or without names all. Returns
        how many."""
        names = None if ids is None else [*ids]
        if names == []:
            return 0
        request = v1.RedriveJobsRequest(job_ids=names)
        return (await self._ask("RedriveJobs", request, v1.RedriveJobsResponse, deadline)).redriven_count

    async def close_batch(self, id: str, *, deadline: float | None = None) -> Job:
        """No more jobs are put into the batch that the job of this name completes."""
        request = v1.CloseBatchRequest(batch_id=id)
        return Job((await self._ask("CloseBatch", request, v1.CloseBatchResponse, deadline)).job)

    async def queue(self, *, deadline: float | None = None) -> v1.Queue:
        """The queue as it is now."""
        return (await self._ask("GetQueue", v1.GetQueueRequest(), v1.GetQueueResponse, deadline)).queue

    async def set(self, settings: v1.QueueSettings, *, deadline: float | None = None) -> v1.Queue:
        """Sets what holds in the queue; what is not set has its default."""
        request = v1.SetQueueRequest(settings=settings)
        return (await self._ask("SetQueue", request, v1.SetQueueResponse, deadline)).queue

    async def pause(self, *, deadline: float | None = None) -> v1.Queue:
        """Begins no more jobs; what runs goes on."""
        return (await self._ask("PauseQueue", v1.PauseQueueRequest(), v1.PauseQueueResponse, deadline)).queue

    async def resume(self, *, deadline: float | None = None) -> v1.Queue:
        """Begins jobs again."""
        return (
            await self._ask("ResumeQueue", v1.ResumeQueueRequest(), v1.ResumeQueueResponse, deadline)
        ).queue

    async def purge(self, *, deadline: float | None = None) -> int:
        """Cancels all jobs that are not running. Returns how many."""
        return (
            await self._ask("PurgeQueue", v1.PurgeQueueRequest(), v1.PurgeQueueResponse, deadline)
        ).cancelled_count

    async def put_schedule(self, schedule: Schedule, *, deadline: float | None = None) -> ScheduleStatus:
        """Makes a schedule, or changes the one of that name."""
        request = v1.PutScheduleRequest(schedule=schedule.to_wire())
        return ScheduleStatus.of(
            (await self._ask("PutSchedule", request, v1.PutScheduleResponse, deadline)).schedule
        )

    async def delete_schedule(self, id: str, *, deadline: float | None = None) -> None:
        """Ends a schedule. The jobs that it has put in stay."""
        request = v1.DeleteScheduleRequest(schedule_id=id)
        await self._ask("DeleteSchedule", request, v1.DeleteScheduleResponse, deadline)

    async def schedules(self, *, deadline: float | None = None) -> Sequence[ScheduleStatus]:
        """All schedules of the queue, by name."""
        answer = await self._ask(
            "ListSchedules", v1.ListSchedulesRequest(), v1.ListSchedulesResponse, deadline
        )
        return [ScheduleStatus.of(status) for status in answer.schedules]

    async def _ask(self, method: str, request: Message, response: type[M], deadline: float | None) -> M:
        """One call about this queue."""
        request.namespace, request.queue = self._place  # type: ignore[attr-defined]
        return await self._line.call(f"JobService/{method}", request, response, deadline)


def _outcome(outcome: v1.EnqueueOutcome, durability: int) -> EnqueueOutcome:
    if outcome.WhichOneof("outcome") == "refused":
        return refused(outcome.refused)
    taken = outcome.enqueued
    return Enqueued(taken.job_id, taken.duplicate, durability_name(durability))
