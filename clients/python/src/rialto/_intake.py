"""What each frame of the server means to the session: whom it is given to, and what changes by it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from . import v1
from ._command import Command, Purpose
from ._delta import Unmade
from ._failures import refused
from ._feed import Feeds
from ._link import Link
from ._membership import Wishes, join_of, one_by_one
from .errors import RialtoError
from .event import Event
from .replies import Reply
from .reports import Draining, Joined, Missed, Parted, Refused, Rejoined, RejoinRefused, Report, RoomState
from .state import change_of


class Intake:
    """Takes the frames of one stream, in their order. Kinds that it does not know are passed over."""

    def __init__(
        self,
        link: Link,
        reports: Feeds[Report],
        *,
        drained: Callable[[v1.Drain], None],
        refreshed: Callable[[v1.Refresh, v1.Refreshed], None],
    ) -> None:
        self._link = link
        self._kept = link.kept
        self._reports = reports
        self._drained = drained
        self._refreshed = refreshed

    def take(self, frame: v1.ServerFrame) -> None:
        """Takes one frame, but for `Welcome` and `Close`."""
        which = frame.WhichOneof("frame")
        if which == "event":
            self._event(frame.event)
        elif which == "presence":
            self._presence(frame.presence)
        elif which == "state_changes":
            self._state(frame.state_changes)
        elif which == "missed":
            self._kept.positions.missed(frame.missed)
            self._reports.tell(Missed.said(frame.missed))
        elif which == "drain":
            self._reports.tell(Draining())
            self._drained(frame.drain)
        elif which in (None, "ping", "welcome"):
            return
        elif frame.ref == 0 and self._answers_greeting(frame):
            self._greeted(self._kept.greeted.popleft(), frame)
        elif frame.ref == 0:
            self._unasked(frame)
        else:
            self._answer(frame)

    def _event(self, event: v1.Event) -> None:
        """Makes the payload whole first, also of an event that was handed on before: the next may build on
        it."""
        unmade = False
        if event.HasField("delta") or self._kept.membership.takes_deltas(event.namespace, event.rooms):
            try:
                self._kept.deltas.restore(event)
            except Unmade:
                unmade = True
        heard = self._kept.positions.heard(event)
        if not heard.new:
            return
        if unmade:
            self._reports.tell(Missed.unmade(event))
            for room in event.rooms:
                self._refill(event.namespace, room)
            return
        answer: Callable[[v1.Reply], Awaitable[None]] | None = None
        if event.reply_token:
            answer = partial(self._link.reply, session=self._kept.session_id)
        self._link.audience.hear(Event(event, past=heard.past, answer=answer))

    def _presence(self, presence: v1.Presence) -> None:
        disagrees = self._link.views.came_or_went(presence)
        # One that names nobody is said where names are too long to be told: another join would tell no more.
        if disagrees and (presence.joined or presence.left):
            self._refill(presence.namespace, presence.room)
        self._link.audience.came_or_went(presence)

    def _state(self, changes: v1.StateChanges) -> None:
        if not self._kept.membership.wishes(changes.namespace, changes.room).state:
            return
        told = self._link.views.changed(changes)
        if told is not None:
            entries, whole = told
            self._link.audience.changed(change_of(changes.namespace, changes.room, entries, whole=whole))

    def _refill(self, namespace: str, room: str) -> None:
        """Joins a room once more, once at a time, to know it whole."""
        place = (namespace, room)
        if place in self._kept.refilling or not self._kept.membership.wants(namespace, room):
            return
        self._kept.refilling.add(place)
        join = join_of(namespace, [room], self._kept.membership.wishes(namespace, room), [])
        self._say(Command(v1.ClientFrame(join=join), purpose=Purpose.REFILL))

    def _say(self, command: Command) -> None:
        self._kept.outbox.say(command)
        self._link.wake.set()

    def _answers_greeting(self, frame: v1.ServerFrame) -> bool:
        """The joins of a greeting are answered in order, and before anything else that has no number."""
        if not self._kept.greeted:
            return False
        join = self._kept.greeted[0]
        which: str | None = frame.WhichOneof("frame")
        if which != "joined":
            return which == "refused"
        return [state.room for state in frame.joined.rooms] == list(join.rooms)

    def _greeted(self, join: v1.Join, frame: v1.ServerFrame) -> None:
        if frame.WhichOneof("frame") == "refused":
            self._rejoin_refused(v1.ClientFrame(join=join), refused(frame.refused))
        else:
            self._rejoined(join, frame.joined)

    def _answer(self, frame: v1.ServerFrame) -> None:
        outstanding = self._kept.outbox.outstanding
        command = outstanding.answers(frame.ref)
        which = frame.WhichOneof("frame")
        if command is None:
            return
        if command.kind == "reply":
            outstanding.settle(command)
            if which == "refused":
                self._reports.tell(Refused(refused(frame.refused)))
        elif command.replies is not None:
            self._of_question(command, frame)
        else:
            outstanding.settle(command)
            if which == "refused":
                self._denied(command, refused(frame.refused))
            else:
                self._done(command, frame)
            command.succeed(frame)
        self._link.wake.set()

    def _of_question(self, command: Command, frame: v1.ServerFrame) -> None:
        outstanding, replies = self._kept.outbox.outstanding, command.replies
        assert replies is not None
        which = frame.WhichOneof("frame")
        if which == "accepted":
            outstanding.accepted(command)
            command.succeed(frame)
            if frame.accepted.duplicate:
                # It was taken from a session that is lost, and its answers went there.
                outstanding.settle(command)
                replies.end(RialtoError("unknown_outcome", "the session that asked was lost"))
        elif which == "replies":
            for item in frame.replies.items:
                self._link.audience.parked.offer(replies, Reply(item))
        elif which == "replies_done":
            outstanding.settle(command)
            self._link.audience.parked.offer(replies, frame.replies_done)
        else:
            outstanding.settle(command)
            command.succeed(frame)

    def _done(self, command: Command, frame: v1.ServerFrame) -> None:
        which, said = frame.WhichOneof("frame"), command.frame
        if command.kind == "join" and which == "joined":
            self._joined(command, frame.joined)
        elif command.kind == "part" and which == "parted":
            self._parted(said.part.namespace, list(said.part.rooms))
        elif command.kind == "enter" and which == "entered":
            self._kept.membership.entered(said.enter.namespace)
        elif command.kind == "leave" and which == "left":
            self._parted(said.leave.namespace, None)
        elif command.kind == "emit" and which == "accepted":
            self._kept.positions.accepted(said.emit, frame.accepted)
        elif command.kind == "refresh" and which == "refreshed":
            self._refreshed(said.refresh, frame.refreshed)

    def _denied(self, command: Command, error: RialtoError) -> None:
        if command.purpose is Purpose.REJOIN:
            self._rejoin_refused(command.frame, error)
        elif command.purpose is Purpose.REFILL:
            self._kept.refilling.discard((command.frame.join.namespace, command.frame.join.rooms[0]))
        elif command.purpose is Purpose.RENEWAL:
            self._reports.tell(Refused(error))

    def _joined(self, command: Command, joined: v1.Joined) -> None:
        join = command.frame.join
        if command.purpose is Purpose.REFILL:
            self._kept.refilling.discard((join.namespace, join.rooms[0]))
        if command.purpose is Purpose.REJOIN:
            self._rejoined(join, joined)
        else:
            self._arrived(join, joined)

    def _arrived(self, join: v1.Join, joined: v1.Joined) -> None:
        self._kept.positions.joined(join, joined)
        self._kept.membership.joined(join)
        for presence in self._link.views.joined(join, joined):
            self._link.audience.came_or_went(presence)
        self._link.moved.beat()

    def _rejoined(self, join: v1.Join, joined: v1.Joined) -> None:
        """Rooms of the session before are joined again. Where nothing says what came between, something
        may be missing."""
        self._arrived(join, joined)
        asked = {position.room for position in join.recover}
        for state in joined.rooms:
            if state.room not in asked or state.recovery == v1.RECOVERY_UNSPECIFIED:
                self._reports.tell(Missed.afresh(joined.namespace, state.room))
        self._reports.tell(Rejoined(joined.namespace, tuple(RoomState.of(state) for state in joined.rooms)))

    def _rejoin_refused(self, frame: v1.ClientFrame, error: RialtoError) -> None:
        """Rooms that cannot be joined again now are asked for later if the server says so, and given up
        otherwise."""
        join = frame.join
        if len(join.rooms) > 1:
            for one in one_by_one(join):
                self._say(Command(v1.ClientFrame(join=one), purpose=Purpose.REJOIN))
        elif error.advice == "later":
            again = v1.ClientFrame(join=join) if join.rooms else v1.ClientFrame(enter=frame.enter)
            self._kept.later.append((asyncio.get_running_loop().time() + (error.after or 0.0), again))
        else:
            rooms = list(join.rooms) or None
            namespace = join.namespace or frame.enter.namespace
            self._parted(namespace, rooms)
            self._reports.tell(RejoinRefused(namespace, rooms[0] if rooms else "", error))

    def _parted(self, namespace: str, rooms: list[str] | None) -> None:
        self._kept.parted(namespace, rooms)
        self._link.views.parted(namespace, rooms)
        self._link.moved.beat()

    def _unasked(self, frame: v1.ServerFrame) -> None:
        """What somebody else has done to this session, or a refusal of something that nobody waits for."""
        which = frame.WhichOneof("frame")
        if which == "refused":
            self._reports.tell(Refused(refused(frame.refused)))
        elif which == "joined":
            joined = frame.joined
            rooms = [state.room for state in joined.rooms]
            # A position is known of a room that the session is in, so that nothing of it is handed on twice.
            self._kept.positions.joined(join_of(joined.namespace, rooms, Wishes(), []), joined)
            self._kept.membership.brought(joined.namespace, rooms)
            self._reports.tell(Joined(joined.namespace, tuple(rooms)))
        elif which == "parted":
            self._parted(frame.parted.namespace, list(frame.parted.rooms))
            self._reports.tell(Parted(frame.parted.namespace, tuple(frame.parted.rooms)))
        elif which == "left":
            self._parted(frame.left.namespace, None)
            self._reports.tell(Parted(frame.left.namespace, ()))
