"""The way from the handles of an application to the connection of its session: commands one way, answers
the other. Every wait in it has a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from . import v1
from ._audience import Audience
from ._command import COMMAND_BYTES_MAX, Command
from ._failures import refused
from ._kept import Kept
from ._queue import Queue
from ._settings import Settings
from ._views import Views
from .errors import RialtoError
from .replies import Reply
from .status import Attached, Closed, Connecting, Status, Waiting


class Pulse:
    """Wakes all who wait at a moment."""

    def __init__(self) -> None:
        self._waiting: asyncio.Future[None] | None = None

    async def next(self) -> None:
        """Waits for the next beat."""
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._waiting)

    def beat(self) -> None:
        """Now."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)


class Link:
    """What all handles of a session share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.kept = Kept(settings)
        self.audience = Audience(settings.events_waiting)
        self.views = Views()
        self.status: Status = Connecting()
        self.moved = Pulse()
        """The status has changed, or something has left."""
        self.wake = asyncio.Event()
        """There is something to send."""
        self._line = asyncio.Lock()
        self._in_line = 0

    async def ask(self, frame: v1.ClientFrame, wanted: str, deadline: float | None) -> v1.ServerFrame:
        """Carries out a command. Raises a refusal, and `other` for an answer of another kind than
        `wanted`."""
        answer: asyncio.Future[v1.ServerFrame] = asyncio.get_running_loop().create_future()
        return await self._exchange(Command(frame, answer=answer), answer, wanted, deadline)

    async def question(
        self, emit: v1.Emit, replies: Queue[Reply | v1.RepliesDone], deadline: float | None
    ) -> v1.ServerFrame:
        """Carries out an emit that asks; its answers go into a queue."""
        answer: asyncio.Future[v1.ServerFrame] = asyncio.get_running_loop().create_future()
        command = Command(v1.ClientFrame(emit=emit), answer=answer, replies=replies)
        try:
            return await self._exchange(command, answer, "accepted", deadline)
        except BaseException:
            replies.close()
            raise

    async def reply(self, reply: v1.Reply, session: str) -> None:
        """Hands over a reply of a session; done when it is on its way."""
        if self.kept.session_id != session:
            raise RialtoError("unavailable", "the session that was asked is over")
        await self.ask(v1.ClientFrame(reply=reply), "", None)

    async def _exchange(
        self, command: Command, answer: asyncio.Future[v1.ServerFrame], wanted: str, deadline: float | None
    ) -> v1.ServerFrame:
        if command.size > COMMAND_BYTES_MAX:
            reason = f"a command of {command.size} bytes is more than any server takes"
            raise RialtoError(
                "refused", reason, code="PAYLOAD_TOO_LARGE", advice="never", limit="payload_bytes_max"
            )
        within = self.settings.deadline if deadline is None else deadline
        until = asyncio.get_running_loop().time() + within
        try:
            await self._put(command, until)
            await self._await(command, answer, until)
            return _checked(answer.result(), wanted)
        except BaseException:
            self.kept.outbox.take_back(command)
            # Who stands in line may have its place.
            self.moved.beat()
            raise

    async def _put(self, command: Command, until: float) -> None:
        async with self._turn(until):
            while True:
                attached = isinstance(self.status, Attached)
                self._check_open()
                if command.volatile and not attached:
                    raise self.unavailable()
                if self.kept.outbox.backlog.offer(command, attached=attached):
                    self.wake.set()
                    return
                await self._until(self.moved.next(), until)

    @asynccontextmanager
    async def _turn(self, until: float) -> AsyncIterator[None]:
        """Who finds the buffer full waits in line, so that nobody overtakes."""
        if self._line.locked() or self._in_line:
            self._in_line += 1
            try:
                await self._until(self._line.acquire(), until)
            finally:
                self._in_line -= 1
        else:
            await self._line.acquire()
        try:
            yield
        finally:
            self._line.release()

    async def _until(self, wait: object, until: float) -> None:
        left = until - asyncio.get_running_loop().time()
        try:
            await asyncio.wait_for(wait, max(0.0, left))  # type: ignore[arg-type]
        except asyncio.TimeoutError:
            raise self.unavailable() from None

    async def _await(self, command: Command, answer: asyncio.Future[v1.ServerFrame], until: float) -> None:
        loop = asyncio.get_running_loop()
        age = self.settings.offline_buffer.age
        if age is not None and loop.time() + age < until:
            await asyncio.wait({answer}, timeout=age)
            if not answer.done() and command.sent_at is None:
                raise RialtoError("unsent", "it has waited too long for the connection", code="TOO_OLD")
        await asyncio.wait({answer}, timeout=max(0.0, until - loop.time()))
        if answer.done():
            return
        if command.sent_at is None:
            raise self.unavailable()
        raise RialtoError("timed_out", "no answer in time")

    async def attached(self, until: float) -> Attached:
        """Waits for the session to be attached."""
        while not isinstance(self.status, Attached):
            self._check_open()
            await self._until(self.moved.next(), until)
        return self.status

    def _check_open(self) -> None:
        if isinstance(self.status, Closed):
            raise self.over()

    def over(self) -> RialtoError:
        """Why nothing more can be said."""
        cause = self.status.cause if isinstance(self.status, Closed) else RialtoError("closed")
        return RialtoError("closed", cause.reason, code=cause.code)

    def unavailable(self) -> RialtoError:
        """Why nothing was sent."""
        if isinstance(self.status, Waiting):
            return RialtoError("unavailable", f"there is no connection: {self.status.cause}")
        if isinstance(self.status, Attached):
            return RialtoError("unavailable", "the connection takes no more for now")
        return RialtoError("unavailable", "not connected yet")


def _checked(frame: v1.ServerFrame, wanted: str) -> v1.ServerFrame:
    which = frame.WhichOneof("frame") or ""
    if which == "refused":
        raise refused(frame.refused)
    if which != wanted:
        raise RialtoError("other", f"the answer is {which or 'nothing that is known'} and not {wanted}")
    return frame
