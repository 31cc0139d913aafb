"""A room, as a session sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ._audience import Interest, Stream
from ._positions import Position
from .content import Payload
from .event import Event
from .history import History, HistoryStart
from .presence import Presence
from .reports import RoomState
from .state import State
from .status import Attached, Closed
from .target import Accepted, EmitOptions, Target

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._life import Life
    from .namespace import Namespace
    from .replies import Replies

RoomStatus = Literal["out", "joining", "in", "recovering"]
"""Where a session is with a room: `recovering` while its stream is lost, or until another session has
joined it again."""


class Room:
    """A room. Two handles of the same names mean the same one."""

    def __init__(self, namespace: Namespace, life: Life, name: str) -> None:
        self.namespace = namespace
        self.name = name
        self._life = life
        self._link = life.link
        self._place = (namespace.name, name)

    async def join(
        self,
        *,
        newest: int = 0,
        presence: bool = False,
        state: bool = False,
        delta: bool = False,
        recover: Position | None = None,
        deadline: float | None = None,
    ) -> RoomState:
        """Joins; what is said from then on is heard, over reconnects too. To join again as a member is
        harmless.

        `newest`: so many events of the history come first, at most 300. `recover`: all after that position
        comes first. `presence`, `state`: who is there and the keyed state are kept up. `delta`: payloads
        may travel as differences.
        """
        joined = await self.namespace.join(
            [self.name],
            newest=newest,
            presence=presence,
            state=state,
            delta=delta,
            recover={self.name: recover} if recover else None,
            deadline=deadline,
        )
        return joined[0]

    async def part(self, *, deadline: float | None = None) -> bool:
        """Parts; nothing more is heard. Returns whether the session was in it."""
        return self.name in await self.namespace.part([self.name], deadline=deadline)

    @property
    def status(self) -> RoomStatus:
        """Where the session is with it."""
        kept = self._link.kept
        if isinstance(self._link.status, Closed):
            return "out"
        if kept.membership.is_in(*self._place):
            return "in" if isinstance(self._link.status, Attached) else "recovering"
        if kept.membership.wants(*self._place):
            return "recovering"
        return "joining" if kept.is_joining(*self._place) else "out"

    @property
    def position(self) -> Position | None:
        """How far its history was handed on, also after it was left; nothing when it keeps none."""
        return self._link.kept.positions.of(*self._place)

    async def emit(self, event: str, payload: Payload = None, **options: Unpack[EmitOptions]) -> Accepted:
        """Says an event to its members; done when the server has taken it."""
        return await self.namespace.emit_to(Target(rooms=[self.name]), event, payload, **options)

    async def emit_with_replies(
        self, event: str, payload: Payload = None, *, timeout: float = 5.0, **options: Unpack[EmitOptions]
    ) -> Replies:
        """Asks its members for an answer, for so many seconds, at most 60. Done when the server has taken
        the question."""
        target = Target(rooms=[self.name])
        return await self.namespace.emit_to_with_replies(target, event, payload, timeout=timeout, **options)

    def events(self) -> Stream[Event]:
        """All its events from now on."""
        return self._link.audience.events(Interest(self.namespace.name, self.name))

    def on(self, event: str) -> Stream[Event]:
        """Its events of one name from now on."""
        return self._link.audience.events(Interest(self.namespace.name, self.name, event))

    def history(self, **start: Unpack[HistoryStart]) -> History:
        """What it keeps. At most one of `newest`, `from_`, `before` and `since`; without one it goes
        backward from the newest."""
        return History(self._life, *self._place, start)

    @property
    def presence(self) -> Presence:
        """Who is in it."""
        return Presence(self._life, self._link, *self._place)

    @property
    def state(self) -> State:
        """Its keyed state."""
        return State(self._life, self._link, *self._place)
