"""Clients without a session, and queues, for programs without an event loop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .. import admin as aio_admin
from .. import client as aio
from .. import directory as aio_directory
from .. import jobs as aio_jobs
from .._settings import DEADLINE
from .._watching import JobWatch
from ..history import HistoryStart
from ..job import Job
from ..token import TokenSource
from ..worker import Trouble
from ._background import Background, Handle, Iterating, blocking, iterating
from ._session import History, Presence, State
from ._worker import Worker

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Directory(Handle[aio_directory.Directory]):
    """Namespaces, rooms, members and sessions."""

    namespaces = blocking(aio_directory.Directory.namespaces)
    namespace = blocking(aio_directory.Directory.namespace)
    create_namespace = blocking(aio_directory.Directory.create_namespace)
    update_namespace = blocking(aio_directory.Directory.update_namespace)
    delete_namespace = blocking(aio_directory.Directory.delete_namespace)
    rooms = blocking(aio_directory.Directory.rooms)
    room = blocking(aio_directory.Directory.room)
    members = blocking(aio_directory.Directory.members)
    session = blocking(aio_directory.Directory.session)
    join_members = blocking(aio_directory.Directory.join_members)
    part_members = blocking(aio_directory.Directory.part_members)
    disconnect_members = blocking(aio_directory.Directory.disconnect_members)
    update_attributes = blocking(aio_directory.Directory.update_attributes)
    watch_rooms = iterating(aio_directory.Directory.watch_rooms)


class Admin(Handle[aio_admin.Admin]):
    """Revocations."""

    revoke = blocking(aio_admin.Admin.revoke)
    revocations = blocking(aio_admin.Admin.revocations)
    reinstate = blocking(aio_admin.Admin.reinstate)


class Jobs(Handle[aio_jobs.Jobs]):
    """A queue, for those who hand work over and look what becomes of it."""

    enqueue = blocking(aio_jobs.Jobs.enqueue)
    enqueue_all = blocking(aio_jobs.Jobs.enqueue_all)
    upload = blocking(aio_jobs.Jobs.upload)
    read = iterating(aio_jobs.Jobs.read)
    get = blocking(aio_jobs.Jobs.get)
    wait = blocking(aio_jobs.Jobs.wait)
    page = blocking(aio_jobs.Jobs.page)
    list = iterating(aio_jobs.Jobs.list)
    cancel = blocking(aio_jobs.Jobs.cancel)
    pause_job = blocking(aio_jobs.Jobs.pause_job)
    resume_job = blocking(aio_jobs.Jobs.resume_job)
    redrive = blocking(aio_jobs.Jobs.redrive)
    close_batch = blocking(aio_jobs.Jobs.close_batch)
    queue = blocking(aio_jobs.Jobs.queue)
    set = blocking(aio_jobs.Jobs.set)
    pause = blocking(aio_jobs.Jobs.pause)
    resume = blocking(aio_jobs.Jobs.resume)
    purge = blocking(aio_jobs.Jobs.purge)
    put_schedule = blocking(aio_jobs.Jobs.put_schedule)
    delete_schedule = blocking(aio_jobs.Jobs.delete_schedule)
    schedules = blocking(aio_jobs.Jobs.schedules)

    def watch(self, ids: str | Iterable[str] | None = None) -> Iterating[Job]:
        """Jobs as they are and then each change; the server watches when it returns. See
        `rialto.Jobs.watch`."""

        async def begin() -> JobWatch:
            return await self._inner.watch(ids)

        return Iterating(self._background.run(begin()), self._background)


class Client(Handle[aio.Client]):
    """Makes single calls. Use it with `with`, or close it."""

    publish = blocking(aio.Client.publish)
    publish_batch = blocking(aio.Client.publish_batch)
    call = blocking(aio.Client.call)

    def __init__(
        self,
        url: str,
        *,
        token: TokenSource = None,
        deadline: float = DEADLINE,
        certificates: bytes | None = None,
    ) -> None:
        inner = aio.Client(url, token=token, deadline=deadline, certificates=certificates)
        super().__init__(inner, Background.enter())
        self._open = True

    def history(self, namespace: str, room: str, **start: Unpack[HistoryStart]) -> History:
        """What a room keeps."""
        return History(self._inner.history(namespace, room, **start), self._background)

    def presence(self, namespace: str, room: str) -> Presence:
        """Who is in a room."""
        return Presence(self._inner.presence(namespace, room), self._background)

    def state(self, namespace: str, room: str) -> State:
        """The keyed state of a room."""
        return State(self._inner.state(namespace, room), self._background)

    @property
    def directory(self) -> Directory:
        """What there is, and acting on it, for operators and backends."""
        return Directory(self._inner.directory, self._background)

    @property
    def admin(self) -> Admin:
        """Acting on who may come in."""
        return Admin(self._inner.admin, self._background)

    def jobs(self, namespace: str, queue: str) -> Jobs:
        """A queue, for those who hand work over."""
        return Jobs(self._inner.jobs(namespace, queue), self._background)

    def worker(
        self,
        name: str = "",
        *,
        concurrency: int = 1,
        lease: float = 30.0,
        signals: bool = False,
        on_trouble: Trouble | None = None,
    ) -> Worker:
        """A worker, whose functions run in threads, `concurrency` at once."""
        inner = self._inner.worker(name, concurrency=concurrency, lease=lease, on_trouble=on_trouble)
        return Worker(inner, self._background, concurrency, signals=signals)

    def close(self) -> None:
        """Ends the connection; calls that are under way fail with `closed`, and so do later ones."""
        if self._open:
            self._open = False
            try:
                self._background.run(self._inner.close())
            finally:
                self._background.leave()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
