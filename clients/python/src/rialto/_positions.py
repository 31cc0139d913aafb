"""How far each room with history was handed on: one position a room, and above it what came out of turn.
Never ahead of what was handed on. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from . import v1

_RANGES_MAX = 64
_FORMER_MAX = 16
_LEFT_MAX = 1024
"""Rooms that were left and whose positions are still told."""


@dataclass(frozen=True)
class Position:
    """A place in the history of a room: everything up to it was handed on."""

    epoch: str
    """Which life of the history the offset counts in."""
    offset: int
    """The last event; 0 before the first."""


@dataclass(frozen=True)
class Heard:
    """What positions know of an event."""

    new: bool
    """It was not handed on before."""
    past: bool
    """It was said before the session was a member."""


_KEPT_NOWHERE = Heard(new=True, past=False)
"""Of an event without a position nothing is known but that it has come."""


@dataclass
class _Room:
    epoch: str
    offset: int
    ranges: list[tuple[int, int]] = field(default_factory=list)
    """What was handed on above the offset, rising, without two that touch."""
    recovers_to: int = 0
    """What comes up to here comes out of the history, after a session was lost."""
    past_to: int = 0

    def has(self, offset: int) -> bool:
        return offset <= self.offset or any(first <= offset <= last for first, last in self.ranges)

    def advance(self, offset: int) -> None:
        """Everything up to there has come, or will not."""
        self.offset = max(self.offset, offset)
        while self.ranges and self.ranges[0][0] <= self.offset + 1:
            self.offset = max(self.offset, self.ranges.pop(0)[1])

    def mark(self, offset: int) -> None:
        """This one has come; those before it may still come."""
        if self.has(offset):
            return
        self.ranges.append((offset, offset))
        self.ranges.sort()
        joined: list[tuple[int, int]] = []
        for first, last in self.ranges:
            if joined and joined[-1][1] + 1 == first:
                joined[-1] = (joined[-1][0], last)
            else:
                joined.append((first, last))
        # To hear something twice is better than a gap, so the oldest mark goes and the position stays.
        self.ranges = joined[-_RANGES_MAX:]
        self.advance(self.offset)


class Positions:
    """Positions of the rooms that a session is in, over all its streams and successors."""

    def __init__(self) -> None:
        self._rooms: dict[tuple[str, str], _Room] = {}
        self._left: OrderedDict[tuple[str, str], Position] = OrderedDict()
        self._former: deque[str] = deque(maxlen=_FORMER_MAX)
        self._echoes = False

    def of(self, namespace: str, room: str) -> Position | None:
        """How far a room was handed on, also after it was left; nothing where no history is known."""
        place = self._rooms.get((namespace, room))
        return Position(place.epoch, place.offset) if place else self._left.get((namespace, room))

    def to_recover(self, namespace: str, rooms: Iterable[str]) -> list[v1.RoomPosition]:
        """What a join asks to recover from."""
        known = ((room, self._rooms.get((namespace, room))) for room in rooms)
        return [v1.RoomPosition(room=room, epoch=at.epoch, offset=at.offset) for room, at in known if at]

    def ended(self, session: str) -> None:
        """A session is over that others knew by this id."""
        self._former.append(session)

    def emits(self, emit: v1.Emit) -> None:
        """An emit goes out."""
        self._echoes = self._echoes or emit.target.include_sender

    def joined(self, join: v1.Join, joined: v1.Joined) -> None:
        """A join was answered."""
        asked = {position.room: position for position in join.recover}
        for state in joined.rooms:
            self._found(joined.namespace, state, asked.get(state.room), join.newest)

    def _found(self, namespace: str, state: v1.RoomState, asked: v1.RoomPosition | None, newest: int) -> None:
        place = (namespace, state.room)
        self._left.pop(place, None)
        if not state.HasField("offset"):
            self._rooms.pop(place, None)
            return
        oldest = min(max(0, state.first_offset - 1), state.offset)
        recovers = state.recovery in (v1.RECOVERY_WHOLE, v1.RECOVERY_PARTIAL)
        known = self._rooms.get(place)
        if known and known.epoch not in (state.epoch, ""):
            known = None
        if known and asked is None:
            # Joined once more: what came before has moved the position already.
            return
        if known and recovers:
            known.epoch, known.recovers_to, known.past_to = state.epoch, state.offset, state.offset
            return
        if known and known.epoch == state.epoch and known.offset <= state.offset:
            # The right to recover is missing.
            known.past_to = state.offset
            return
        recovers_to = 0
        if asked is not None:
            # Of another life, or a shorter one, everything that it keeps comes; without the right to it only
            # what is new does, and the position stays.
            stays = recovers or (asked.epoch == state.epoch and asked.offset <= state.offset)
            start, recovers_to = (asked.offset if stays else oldest), state.offset
        else:
            start = max(oldest, state.offset - newest) if newest else state.offset
        self._rooms[place] = _Room(state.epoch, start, recovers_to=recovers_to, past_to=state.offset)

    def heard(self, event: v1.Event) -> Heard:
        """Takes note of an event that is about to be handed on."""
        if not event.positions and not event.HasField("offset"):
            return _KEPT_NOWHERE
        own = not self._echoes and event.sender.session in self._former
        new, past = True, False
        places = list(self._places(event.namespace, event.rooms, event))
        for room, epoch, offset in places:
            if not room.epoch:
                room.epoch = epoch
            if room.epoch != epoch:
                room.epoch, room.offset, room.ranges, room.past_to = epoch, max(0, offset - 1), [], 0
                room.recovers_to = 0
            said = own and offset <= room.recovers_to
            new = new and not said and not room.has(offset)
            past = past or offset <= room.past_to
        for room, _, offset in places:
            # Events of one room come in their order; one to several rooms comes once, where the first of
            # them has it.
            if event.HasField("offset"):
                room.advance(offset)
            else:
                room.mark(offset)
        return Heard(new, past)

    def _places(
        self, namespace: str, rooms: Sequence[str], said: v1.Event | v1.Accepted
    ) -> Iterator[tuple[_Room, str, int]]:
        at = [(position.room, position.epoch, position.offset) for position in said.positions]
        if said.HasField("offset") and len(rooms) == 1:
            at.append((rooms[0], said.epoch, said.offset))
        for name, epoch, offset in at:
            room = self._rooms.get((namespace, name))
            if room:
                yield room, epoch, offset

    def accepted(self, emit: v1.Emit, accepted: v1.Accepted) -> None:
        """An own emit was taken: its event does not come, unless it was asked for."""
        # One that was taken from another session came as an event, or is still to come.
        if emit.target.include_sender or accepted.duplicate:
            return
        for room, epoch, offset in self._places(emit.namespace, emit.target.rooms, accepted):
            if not room.epoch:
                room.epoch = epoch
            # Events before it may still be gathered at the server, so the position does not jump.
            if room.epoch == epoch:
                room.mark(offset)

    def missed(self, missed: v1.Missed) -> None:
        """The server has told that events will not come."""
        if not missed.HasField("to_offset") or len(missed.rooms) != 1:
            return
        room = self._rooms.get((missed.namespace, missed.rooms[0]))
        if room and room.epoch == missed.epoch:
            room.advance(missed.to_offset)

    def parted(self, namespace: str, rooms: Iterable[str] | None) -> None:
        """The session is no longer in these rooms, or in the whole namespace."""
        names = [name for space, name in self._rooms if space == namespace] if rooms is None else list(rooms)
        for name in names:
            room = self._rooms.pop((namespace, name), None)
            if room:
                self._left[namespace, name] = Position(room.epoch, room.offset)
        while len(self._left) > _LEFT_MAX:
            self._left.popitem(last=False)
