"""A client without a session, for services, scripts and workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Union

from . import v1
from ._client_line import ClientLine
from ._failures import refused
from ._settings import DEADLINE
from ._times import duration
from ._wire import Address
from .admin import Admin
from .content import Payload, encode, put
from .directory import Directory
from .errors import RialtoError
from .history import History, HistoryStart
from .jobs import Jobs
from .presence import Presence
from .replies import Reply
from .state import State
from .target import Accepted, PublishOptions, Target, event_of
from .token import Credentials, TokenSource
from .worker import Trouble, Worker

if TYPE_CHECKING:
    from typing_extensions import Unpack

_ANSWER_TIMEOUT = 5.0
_SERVER_MARGIN = 5.0
_BATCH_MAX = 256


@dataclass(frozen=True)
class Publication:
    """One event of a batch."""

    namespace: str
    target: Target | str
    """Whom it reaches; a text is a room."""
    event: str
    payload: Payload = None
    options: PublishOptions = field(default_factory=PublishOptions)


Outcome = Union[Accepted, RialtoError]
"""What became of one of several: taken, or the refusal."""


class Client:
    """Makes single calls. It connects when it is first used, within a running event loop, and again when the
    connection is lost.

    Every call has a deadline: `deadline` seconds unless it says otherwise.
    """

    def __init__(
        self,
        url: str,
        *,
        token: TokenSource = None,
        deadline: float = DEADLINE,
        certificates: bytes | None = None,
    ) -> None:
        self._line = ClientLine(Address.of(url, certificates), Credentials(token), deadline)

    async def publish(
        self,
        namespace: str,
        target: Target | str,
        event: str,
        payload: Payload = None,
        **options: Unpack[PublishOptions],
    ) -> Accepted:
        """Says an event. With an `idempotency_key` it can be said again when nobody knows whether it was
        taken."""
        request = _publication(Publication(namespace, target, event, payload, options))
        path = "MessagingService/Publish"
        answer = await self._line.call(path, request, v1.PublishResponse, options.get("deadline"))
        return Accepted.of(answer.accepted)

    async def publish_batch(
        self, publications: Sequence[Publication], *, deadline: float | None = None
    ) -> list[Outcome]:
        """Says up to 256 events, in order. Each is taken or refused by itself."""
        if len(publications) > _BATCH_MAX:
            raise RialtoError("invalid", f"{len(publications)} events are more than {_BATCH_MAX}")
        request = v1.PublishBatchRequest(entries=[_publication(each) for each in publications])
        path = "MessagingService/PublishBatch"
        answer = await self._line.call(path, request, v1.PublishBatchResponse, deadline)
        return [_outcome(outcome) for outcome in answer.outcomes]

    async def call(
        self,
        namespace: str,
        event: str,
        payload: Payload = None,
        *,
        session: str = "",
        any_of: str = "",
        content_type: str | None = None,
        timeout: float = _ANSWER_TIMEOUT,
    ) -> Reply:
        """Asks one session, or any one member of a room, for so many seconds, at most 60, and gives its
        answer."""
        content = v1.Content(event=event)
        put(encode(payload, content_type), content)
        request = v1.CallRequest(namespace=namespace, content=content, timeout=duration(timeout))
        if session:
            request.session = session
        else:
            request.any_of = any_of
        deadline = max(self._line.deadline, timeout + _SERVER_MARGIN)
        answer = await self._line.call("MessagingService/Call", request, v1.CallResponse, deadline)
        return Reply(answer.reply)

    def history(self, namespace: str, room: str, **start: Unpack[HistoryStart]) -> History:
        """What a room keeps; see `Room.history`."""
        return History(self._line, namespace, room, start)

    def presence(self, namespace: str, room: str) -> Presence:
        """Who is in a room; asked for only, since changes need a session."""
        return Presence(self._line, None, namespace, room)

    def state(self, namespace: str, room: str) -> State:
        """The keyed state of a room; without its changes, which need a session."""
        return State(self._line, None, namespace, room)

    @property
    def directory(self) -> Directory:
        """What there is, and acting on it, for operators and backends."""
        return Directory(self._line)

    @property
    def admin(self) -> Admin:
        """Acting on who may come in."""
        return Admin(self._line)

    def jobs(self, namespace: str, queue: str) -> Jobs:
        """A queue, for those who hand work over. Sends nothing."""
        return Jobs(self._line, namespace, queue)

    def worker(
        self,
        name: str = "",
        *,
        concurrency: int = 1,
        lease: float = 30.0,
        signals: bool = False,
        on_trouble: Trouble | None = None,
    ) -> Worker:
        """A worker; see `Worker`."""
        return Worker(
            self._line, name, concurrency=concurrency, lease=lease, signals=signals, on_trouble=on_trouble
        )

    async def close(self) -> None:
        """Ends the connection; calls that are under way fail with `closed`, and so do later ones."""
        await self._line.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _publication(publication: Publication) -> v1.PublishRequest:
    target = publication.target
    if isinstance(target, str):
        target = Target(rooms=[target])
    event = event_of(
        publication.namespace, target, publication.event, publication.payload, publication.options
    )
    return v1.PublishRequest(
        namespace=event.namespace,
        target=event.target,
        content=event.content,
        delivery=event.delivery,
        idempotency_key=event.idempotency_key,
    )


def _outcome(outcome: v1.PublishOutcome) -> Outcome:
    if outcome.WhichOneof("outcome") == "refused":
        return refused(outcome.refused)
    return Accepted.of(outcome.accepted)
