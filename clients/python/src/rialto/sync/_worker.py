"""Doing jobs with plain functions, in threads."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import TypeVar

from .. import worker as aio
from .. import worker_job as aio_job
from ..content import Payload
from ..errors import RialtoError
from ..outcome import Fail
from ._background import Background, Iterating

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Notice:
    """Something that a job may be told, once."""

    def __init__(self, inner: aio_job.Notice, background: Background) -> None:
        self._inner = inner
        self._background = background

    @property
    def reason(self) -> str:
        """Why, as a code; empty before."""
        return self._inner.reason

    def is_set(self) -> bool:
        """Whether it was told."""
        return self._inner.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for it, so many seconds at most; returns whether it was told."""

        async def wait() -> None:
            try:
                await asyncio.wait_for(self._inner.wait(), timeout)
            except asyncio.TimeoutError:
                return

        self._background.run(wait())
        return self.is_set()


class WorkerJob(aio_job.JobData):
    """A job that is being worked on, from the thread of its function."""

    def __init__(self, job: aio_job.WorkerJob, background: Background) -> None:
        super().__init__(job._lease)
        self._job = job
        self._background = background
        self.cancelled = Notice(job.cancelled, background)
        """Somebody wants it cancelled (`CANCELLED`), its lease is lost (`LEASE_LOST`), or the worker gives
        it up (`CLOSED`): what is done from now on is for nothing."""
        self.to_pause = Notice(job.to_pause, background)
        """Somebody wants it paused: leave a checkpoint, and raise `Release` as soon as that is sensible."""

    def read(self, offset: int = 0) -> Iterating[bytes]:
        """The payload piece by piece from one byte on, whether it was uploaded or came with the job."""
        return Iterating(self._job.read(offset), self._background)

    def progress(self, done: int, total: int = 0, message: str = "") -> None:
        """Says how far the work has come, of a total that is 0 when it is not known. Sent a moment later;
        of several the newest."""
        self._background.do(lambda: self._job.progress(done, total, message))

    def checkpoint(self, checkpoint: bytes | str) -> None:
        """Leaves something for the next attempt, if this one does not complete. At most 64 KiB; of several
        the newest."""
        self._background.do(lambda: self._job.checkpoint(checkpoint))


Work = Callable[[WorkerJob], Payload]
"""Does one job; what it returns is the result."""
W = TypeVar("W", bound=Work)


class Worker:
    """Does jobs of up to 64 queues, each in a thread, `concurrency` at once."""

    def __init__(self, inner: aio.Worker, background: Background, concurrency: int, *, signals: bool) -> None:
        self._inner = inner
        self._background = background
        self._concurrency = concurrency
        self._signals = signals
        self._by_type: dict[str | None, Work] = {}

    def queue(self, namespace: str, queue: str, *, concurrency: int = 0, weight: int = 0) -> Worker:
        """Takes jobs of a queue too: at most `concurrency` at once, 0 for as many as there are, and
        `weight` in a turn."""
        self._inner.queue(namespace, queue, concurrency=concurrency, weight=weight)
        return self

    def job(self, type: str | None = None) -> Callable[[W], W]:
        """Has a function do the jobs of a type, or without one those of all others: `@worker.job("mail")`."""

        def register(work: W) -> W:
            self._by_type[type] = work
            return work

        return register

    def run(self, work: Work | None = None) -> None:
        """Works until it is to stop: with one function for all jobs, or with those that were registered.

        With `signals`, from the main thread alone, SIGTERM and SIGINT stop it, and a second one ends the
        process as usual.
        """
        before = self._listen_to_signals()
        pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="rialto-job")
        one = work or self._do

        async def perform(job: aio_job.WorkerJob) -> Payload:
            here = WorkerJob(job, self._background)
            return await asyncio.get_running_loop().run_in_executor(pool, one, here)

        try:
            self._background.run(self._inner.run(perform))
        finally:
            pool.shutdown(wait=False)
            _restore(before)

    def stop(self, timeout: float | None = None) -> None:
        """Takes no more jobs, lets running ones end, and returns when `run` has ended; from another thread
        than that of `run`."""
        self._background.run(self._inner.stop(timeout))

    def _do(self, job: WorkerJob) -> Payload:
        work = self._by_type.get(job.type) or self._by_type.get(None)
        if work is None:
            raise Fail(f"this worker does no jobs of type {job.type!r}", code="TYPE_UNKNOWN")
        return work(job)

    def _listen_to_signals(self) -> dict[signal.Signals, object]:
        if not self._signals:
            return {}
        if threading.current_thread() is not threading.main_thread():
            raise RialtoError("invalid", "signals come to the main thread only")
        before: dict[signal.Signals, object] = {number: signal.getsignal(number) for number in _SIGNALS}

        def signalled(number: int, frame: FrameType | None) -> None:
            _restore(before)
            self._background.post(self._inner.begin_to_stop)

        for number in _SIGNALS:
            signal.signal(number, signalled)
        return before


def _restore(before: dict[signal.Signals, object]) -> None:
    for number, how in before.items():
        signal.signal(number, how)  # type: ignore[arg-type]
