"""One stream, from its welcome to its end: frames out, frames in, and a clock. Never connects, and never
decides what comes after; `_life.py` does."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

import grpc

from . import _wire, v1
from ._command import Command, Purpose
from ._feed import Feeds
from ._intake import Intake
from ._link import Link
from ._outbox import FRAMES_PER_MESSAGE
from ._renewal import Renewal
from ._step import Ending, How
from ._times import seconds
from .errors import RialtoError
from .reports import Report

_SWEEP = 1.0
_BYE_TIMEOUT = 2.0
_SEEN_FRAMES = 64
_SEEN_TIME = 5.0
_GREETED_TIMEOUT = 10.0
_SILENCE = 2.5
_log = logging.getLogger("rialto")


@dataclass
class Opening:
    """A stream that has been welcomed."""

    call: grpc.aio.StreamStreamCall[v1.AttachRequest, v1.AttachResponse]
    welcome: v1.Welcome
    first: v1.AttachResponse
    """The message whose first frame is the welcome."""
    joins: list[v1.Join] = field(default_factory=list)
    """Joins that went with the greeting."""


class Conversation:
    """A stream in use."""

    def __init__(self, opening: Opening, link: Link, reports: Feeds[Report], renewal: Renewal) -> None:
        self._loop = asyncio.get_running_loop()
        self._opening = opening
        self._link = link
        self._kept = link.kept
        self._renewal = renewal
        self._intake = Intake(link, reports, drained=self._drained, refreshed=self._refreshed)
        now = self._loop.time()
        self._silence = seconds(opening.welcome.ping_interval) * _SILENCE
        self._heard_at = now
        self._began_at = now
        self._told = 0
        """The last frame that the server was told of."""
        self._tell_at: float | None = None
        self._move_from: float | None = None
        self._move_by: float | None = None
        self._stopping = False
        self._parting_by: float | None = None
        self._stirred = asyncio.Event()
        """The clock has another moment to look at."""
        self._ended: asyncio.Future[Ending] = self._loop.create_future()

    async def run(self) -> Ending:
        """Uses the stream until it ends."""
        self._told = self._kept.handed
        works = (self._listen(), self._speak(), self._watch_clock(), self._renewal.run(self._renew))
        tasks = [asyncio.ensure_future(work) for work in works]
        for task in tasks:
            task.add_done_callback(self._crashed)
        try:
            return await self._ended
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def goodbye(self) -> None:
        """Says what was handed over before, and then that the session is over."""
        self._stopping = True
        self._link.wake.set()

    def _end(self, ending: Ending) -> None:
        if not self._ended.done():
            self._ended.set_result(ending)

    def _crashed(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a stream is given up", exc_info=error)
            self._end(Ending(How.STREAM, RialtoError("other", f"the stream was given up: {error!r}")))

    # What comes.

    async def _listen(self) -> None:
        # One task for all that comes: one for each message costs as much as what is in it.
        try:
            await _wire.apart(self._hear())
        except _wire.EndOfStream:
            self._end(Ending(How.STREAM, RialtoError("unknown_outcome", "the server has ended the stream")))
        except RialtoError as error:
            self._end(Ending(How.STREAM, error))

    async def _hear(self) -> None:
        # What had found no room on the stream before is given first.
        await self._link.audience.parked.hand_over()
        message = self._opening.first
        while not await self._take(message):
            message = await _wire.next_message(self._opening.call)
            self._heard_at = self._loop.time()

    async def _take(self, message: v1.AttachResponse) -> bool:
        """Hands on what has come. True when it was the end."""
        for place, frame in enumerate(message.frames):
            number = message.first_seq + place if message.first_seq else 0
            if number and number <= self._kept.handed:
                continue
            if number > self._kept.handed + 1:
                reason = f"frame {number} came after frame {self._kept.handed}"
                self._end(Ending(How.STREAM, RialtoError("other", reason)))
                return True
            if frame.WhichOneof("frame") == "close":
                self._end(Ending.by_close(How.STREAM, frame.close))
                return True
            self._intake.take(frame)
            if number:
                self._kept.handed = number
                self._note_handed()
            if self._link.audience.parked:
                await self._link.audience.parked.hand_over()
                self._heard_at = self._loop.time()
        self._move_when_quiet()
        return False

    def _note_handed(self) -> None:
        if self._kept.handed - self._told >= _SEEN_FRAMES:
            self._tell_at = self._loop.time()
            self._link.wake.set()
        elif self._tell_at is None:
            self._tell_at = self._loop.time() + _SEEN_TIME

    # What goes.

    async def _speak(self) -> None:
        while True:
            self._link.wake.clear()
            frames = self._next_message()
            if frames:
                await self._write(frames)
                self._link.moved.beat()
                continue
            if self._stopping and self._parting_by is None and self._kept.outbox.is_empty:
                self._parting_by = self._loop.time() + _BYE_TIMEOUT
                self._stirred.set()
                await self._write([v1.ClientFrame(bye=v1.Bye())])
            await _set_within(self._link.wake, self._kept.outbox.wait(self._loop.time()))

    def _next_message(self) -> list[v1.ClientFrame]:
        now = self._loop.time()
        if self._parting_by is not None:
            return []
        frames = []
        if self._tell_at is not None and now >= self._tell_at:
            self._tell_at, self._told = None, self._kept.handed
            frames.append(v1.ClientFrame(seen=v1.Seen(seq=self._told)))
        moving = self._move_from is not None and now >= self._move_from
        commands = self._kept.outbox.next_message(now, FRAMES_PER_MESSAGE - len(frames), new=not moving)
        for frame in commands:
            if frame.WhichOneof("command") == "emit":
                self._kept.positions.emits(frame.emit)
        return frames + commands

    async def _write(self, frames: list[v1.ClientFrame]) -> None:
        try:
            await _wire.write(self._opening.call, v1.AttachRequest(frames=frames))
        except (RialtoError, _wire.EndOfStream):
            # The end of the stream is on its way to who listens, and says more.
            await asyncio.Event().wait()

    # The time.

    async def _watch_clock(self) -> None:
        while not self._ended.done():
            self._stirred.clear()
            now = self._loop.time()
            self._look(now)
            silent_at = self._heard_at + self._silence if self._silence else None
            moments = (self._tell_at, self._move_from, self._move_by, self._parting_by, silent_at)
            ahead = [at - now for at in moments if at is not None and at > now]
            await _set_within(self._stirred, min([_SWEEP, *ahead]))

    def _look(self, now: float) -> None:
        outbox = self._kept.outbox
        outbox.outstanding.sweep()
        self._ask_again(now)
        if self._link.audience.parked:
            # While the application is slow the silence is ours.
            self._heard_at = now
        if self._silence and now - self._heard_at >= self._silence:
            self._end(Ending(How.STREAM, RialtoError("unknown_outcome", "the server fell silent")))
        if self._parting_by is not None and now >= self._parting_by:
            self._end(Ending(How.STREAM, RialtoError("closed", code="CLOSED")))
        if outbox.outstanding.used_up:
            self._end(Ending(How.USED_UP, RialtoError("closed", code="SESSION_EXHAUSTED")))
        if self._tell_at is not None and now >= self._tell_at:
            self._link.wake.set()
        self._move_when_quiet()

    def _ask_again(self, now: float) -> None:
        """Joins whose time has come, and those of a greeting that was not answered."""
        due = [frame for at, frame in self._kept.later if at <= now]
        self._kept.later = [(at, frame) for at, frame in self._kept.later if at > now]
        if now - self._began_at >= _GREETED_TIMEOUT:
            due.extend(v1.ClientFrame(join=join) for join in self._kept.greeted)
            self._kept.greeted.clear()
        for frame in due:
            self._say(Command(frame, purpose=Purpose.REJOIN))

    def _say(self, command: Command) -> None:
        self._kept.outbox.say(command)
        self._link.wake.set()

    def _drained(self, drain: v1.Drain) -> None:
        if self._move_from is None:
            now = self._loop.time()
            delay = seconds(drain.delay)
            self._move_from = now + delay
            self._move_by = now + max(delay, seconds(drain.reconnect_within))
            self._stirred.set()

    def _move_when_quiet(self) -> None:
        if self._move_from is None or self._move_by is None:
            return
        now = self._loop.time()
        if now >= self._move_by or (now >= self._move_from and self._kept.outbox.outstanding.quiet):
            self._end(Ending(How.MOVED, RialtoError("closed", "the node stops", code="DRAINING")))

    # Tokens.

    def _renew(self, text: str) -> None:
        self._say(Command(v1.ClientFrame(refresh=v1.Refresh(token=text)), purpose=Purpose.RENEWAL))

    def _refreshed(self, refresh: v1.Refresh, refreshed: v1.Refreshed) -> None:
        life = seconds(refreshed.expires_in) if refreshed.HasField("expires_in") else None
        self._renewal.took(refresh.token, life)


async def _set_within(event: asyncio.Event, span: float | None) -> None:
    """Waits until something is said, or so many seconds are over."""
    try:
        await asyncio.wait_for(event.wait(), span)
    except asyncio.TimeoutError:
        return
