"""A session: one client's presence at the server, over all its connections."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from . import v1
from ._audience import Interest, Stream
from ._feed import Feed
from ._life import Life
from ._settings import SessionOptions, Settings
from .event import Event
from .namespace import Namespace
from .reports import Report
from .status import Attached, Status

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Session:
    """A session that was opened by `connect`. It reconnects by itself, goes on where it was, and ends with
    `close`."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._link = life.link

    @property
    def id(self) -> str:
        """Its id, which others see as the sender of events; it becomes another one when the session cannot
        go on."""
        return self._link.kept.session_id

    @property
    def user(self) -> str:
        """The user, as the server understood the credentials; empty while it is not attached."""
        status = self._link.status
        return status.user if isinstance(status, Attached) else ""

    @property
    def status(self) -> Status:
        """Where it is: `connecting`, `attached`, `waiting` or `closed`."""
        return self._link.status

    def statuses(self) -> Feed[Status]:
        """Each change of the status from now on, until it is closed."""
        return self._life.statuses.begin()

    def reports(self) -> Feed[Report]:
        """What happens to the session from now on, apart from events. A reader that is behind loses the
        oldest and is told so."""
        return self._life.reports.begin()

    def namespace(self, name: str) -> Namespace:
        """A namespace. Sends nothing."""
        return Namespace(self._life, name)

    def events(self) -> Stream[Event]:
        """All events of the session from now on."""
        return self._link.audience.events(Interest())

    def clear_offline_buffer(self) -> int:
        """Gives up all emits that wait for the connection; each fails with `CLEARED`. Returns how many."""
        cleared = self._link.kept.outbox.backlog.clear()
        self._link.moved.beat()
        return cleared

    async def refresh(self, token: str, *, deadline: float | None = None) -> None:
        """Hands in a new token of the same user."""
        await self._link.ask(v1.ClientFrame(refresh=v1.Refresh(token=token)), "refreshed", deadline)
        self._life.handed_in(token)

    async def ping(self, *, deadline: float | None = None) -> None:
        """Asks the server for a sign of life."""
        await self._link.ask(v1.ClientFrame(ping=v1.Ping()), "pong", deadline)

    def retry_now(self) -> None:
        """Tries to connect at once instead of when the wait is over."""
        self._life.retry_now()

    async def close(self) -> None:
        """Sends what was handed over before, tells the server, and ends. Everything that is asked later
        fails with `closed`."""
        await self._life.close()

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class Connecting:
    """A session that is being opened: await it, or use it with `async with`, which closes the session at
    the end."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._url = url
        self._settings = settings
        self._session: Session | None = None

    def __await__(self) -> Generator[Any, None, Session]:
        return self._open().__await__()

    async def __aenter__(self) -> Session:
        self._session = await self._open()
        return self._session

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def _open(self) -> Session:
        life = Life(self._url, self._settings)
        try:
            await asyncio.shield(life.first)
        except BaseException:
            # Nothing is left behind, whether it failed or nobody waits any more.
            await life.close()
            raise
        return Session(life)


def connect(url: str, **options: Unpack[SessionOptions]) -> Connecting:
    """Opens a session at an address that begins with `http://` or `https://`.

    Fails at once with what went wrong when the first attempt fails, unless it is to `wait_for_server`.
    """
    return Connecting(url, Settings(**options))
