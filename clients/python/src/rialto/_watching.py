"""Watching jobs: over lost streams, without telling anything twice, and without missing what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Sequence
from typing import Any

from . import v1
from ._again import worth_again
from ._backoff import LAST_OF_WORK, Backoff
from ._client_line import ClientLine, Incoming
from ._wire import EndOfStream
from .errors import RialtoError
from .job import Job

NAMED_MAX = 64


class JobWatch(AsyncIterator[Job]):
    """Jobs as they are and then each change. It begins when it is awaited, or with the first job.

    Of named jobs it ends when all have ended. Of a whole queue it goes on for ever, and a job may come again.
    """

    def __init__(self, line: ClientLine, namespace: str, queue: str, ids: Sequence[str] | None) -> None:
        self._line = line
        self._place = (namespace, queue)
        self._left = None if ids is None else dict.fromkeys(ids)
        if self._left is not None and len(self._left) > NAMED_MAX:
            raise RialtoError("invalid", f"{len(self._left)} jobs are more than {NAMED_MAX}")
        self._told: dict[str, v1.Job] = {}
        self._resume = ""
        self._was_open = False
        self._backoff = Backoff(LAST_OF_WORK)
        self._opened_at: float | None = None
        self._stream: Incoming[v1.WatchJobsResponse] | None = None
        self._first: v1.WatchJobsResponse | None = None

    def __await__(self) -> Generator[Any, None, JobWatch]:
        return self._begin().__await__()

    async def _begin(self) -> JobWatch:
        """Opens it; done when the server watches."""
        if self._stream is None and not self._is_over:
            await self._open()
        return self

    @property
    def _is_over(self) -> bool:
        return self._left is not None and not self._left

    async def _open(self) -> None:
        namespace, queue = self._place
        request = v1.WatchJobsRequest(
            namespace=namespace, queue=queue, job_ids=list(self._left or ()), resume=self._resume
        )
        stream = await self._line.listen("JobService/WatchJobs", request, v1.WatchJobsResponse, None)
        try:
            self._first = await asyncio.wait_for(stream.read(), self._line.deadline)
        except asyncio.TimeoutError:
            stream.close()
            raise RialtoError("timed_out", "the watch has not begun in time") from None
        except BaseException:
            stream.close()
            raise
        self._stream, self._was_open = stream, True
        self._opened_at = asyncio.get_running_loop().time()

    async def __anext__(self) -> Job:
        while not self._is_over:
            message = await self._next()
            if message is not None and (job := self._take(message)) is not None:
                return job
        self.close()
        raise StopAsyncIteration

    async def _next(self) -> v1.WatchJobsResponse | None:
        """The next message; nothing when the stream was lost and is to be opened again."""
        try:
            if self._stream is None:
                await self._open()
            first, self._first = self._first, None
            if first is not None or self._stream is None:
                return first
            return await self._stream.read()
        except EndOfStream:
            await self._lost(RialtoError("unknown_outcome", "the server has ended the stream"))
        except RialtoError as error:
            await self._lost(error)
        return None

    async def _lost(self, error: RialtoError) -> None:
        self.close()
        renewable = self._line.credentials.renewable
        if not self._was_open or not worth_again(error, was_open=True, renewable=renewable):
            raise error
        opened_at, self._opened_at = self._opened_at, None
        if opened_at is not None:
            self._backoff.lasted(asyncio.get_running_loop().time() - opened_at)
        await asyncio.sleep(self._backoff.next(error.after or 0.0))

    def _take(self, message: v1.WatchJobsResponse) -> Job | None:
        self._resume = message.resume or self._resume
        if not message.HasField("job"):
            return None
        job = message.job
        if self._left is None:
            return Job(job)
        if self._told.get(job.job_id) == job:
            return None
        self._told[job.job_id] = job
        if job.HasField("end_time"):
            self._left.pop(job.job_id, None)
        return Job(job)

    def close(self) -> None:
        """Wants no more."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def __del__(self) -> None:
        self.close()
