"""What outlives a stream: where the session wants to be, what it has heard, what it has said without an
answer. Says how the next stream is greeted, and what becomes of everything when the session goes on, and
when it was lost. Pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager

from . import v1
from ._command import Command, Purpose
from ._delta import Deltas
from ._membership import Membership
from ._outbox import Outbox
from ._positions import Positions
from ._settings import Settings
from ._times import seconds

_JOINS_PER_HELLO = 16


class Kept:
    """What is kept of a session between its streams, and of its predecessors."""

    def __init__(self, settings: Settings) -> None:
        self.membership = Membership()
        self.positions = Positions()
        self.deltas = Deltas()
        self.outbox = Outbox(settings.offline_buffer)
        self.greeted: deque[v1.Join] = deque()
        """Joins of the greeting that were not answered yet, in order."""
        self.later: list[tuple[float, v1.ClientFrame]] = []
        """Joins that the server wants to be asked for again, and when."""
        self.refilling: set[tuple[str, str]] = set()
        """Rooms that are being joined once more to know them whole."""
        self._joining: Counter[tuple[str, str]] = Counter()
        self.handed = 0
        """Number of the last frame that was handed on."""
        self.session_id = ""
        """Id of the session, or of the last one."""
        self._secret = ""
        self._held = False

    @property
    def resumes(self) -> bool:
        """Whether the session may go on with another stream."""
        return self._held

    @contextmanager
    def joining(self, join: v1.Join) -> Iterator[None]:
        """As long as the application waits for the answer to a join."""
        places = [(join.namespace, room) for room in join.rooms]
        self._joining.update(places)
        try:
            yield
        finally:
            self._joining.subtract(places)
            self._joining = +self._joining

    def is_joining(self, namespace: str, room: str) -> bool:
        """Whether the application waits for the answer to a join of a room."""
        return self._joining[namespace, room] > 0

    def greeting(self) -> v1.Hello:
        """How to greet on the next stream, but for who it is."""
        hello = v1.Hello(joins=self.membership.joins(self.positions)[:_JOINS_PER_HELLO])
        if self._held:
            hello.resume.CopyFrom(
                v1.Resume(
                    session_id=self.session_id, session_secret=self._secret, seq=self.handed, afresh=True
                )
            )
        return hello

    def fits(self, welcome: v1.Welcome) -> bool:
        """Whether a welcome is to what was asked for."""
        return not welcome.resumed or (self._held and welcome.session_id == self.session_id)

    def welcomed(self, welcome: v1.Welcome, joins: list[v1.Join], now: float) -> None:
        """A stream has begun: everything that was under way is put in its place."""
        limits = welcome.limits
        pace = self.outbox.pace
        pace.bounds(limits.emits_per_second, limits.emits_burst, now, goes_on=welcome.resumed)
        if welcome.resumed:
            self.outbox.resumed(welcome.last_ref)
        else:
            self._afresh(joins, now)
        self.session_id, self._secret = welcome.session_id, welcome.session_secret
        self._held = seconds(welcome.resume_window) > 0.0

    def _afresh(self, joins: list[v1.Join], now: float) -> None:
        if self.session_id:
            self.positions.ended(self.session_id)
        self.handed = 0
        self.later.clear()
        self.refilling.clear()
        self.deltas.forget()
        self.membership.afresh()
        self.greeted = deque(joins)
        first = [v1.ClientFrame(enter=enter) for enter in self.membership.enters()]
        beyond = self.membership.joins(self.positions)[len(joins) :]
        first.extend(v1.ClientFrame(join=join) for join in beyond)
        self.outbox.afresh([Command(frame, purpose=Purpose.REJOIN) for frame in first], now)

    def forget(self) -> None:
        """The session is known to be over."""
        self._held = False

    def lost(self) -> None:
        """There is no stream any more."""
        self.outbox.lost(session_over=not self._held)

    def parted(self, namespace: str, rooms: list[str] | None) -> None:
        """The session is no longer in these rooms, or in the whole namespace."""
        self.later = [(at, frame) for at, frame in self.later if not _brings_to(frame, namespace, rooms)]
        self.positions.parted(namespace, rooms)
        if rooms is None:
            self.membership.left(namespace)
        else:
            self.membership.parted(namespace, rooms)


def _brings_to(frame: v1.ClientFrame, namespace: str, rooms: list[str] | None) -> bool:
    if frame.WhichOneof("command") == "enter":
        return rooms is None and frame.enter.namespace == namespace
    here = frame.join.namespace == namespace
    return here and (rooms is None or any(room in rooms for room in frame.join.rooms))
