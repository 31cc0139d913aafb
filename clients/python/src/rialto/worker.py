"""Doing jobs."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Optional, TypeVar

from . import v1
from ._client_line import ClientLine
from ._shift import Shift
from ._times import duration
from .content import Payload
from .errors import RialtoError
from .new_job import JobPayload
from .outcome import Fail, cut
from .worker_job import WorkerJob

_CONCURRENCY_MAX = 10_000
_QUEUES_MAX = 64
_NAME_BYTES_MAX = 128
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_log = logging.getLogger("rialto")

Work = Callable[[WorkerJob], Awaitable[Payload]]
"""Does one job; what it returns is the result. `Fail`, `Release` and `Discard` say that it was not done;
so does any other exception."""
Trouble = Callable[[RialtoError, Optional[WorkerJob]], object]
"""Is told when something is wrong, with a job or with the connection, and the worker goes on."""
W = TypeVar("W", bound=Work)


class Worker:
    """Does jobs of up to 64 queues, `concurrency` at once. Leases are extended by themselves while the
    work runs."""

    def __init__(
        self,
        line: ClientLine,
        name: str,
        *,
        concurrency: int,
        lease: float,
        signals: bool,
        on_trouble: Trouble | None,
    ) -> None:
        if not 1 <= concurrency <= _CONCURRENCY_MAX:
            raise RialtoError("invalid", f"a worker has 1 to {_CONCURRENCY_MAX} jobs at once")
        self._line = line
        self._signals = signals
        self._on_trouble = on_trouble or _log_trouble
        self._by_type: dict[str | None, Work] = {}
        self._shift: Shift | None = None
        self._ended = asyncio.Event()
        self._giving_up = asyncio.Event()
        self._hello = v1.WorkerHello(
            worker_id=cut(name or f"python@{socket.gethostname()}", _NAME_BYTES_MAX),
            lease_duration=duration(lease),
            credit=v1.WorkerCredit(jobs=concurrency),
        )

    def queue(self, namespace: str, queue: str, *, concurrency: int = 0, weight: int = 0) -> Worker:
        """Takes jobs of a queue too: at most `concurrency` at once, 0 for as many as there are, and
        `weight` in a turn."""
        if len(self._hello.subscriptions) >= _QUEUES_MAX:
            raise RialtoError("invalid", f"a worker has at most {_QUEUES_MAX} queues")
        self._hello.subscriptions.add(
            namespace=namespace, queue=queue, in_flight_max=concurrency, weight=weight
        )
        return self

    def job(self, type: str | None = None) -> Callable[[W], W]:
        """Has a function do the jobs of a type, or without one those of all others: `@worker.job("mail")`."""

        def register(work: W) -> W:
            self._by_type[type] = work
            return work

        return register

    async def run(self, work: Work | None = None) -> None:
        """Works until it is to stop: with one function for all jobs, or with those that were registered.

        Raises what does not pass, as a missing right. After anything else it goes on.
        """
        if not self._hello.subscriptions:
            raise RialtoError("invalid", "a worker needs a queue")
        if self._shift is not None:
            raise RialtoError("invalid", "the worker runs, or has run")
        self._line.check_open()
        self._shift = Shift(self._line, self._hello, work or self._do, self._tell, self._trouble)
        self._listen_to_signals()
        try:
            await self._run_or_give_up(self._shift)
        finally:
            self._forget_signals()
            self._ended.set()

    async def _run_or_give_up(self, shift: Shift) -> None:
        running = asyncio.ensure_future(shift.run())
        giving_up = asyncio.ensure_future(self._giving_up.wait())
        try:
            await asyncio.wait({running, giving_up}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
        finally:
            for task in (running, giving_up):
                task.cancel()
            await asyncio.gather(running, giving_up, return_exceptions=True)

    async def stop(self, timeout: float | None = None) -> None:
        """Takes no more jobs, lets running ones end, says what became of them, and returns when `run` has
        ended.

        With a limit in seconds what still runs then is given up: its `cancelled` fires with `CLOSED`.
        """
        if self._shift is None:
            return
        self.begin_to_stop()
        try:
            await asyncio.wait_for(self._ended.wait(), timeout)
        except asyncio.TimeoutError:
            self._giving_up.set()
            await self._ended.wait()

    def begin_to_stop(self) -> None:
        """The same without waiting for the end."""
        if self._shift is not None:
            self._shift.stop()

    async def _do(self, job: WorkerJob) -> JobPayload:
        work = self._by_type.get(job.type) or self._by_type.get(None)
        if work is None:
            raise Fail(f"this worker does no jobs of type {job.type!r}", code="TYPE_UNKNOWN")
        return await work(job)

    def _tell(self, error: RialtoError, job: WorkerJob | None) -> None:
        try:
            self._on_trouble(error, job)
        except Exception:
            _log.exception("what is told of trouble has failed")

    def _trouble(self, error: RialtoError) -> None:
        self._tell(error, None)

    def _listen_to_signals(self) -> None:
        if self._signals:
            loop = asyncio.get_running_loop()
            for number in _SIGNALS:
                loop.add_signal_handler(number, self._signalled)

    def _signalled(self) -> None:
        # A second one ends the process as usual.
        self._forget_signals()
        self.begin_to_stop()

    def _forget_signals(self) -> None:
        if self._signals:
            loop = asyncio.get_running_loop()
            for number in _SIGNALS:
                loop.remove_signal_handler(number)


def _log_trouble(error: RialtoError, job: WorkerJob | None) -> None:
    if job is None:
        _log.warning("the worker goes on: %s", error)
    else:
        _log.warning("job %s: %s", job.id, error)
