"""Sessions, namespaces and rooms for programs without an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import history as aio_history
from .. import namespace as aio_namespace
from .. import presence as aio_presence
from .. import room as aio_room
from .. import session as aio
from .. import state as aio_state
from .._positions import Position
from .._settings import SessionOptions
from ..content import Payload
from ..status import Status
from ..target import EmitOptions, Target
from ._background import Background, Handle, blocking, direct, iterating
from ._events import Replies, hearing

if TYPE_CHECKING:
    from typing_extensions import Unpack


class History(Handle[aio_history.History]):
    """A way through the history of one room."""

    page = blocking(aio_history.History.page)
    pages = iterating(aio_history.History.pages)
    events = blocking(aio_history.History.events)
    __iter__ = iterating(aio_history.History.__aiter__)


class Presence(Handle[aio_presence.Presence]):
    """Who is in one room."""

    counts = blocking(aio_presence.Presence.counts)
    members = blocking(aio_presence.Presence.members)
    users = blocking(aio_presence.Presence.users)
    changes = iterating(aio_presence.Presence.changes)

    @property
    def current(self) -> aio_presence.Present | None:
        """Who is there now; nothing unless the room is joined with `presence`. Needs a session."""
        return self._background.do(lambda: self._inner.current)


class State(Handle[aio_state.State]):
    """The keyed state of one room."""

    get = blocking(aio_state.State.get)
    page = blocking(aio_state.State.page)
    set = blocking(aio_state.State.set)
    remove = blocking(aio_state.State.remove)
    watch = iterating(aio_state.State.watch)

    @property
    def current(self) -> dict[str, aio_state.StateEntry] | None:
        """All keys now; nothing unless the room is joined with `state`. Needs a session."""
        current = self._background.do(lambda: self._inner.current)
        return None if current is None else dict(current)


class Room(Handle[aio_room.Room]):
    """A room, as a session sees it."""

    join = blocking(aio_room.Room.join)
    part = blocking(aio_room.Room.part)
    emit = blocking(aio_room.Room.emit)
    events = hearing(aio_room.Room.events)
    on = hearing(aio_room.Room.on)

    @property
    def name(self) -> str:
        """Its name."""
        return self._inner.name

    @property
    def status(self) -> aio_room.RoomStatus:
        """Where the session is with it."""
        return self._background.do(lambda: self._inner.status)

    @property
    def position(self) -> Position | None:
        """How far its history was handed on, also after it was left; nothing when it keeps none."""
        return self._background.do(lambda: self._inner.position)

    @property
    def presence(self) -> Presence:
        """Who is in it."""
        return Presence(self._inner.presence, self._background)

    @property
    def state(self) -> State:
        """Its keyed state."""
        return State(self._inner.state, self._background)

    def history(self, **start: Unpack[aio_history.HistoryStart]) -> History:
        """What it keeps; see `rialto.Room.history`."""
        return History(self._inner.history(**start), self._background)

    def emit_with_replies(
        self, event: str, payload: Payload = None, *, timeout: float = 5.0, **options: Unpack[EmitOptions]
    ) -> Replies:
        """Asks its members for an answer, for so many seconds, at most 60. Returns when the server has
        taken the question."""
        asking = self._inner.emit_with_replies(event, payload, timeout=timeout, **options)
        return Replies(self._background.run(asking), self._background)


class Namespace(Handle[aio_namespace.Namespace]):
    """Rooms and events of one namespace."""

    enter = blocking(aio_namespace.Namespace.enter)
    leave = blocking(aio_namespace.Namespace.leave)
    join = blocking(aio_namespace.Namespace.join)
    part = blocking(aio_namespace.Namespace.part)
    emit_to = blocking(aio_namespace.Namespace.emit_to)
    call = blocking(aio_namespace.Namespace.call)
    events = hearing(aio_namespace.Namespace.events)
    on = hearing(aio_namespace.Namespace.on)

    @property
    def name(self) -> str:
        """Its name."""
        return self._inner.name

    def room(self, name: str) -> Room:
        """A room. Sends nothing."""
        return Room(self._inner.room(name), self._background)

    def emit_to_with_replies(
        self,
        target: Target,
        event: str,
        payload: Payload = None,
        *,
        timeout: float = 5.0,
        **options: Unpack[EmitOptions],
    ) -> Replies:
        """Asks all of a target for an answer; see `Room.emit_with_replies`."""
        asking = self._inner.emit_to_with_replies(target, event, payload, timeout=timeout, **options)
        return Replies(self._background.run(asking), self._background)


class Session(Handle[aio.Session]):
    """A session that was opened by `connect`. It reconnects by itself, goes on where it was, and ends with
    `close`."""

    refresh = blocking(aio.Session.refresh)
    ping = blocking(aio.Session.ping)
    clear_offline_buffer = direct(aio.Session.clear_offline_buffer)
    retry_now = direct(aio.Session.retry_now)
    events = hearing(aio.Session.events)
    reports = iterating(aio.Session.reports)
    statuses = iterating(aio.Session.statuses)

    def __init__(self, inner: aio.Session, background: Background) -> None:
        super().__init__(inner, background)
        self._open = True

    @property
    def id(self) -> str:
        """Its id, which others see as the sender of events; it becomes another one when the session cannot
        go on."""
        return self._inner.id

    @property
    def user(self) -> str:
        """The user, as the server understood the credentials; empty while it is not attached."""
        return self._inner.user

    @property
    def status(self) -> Status:
        """Where it is."""
        return self._inner.status

    def namespace(self, name: str) -> Namespace:
        """A namespace. Sends nothing."""
        return Namespace(self._inner.namespace(name), self._background)

    def close(self) -> None:
        """Sends what was handed over before, tells the server, and ends."""
        if self._open:
            self._open = False
            try:
                self._background.run(self._inner.close())
            finally:
                self._background.leave()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(url: str, **options: Unpack[SessionOptions]) -> Session:
    """Opens a session at an address that begins with `http://` or `https://`; use it with `with`, or close
    it.

    Fails at once with what went wrong when the first attempt fails, unless it is to `wait_for_server`.
    """
    background = Background.enter()
    try:
        return Session(background.run(aio.connect(url, **options)._open()), background)
    except BaseException:
        background.leave()
        raise
