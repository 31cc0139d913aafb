"""What a worker knows of its jobs, over all its streams: which it has, what became of them and was not
confirmed, what is to be said of them. Pure; `_shift.py` says and hears."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto

from . import v1
from .errors import RialtoError
from .outcome import INVALID_OUTCOME, invalid_outcome
from .worker_job import Said, WorkerJob

_ITEMS_MAX = 1_000
_BYTES_MAX = 512 << 10
_ITEM_BYTES = 256
"""What an item takes beside what it carries."""
_OVER = (v1.LEASE_OUTCOME_LEASE_LOST, v1.LEASE_OUTCOME_NOT_FOUND)


class Stage(Enum):
    """How far a job is."""

    WORKING = auto()
    NOW = auto()
    """Its outcome is to be said now."""
    LATER = auto()
    """Its outcome is to be said again, with the next extension at the latest."""
    SENT = auto()
    """Its outcome is on its way."""


@dataclass(eq=False)
class Entry:
    """A job that is here."""

    token: str
    job: WorkerJob
    said: Said
    stage: Stage = Stage.WORKING
    settlement: v1.Settlement | None = None
    lost: bool = False
    """Somebody else has it."""
    due: bool = False
    """It is to be said that its lease goes on, and what is new of it."""


Tell = Callable[[RialtoError, WorkerJob], None]
"""Tells the application that something is wrong with a job, while the worker goes on."""


class Working:
    """The jobs of a worker."""

    def __init__(
        self, make: Callable[[v1.Lease, Said], WorkerJob], changed: Callable[[], None], tell: Tell
    ) -> None:
        self._make = make
        self._changed = changed
        self._tell = tell
        self._entries: dict[str, Entry] = {}
        self._settling: dict[int, list[str]] = {}
        self._extending: dict[int, list[v1.Extension]] = {}
        self._requests = 0

    @property
    def is_done(self) -> bool:
        """There is no job of which something is to be said."""
        return not self._entries

    @property
    def lost_count(self) -> int:
        """Jobs that somebody else has, and that are still worked on here."""
        return sum(entry.lost for entry in self._entries.values())

    @property
    def has_news(self) -> bool:
        """A job that is worked on has said something."""
        return any(e.stage is Stage.WORKING and e.said.is_new and not e.lost for e in self._entries.values())

    def leased(self, leases: Iterable[v1.Lease]) -> list[Entry]:
        """Jobs have come. Returns those that are new."""
        new = []
        for lease in leases:
            if lease.token not in self._entries:
                said = Said(self._changed)
                entry = self._entries[lease.token] = Entry(lease.token, self._make(lease, said), said)
                new.append(entry)
        return new

    def done(self, token: str, settlement: v1.Settlement) -> None:
        """A job is over, in whatever way. Of one that is lost nothing is to be said."""
        entry = self._entries.get(token)
        if entry is None:
            return
        if entry.lost:
            del self._entries[token]
            return
        entry.settlement, entry.stage = settlement, Stage.NOW
        if settlement.WhichOneof("outcome") == "completed":
            entry.said.forget()
        # What was left last is for the next attempt, so it goes first.
        entry.due = entry.said.is_new

    def settlements(self) -> v1.SettleRequest | None:
        """What is to be said of some jobs that are over. Of those of which news are due the news come
        first."""
        request, size = v1.SettleRequest(), 0
        for entry in self._entries.values():
            if entry.stage is not Stage.NOW or entry.due or entry.settlement is None:
                continue
            bytes_more = entry.settlement.ByteSize() + _ITEM_BYTES
            if len(request.items) == _ITEMS_MAX or (request.items and size + bytes_more > _BYTES_MAX):
                break
            entry.stage = Stage.SENT
            size += bytes_more
            request.items.append(entry.settlement)
        if not request.items:
            return None
        request.request_id = self._next_request()
        self._settling[request.request_id] = [item.token for item in request.items]
        return request

    def settled(self, response: v1.SettleResponse) -> None:
        """What became of that."""
        tokens = self._settling.pop(response.request_id, [])
        for place, token in enumerate(tokens):
            entry = self._entries.get(token)
            if entry is None or entry.stage is not Stage.SENT:
                continue
            outcome = (
                response.outcomes[place] if place < len(response.outcomes) else v1.LEASE_OUTCOME_TEMPORARY
            )
            self._confirmed(entry, outcome)

    def _confirmed(self, entry: Entry, outcome: int) -> None:
        if outcome == v1.LEASE_OUTCOME_OK:
            del self._entries[entry.token]
        elif outcome in _OVER:
            del self._entries[entry.token]
            self._tell(_lease_lost("its outcome was said too late"), entry.job)
        elif outcome == v1.LEASE_OUTCOME_INVALID:
            self._refused(entry)
        else:
            entry.stage = Stage.LATER

    def _refused(self, entry: Entry) -> None:
        """The server takes no such outcome, and would not the next time."""
        reason = "the server takes no such outcome"
        self._tell(RialtoError("refused", reason, code="INVALID", advice="never"), entry.job)
        settlement = entry.settlement
        if settlement is not None and settlement.failed.code == INVALID_OUTCOME:
            del self._entries[entry.token]
            return
        entry.settlement, entry.stage = invalid_outcome(entry.token, reason), Stage.NOW

    def tick(self) -> None:
        """It is time to say of each job that it goes on, and to say again what was to be said later."""
        for entry in self._entries.values():
            if entry.stage is Stage.LATER:
                entry.stage = Stage.NOW
                entry.due = entry.said.is_new
            elif entry.stage is Stage.WORKING:
                entry.due = not entry.lost

    def news(self) -> None:
        """It is time to say how far jobs have come, of which there are news."""
        for entry in self._entries.values():
            if entry.stage is Stage.WORKING and entry.said.is_new and not entry.lost:
                entry.due = True

    def extensions(self) -> v1.ExtendRequest | None:
        """Which leases are to go on, some of them."""
        request, size = v1.ExtendRequest(), 0
        for entry in self._entries.values():
            if not entry.due:
                continue
            bytes_more = entry.said.size + _ITEM_BYTES
            if len(request.items) == _ITEMS_MAX or (request.items and size + bytes_more > _BYTES_MAX):
                break
            entry.due = False
            size += bytes_more
            request.items.append(entry.said.take(entry.token))
        if not request.items:
            return None
        request.request_id = self._next_request()
        self._extending[request.request_id] = list(request.items)
        return request

    def extended(self, response: v1.ExtendResponse) -> None:
        """What became of that."""
        sent = self._extending.pop(response.request_id, [])
        for place, extension in enumerate(sent):
            entry = self._entries.get(extension.token)
            outcome = (
                response.outcomes[place] if place < len(response.outcomes) else v1.LEASE_OUTCOME_TEMPORARY
            )
            if entry is not None and outcome != v1.LEASE_OUTCOME_OK:
                self._not_extended(entry, extension, outcome)
        self.cancel(response.cancelling)
        self.pause(response.pausing)

    def _not_extended(self, entry: Entry, extension: v1.Extension, outcome: int) -> None:
        if outcome in _OVER:
            # Of one that is over the answer to its outcome decides.
            if entry.stage is Stage.WORKING:
                self._lose(entry)
        elif outcome == v1.LEASE_OUTCOME_INVALID:
            reason = "the server takes no such progress or checkpoint"
            self._tell(RialtoError("refused", reason, code="INVALID", advice="never"), entry.job)
            # Without them the lease can go on.
            entry.due = extension.HasField("progress") or extension.HasField("checkpoint")
        else:
            entry.said.put_back(extension)
            if entry.stage is Stage.NOW and entry.said.is_new:
                # It is over, and what it has left still goes first.
                entry.stage = Stage.LATER

    def cancel(self, tokens: Iterable[str]) -> None:
        """Somebody wants jobs cancelled."""
        for token in tokens:
            if token in self._entries:
                self._entries[token].job.cancelled.fire("CANCELLED")

    def pause(self, tokens: Iterable[str]) -> None:
        """Somebody wants jobs paused; one that is to be cancelled is not."""
        for token in tokens:
            entry = self._entries.get(token)
            if entry is not None and not entry.job.cancelled.is_set():
                entry.job.to_pause.fire("PAUSED")

    def disconnected(self) -> None:
        """The stream is lost: what was not answered is said again over the next one."""
        for extensions in self._extending.values():
            for extension in extensions:
                entry = self._entries.get(extension.token)
                if entry is not None:
                    entry.said.put_back(extension)
                    entry.due = entry.said.is_new and not entry.lost
        for entry in self._entries.values():
            if entry.stage in (Stage.SENT, Stage.LATER):
                entry.stage = Stage.NOW
        self._settling.clear()
        self._extending.clear()

    def reconnected(self, *, resumed: bool) -> None:
        """Another stream is there. When the server does not know the session any more the leases are lost."""
        if not resumed:
            for entry in list(self._entries.values()):
                if entry.stage is Stage.WORKING:
                    self._lose(entry)
        self.tick()

    def abandon(self, reason: str) -> None:
        """The worker gives all of it up."""
        for entry in self._entries.values():
            entry.job.cancelled.fire(reason)

    def _lose(self, entry: Entry) -> None:
        if entry.lost:
            return
        entry.lost, entry.due = True, False
        entry.job.cancelled.fire("LEASE_LOST")
        self._tell(_lease_lost("somebody else has the job, or it has ended"), entry.job)
        self._changed()

    def _next_request(self) -> int:
        self._requests = self._requests % ((1 << 32) - 1) + 1
        return self._requests


def _lease_lost(reason: str) -> RialtoError:
    return RialtoError("lease_lost", reason, code="LEASE_LOST")
