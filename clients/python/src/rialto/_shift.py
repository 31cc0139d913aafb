"""One run of a worker, over all its streams: opens them, speaks and hears, and has jobs worked on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from . import v1
from ._again import worth_again
from ._backoff import LAST_OF_WORK, Backoff
from ._client_line import ClientLine, Talk
from ._times import seconds
from ._wire import EndOfStream
from ._working import Entry, Tell, Working
from .errors import RialtoError
from .new_job import JobPayload
from .outcome import completed, invalid_outcome, not_done, released
from .worker_job import WorkerJob

_EXTENDED_AFTER = 1 / 3
_NEWS_APART = 0.2
_END_TIMEOUT = 10.0
_WELCOME_TIMEOUT = 10.0

Perform = Callable[[WorkerJob], Awaitable[JobPayload]]
_Talk = Talk[v1.WorkRequest, v1.WorkResponse]


class Shift:
    """A run of a worker."""

    def __init__(
        self,
        line: ClientLine,
        hello: v1.WorkerHello,
        perform: Perform,
        tell: Tell,
        trouble: Callable[[RialtoError], None],
    ) -> None:
        self._line = line
        self._hello = hello
        self._perform = perform
        self._tell = tell
        self._trouble = trouble
        self._concurrency = hello.credit.jobs
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()
        self._working = Working(lambda lease, said: WorkerJob(lease, said, line), self._wake.set, tell)
        self._waiting: deque[Entry] = deque()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._backoff = Backoff(LAST_OF_WORK)
        self._was_open = False
        self._lease = seconds(hello.lease_duration)

    async def run(self) -> None:
        """Works until it is to stop and owes nothing. Raises what does not pass."""
        try:
            while not (self._stop.is_set() and self._working.is_done):
                try:
                    await self._one_stream()
                except RialtoError as error:
                    renewable = self._line.credentials.renewable
                    if not worth_again(error, was_open=self._was_open, renewable=renewable):
                        raise
                    self._trouble(error)
                    await self._rest(self._backoff.next(error.after or 0.0))
        finally:
            await self._abandon()

    def stop(self) -> None:
        """Takes nothing more; what has not begun is given back."""
        self._stop.set()
        self._give_back()
        self._wake.set()

    async def _rest(self, wait: float) -> None:
        """Waits before the next attempt; one that owes nothing and is to stop does not."""
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            if not self._stop.is_set():
                await asyncio.wait({stop}, timeout=wait)
            if not self._working.is_done and self._stop.is_set():
                await asyncio.sleep(wait)
        finally:
            stop.cancel()

    async def _abandon(self) -> None:
        self._waiting.clear()
        self._working.abandon("CLOSED")
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # One stream.

    async def _one_stream(self) -> None:
        talk = await self._line.converse("WorkerService/Work", v1.WorkRequest, v1.WorkResponse)
        began = asyncio.get_running_loop().time()
        try:
            await asyncio.wait_for(self._greet(talk), _WELCOME_TIMEOUT)
            await self._converse(talk)
        except asyncio.TimeoutError:
            raise RialtoError("unavailable", "the worker was not welcomed in time") from None
        except EndOfStream:
            if not (self._stop.is_set() and self._working.is_done):
                raise RialtoError("unknown_outcome", "the server has ended the stream") from None
        finally:
            talk.close()
            self._working.disconnected()
            self._backoff.lasted(asyncio.get_running_loop().time() - began)

    async def _greet(self, talk: _Talk) -> None:
        await talk.write(v1.WorkRequest(hello=self._hello))
        message = await talk.read()
        while message.WhichOneof("frame") is None:
            message = await talk.read()
        if message.WhichOneof("frame") != "welcome":
            raise RialtoError("other", "the worker was greeted by something else")
        welcome = message.welcome
        self._was_open = True
        self._hello.resume = welcome.session
        self._lease = seconds(welcome.lease_duration) or self._lease
        self._working.reconnected(resumed=welcome.resumed)

    async def _converse(self, talk: _Talk) -> None:
        """Until the stream ends, or all is said and the server does not end it in time."""
        works = [asyncio.ensure_future(self._listen(talk)), asyncio.ensure_future(self._speak(talk))]
        try:
            done, _ = await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
            for work in done:
                work.result()
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)

    async def _listen(self, talk: _Talk) -> None:
        while True:
            message = await talk.read()
            which = message.WhichOneof("frame")
            if which == "leases":
                self._take(message.leases.leases)
            elif which == "settled":
                self._working.settled(message.settled)
            elif which == "extended":
                self._working.extended(message.extended)
            elif which == "cancel":
                self._working.cancel(message.cancel.tokens)
            elif which == "pause":
                self._working.pause(message.pause.tokens)
            self._wake.set()

    async def _speak(self, talk: _Talk) -> None:
        """Says what there is to say; returns when all is said and the server has not ended the stream in
        time."""
        loop = asyncio.get_running_loop()
        extend_at, news_at = loop.time() + self._lease * _EXTENDED_AFTER, 0.0
        credit, drained, end_by = self._concurrency, False, float("inf")
        while loop.time() < end_by:
            self._wake.clear()
            now = loop.time()
            if now >= extend_at:
                self._working.tick()
                extend_at = now + self._lease * _EXTENDED_AFTER
            if self._working.has_news and now >= news_at:
                self._working.news()
                news_at = now + _NEWS_APART
            await self._say_outcomes(talk)
            if credit != self._credit:
                credit = self._credit
                await talk.write(v1.WorkRequest(credit=v1.WorkerCredit(jobs=credit)))
            if self._stop.is_set() and not drained:
                drained = True
                await talk.write(v1.WorkRequest(drain=v1.WorkerDrain()))
            if drained and self._working.is_done:
                end_by = min(end_by, loop.time() + _END_TIMEOUT)
            moments = (extend_at, end_by, news_at if self._working.has_news else extend_at)
            await self._pause(min(moments) - loop.time())

    async def _say_outcomes(self, talk: _Talk) -> None:
        while (extend := self._working.extensions()) is not None:
            await talk.write(v1.WorkRequest(extend=extend))
        while (settle := self._working.settlements()) is not None:
            await talk.write(v1.WorkRequest(settle=settle))

    async def _pause(self, wait: float) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), max(0.0, wait))
        except asyncio.TimeoutError:
            return

    @property
    def _credit(self) -> int:
        """Jobs that somebody else has and that are still worked on here take a place."""
        return max(0, self._concurrency - self._working.lost_count)

    # Jobs.

    def _take(self, leases: Iterable[v1.Lease]) -> None:
        self._waiting.extend(self._working.leased(leases))
        if self._stop.is_set():
            self._give_back()
        self._begin()

    def _give_back(self) -> None:
        while self._waiting:
            entry = self._waiting.popleft()
            self._working.done(entry.token, released(entry.token))

    def _begin(self) -> None:
        """Begins as many as may run at once."""
        while self._waiting and len(self._running) < self._concurrency:
            entry = self._waiting.popleft()
            if entry.lost:
                self._working.done(entry.token, released(entry.token))
                continue
            self._running[entry.token] = asyncio.ensure_future(self._work_on(entry))

    async def _work_on(self, entry: Entry) -> None:
        try:
            settlement = await self._outcome(entry)
            self._working.done(entry.token, settlement)
        finally:
            del self._running[entry.token]
            self._begin()
            self._wake.set()

    async def _outcome(self, entry: Entry) -> v1.Settlement:
        try:
            result = await self._perform(entry.job)
        except asyncio.CancelledError as error:
            if entry.job.cancelled.reason == "CLOSED":
                raise
            return not_done(entry.token, error)
        except Exception as error:
            return not_done(entry.token, error)
        try:
            return completed(entry.token, result)
        except RialtoError as error:
            self._tell(error, entry.job)
            return invalid_outcome(entry.token, error.reason)
