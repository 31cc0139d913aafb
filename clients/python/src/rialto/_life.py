"""The owner of a session's connection: connects, greets, converses, and after an ending waits or stops as
`_step.py` says. One task a session."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from . import _wire, v1
from ._backoff import STABLE, Backoff
from ._conversation import Conversation, Opening
from ._failures import closed_here, refused
from ._feed import Feeds
from ._link import Link
from ._renewal import Renewal
from ._settings import Settings
from ._step import Ending, How, next_step
from .errors import RialtoError
from .reports import Overlooked, Reconnected, Report
from .status import Arrival, Attached, Closed, Connecting, Limits, Status, Waiting
from .token import Credentials, Token

M = TypeVar("M", bound=Message)
T = TypeVar("T")
_log = logging.getLogger("rialto")


class Life:
    """One session's life, through all its streams."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.settings = settings
        self.link = Link(settings)
        self.reports: Feeds[Report] = Feeds(Overlooked)
        self.statuses: Feeds[Status] = Feeds()
        self.first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the session is attached for the first time; fails when it never is."""
        self._address = _wire.Address.of(url, settings.certificates)
        self._credentials = Credentials(settings.token)
        self._backoff = Backoff()
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._turned_down = False
        self._lost_by = RialtoError("other")
        self._channel: grpc.aio.Channel | None = None
        self._metadata: _wire.Metadata = ()
        self._conversation: Conversation | None = None
        self._task = asyncio.ensure_future(self._run())

    # What the session asks of it.

    async def close(self) -> None:
        """Ends the session: what was handed over before is sent, then the server is told."""
        self._stop.set()
        if self._conversation:
            self._conversation.goodbye()
        await asyncio.wait({self._task})

    def retry_now(self) -> None:
        """Tries at once instead of later."""
        self._hurry.set()

    def handed_in(self, text: str) -> None:
        """The application has replaced its token."""
        self._credentials.replace(text)

    async def call(self, path: str, request: Message, response: type[M], deadline: float | None) -> M:
        """One call beside the stream, over its connection."""
        loop = asyncio.get_running_loop()
        until = loop.time() + (self.settings.deadline if deadline is None else deadline)
        await self.link.attached(until)
        channel = self._channel
        if channel is None:
            raise self.link.unavailable()
        left = max(0.0, until - loop.time())
        return await _wire.unary(channel, path, request, response, timeout=left, metadata=self._metadata)

    # Its own course.

    async def _run(self) -> None:
        try:
            self._finish(await self._live())
        except Exception as error:
            _log.error("a session has failed", exc_info=error)
            self._finish(RialtoError("other", f"the session has failed: {error!r}"))
        finally:
            await self._disconnect()

    async def _live(self) -> RialtoError:
        while True:
            self._become(Connecting())
            resuming = self.link.kept.resumes
            ending = await self._attempt()
            if self._stop.is_set():
                return closed_here()
            may_renew = self._credentials.renewable and not self._turned_down
            step = next_step(ending, resuming=resuming, may_renew=may_renew)
            if step.forget:
                self.link.kept.forget()
            if step.stay or (self._is_first and not self.settings.wait_for_server and not step.new_token):
                return ending.cause
            self._turned_down = self._turned_down or step.new_token
            self._lost_by = ending.cause
            await self._wait(
                step.not_before if step.at_once else self._backoff.next(step.not_before), ending.cause
            )
            if self._stop.is_set():
                return closed_here()

    @property
    def _is_first(self) -> bool:
        return not self.first.done()

    async def _attempt(self) -> Ending:
        """One stream: opens it, and uses it until it ends."""
        try:
            opened = await self._unless_stopped(self._open_in_time())
        except RialtoError as error:
            return Ending(How.GREETING, error)
        if opened is None:
            return Ending(How.GREETING, closed_here())
        if isinstance(opened, Ending):
            return opened
        opening, token = opened
        if not self.link.kept.fits(opening.welcome):
            self.link.kept.forget()
            return Ending(How.STREAM, RialtoError("other", "another session was resumed than was asked for"))
        renewal = Renewal(self._credentials, token, self.reports, self._in_force)
        self._conversation = Conversation(opening, self.link, self.reports, renewal)
        return await self._converse(opening, self._conversation)

    async def _converse(self, opening: Opening, conversation: Conversation) -> Ending:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._attached(opening)
        if self._stop.is_set():
            conversation.goodbye()
        try:
            return await conversation.run()
        finally:
            self._conversation = None
            opening.call.cancel()
            lasted = loop.time() - began
            self._backoff.lasted(lasted)
            if lasted >= STABLE:
                self._turned_down = False

    def _attached(self, opening: Opening) -> None:
        welcome, kept = opening.welcome, self.link.kept
        before = kept.session_id
        kept.welcomed(welcome, opening.joins, asyncio.get_running_loop().time())
        arrival: Arrival = "first" if not before else "resumed" if welcome.resumed else "afresh"
        limits = Limits.of(welcome.limits)
        self._become(Attached(welcome.session_id, welcome.user, welcome.node, limits, arrival))
        if before:
            self.reports.tell(Reconnected(before, welcome.session_id, welcome.resumed, self._lost_by))
        if self._is_first:
            self.first.set_result(None)

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What comes of some work; nothing when the session is to end before."""
        task, stop = asyncio.ensure_future(work), asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            stop.cancel()
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _open_in_time(self) -> tuple[Opening, Token] | Ending:
        try:
            return await asyncio.wait_for(self._open(), self.settings.connect_timeout)
        except asyncio.TimeoutError:
            reason = f"no welcome within {self.settings.connect_timeout} seconds"
            raise RialtoError("unavailable", reason) from None

    async def _open(self) -> tuple[Opening, Token] | Ending:
        """Connects and greets; done when the welcome has come, or something in its place."""
        token = await self._credentials.fetch_to_begin()
        metadata = _wire.bearer(token.text)
        hello = self._hello(token)
        self._channel = self._address.open()
        call = _wire.both_ways(self._channel, "MessagingService/Attach", v1.AttachRequest, v1.AttachResponse)
        self._metadata = metadata
        try:
            return await self._greet(call, hello, token)
        except BaseException:
            call.cancel()
            raise

    async def _greet(
        self,
        call: grpc.aio.StreamStreamCall[v1.AttachRequest, v1.AttachResponse],
        hello: v1.Hello,
        token: Token,
    ) -> tuple[Opening, Token] | Ending:
        try:
            await _wire.write(call, v1.AttachRequest(frames=[v1.ClientFrame(hello=hello)]))
            message = await _wire.read(call)
            while not message.frames:
                message = await _wire.read(call)
        except _wire.EndOfStream:
            return Ending(How.GREETING, RialtoError("unavailable", "the server has ended the stream"))
        except RialtoError as error:
            return Ending(How.GREETING, _of_greeting(error))
        frame = message.frames[0]
        which = frame.WhichOneof("frame")
        if which == "welcome":
            return Opening(call, frame.welcome, message, list(hello.joins)), token
        if which == "close":
            return Ending.by_close(How.GREETING, frame.close)
        if which == "refused":
            return Ending(How.GREETING, refused(frame.refused))
        return Ending(How.GREETING, RialtoError("other", "the greeting was answered by something else"))

    def _hello(self, token: Token) -> v1.Hello:
        hello = self.link.kept.greeting()
        hello.token, hello.user = token.text, self.settings.user
        hello.attributes.update(self.settings.attributes)
        hello.client.name, hello.client.version = self.settings.program
        return hello

    def _in_force(self, text: str) -> None:
        self._metadata = _wire.bearer(text)

    async def _wait(self, wait: float, cause: RialtoError) -> None:
        self._hurry.clear()
        self._become(Waiting(datetime.now(timezone.utc) + timedelta(seconds=wait), cause))
        self.link.kept.lost()
        await self._disconnect()
        hurry = asyncio.ensure_future(self._hurry.wait())
        try:
            await self._unless_stopped(_first_of(hurry, wait))
        finally:
            hurry.cancel()

    def _become(self, status: Status) -> None:
        if isinstance(status, Connecting) and isinstance(self.link.status, Connecting):
            return
        self.link.status = status
        self.statuses.tell(status)
        self.link.moved.beat()

    async def _disconnect(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    def _finish(self, cause: RialtoError) -> None:
        over = RialtoError(
            "closed", cause.reason, code=cause.code or ("CLOSED" if self._stop.is_set() else "")
        )
        self._become(Closed(over))
        self.link.kept.outbox.close(over)
        self.link.audience.end()
        self.reports.end()
        self.statuses.end()
        if self._is_first:
            self.first.set_exception(cause)
            self.first.exception()


async def _first_of(future: asyncio.Future[Any], within: float) -> None:
    await asyncio.wait({future}, timeout=within)


def _of_greeting(error: RialtoError) -> RialtoError:
    """Before its welcome nothing of a session can have happened."""
    if error.kind in ("unknown_outcome", "timed_out"):
        return RialtoError("unavailable", error.reason)
    return error
