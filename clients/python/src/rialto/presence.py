"""Who is in a room: asked for, or told as it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import v1
from ._pages import Page
from .errors import RialtoError

if TYPE_CHECKING:
    from ._audience import Stream
    from ._line import Line
    from ._link import Link

_NAMED_MAX = 256


@dataclass(frozen=True)
class Member:
    """A session in a room."""

    session: str
    user: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    away: bool = False
    """Its stream is lost; it may come back."""

    @classmethod
    def of(cls, member: v1.Member) -> Member:
        """A member as the server names it."""
        return cls(member.who.session, member.who.user, dict(member.attributes), member.away)


@dataclass(frozen=True)
class UserPresence:
    """A user in a room."""

    user: str
    sessions: int
    """How many of its sessions are members."""
    away: bool
    """All of them are away."""


@dataclass(frozen=True)
class Counts:
    """How many are in a room."""

    sessions: int
    users: int
    """Sessions of one user count once, sessions without a user each."""
    nodes_missing: tuple[str, ...] = ()
    """Nodes that did not answer: who is with them is not counted."""


@dataclass(frozen=True)
class PresenceChange:
    """Members came, changed or went."""

    namespace: str
    room: str
    joined: tuple[Member, ...]
    """Who came, or whose attributes changed, or who is away or back."""
    left: tuple[Member, ...]
    """Who went."""
    sessions: int
    """How many there are now."""
    users: int


@dataclass(frozen=True)
class Present:
    """Who is in a room now, as far as it is known."""

    members: Mapping[str, Member]
    """By session."""
    sessions: int
    users: int
    complete: bool
    """All are named. Rooms of more than 256 members are counted only."""


class PresenceView:
    """Who is in a room that was joined with `presence`, made of what the server says. Pure."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self._sessions = 0
        self._users = 0

    @property
    def current(self) -> Present:
        """As it is now."""
        complete = len(self._members) == self._sessions
        return Present(dict(self._members), self._sessions, self._users, complete)

    @property
    def disagrees(self) -> bool:
        """Names and count differ although all could be named: the room is to be joined again."""
        return self._sessions <= _NAMED_MAX and len(self._members) != self._sessions

    def found(self, namespace: str, state: v1.RoomState) -> v1.Presence | None:
        """A join was answered. What is different from what was known, as the server would have told it."""
        before, counts_before = self._members, (self._sessions, self._users)
        self._members = {member.who.session: Member.of(member) for member in state.members}
        self._sessions, self._users = state.member_count, state.user_count
        joined = [member for member in state.members if before.get(member.who.session) != Member.of(member)]
        # Where nobody is named nobody is named as gone either.
        gone = [member for session, member in before.items() if self._members and session not in self._members]
        if not joined and not gone and counts_before == (self._sessions, self._users):
            return None
        return v1.Presence(
            namespace=namespace,
            room=state.room,
            joined=joined,
            left=[v1.Sender(session=member.session, user=member.user) for member in gone],
            member_count=self._sessions,
            user_count=self._users,
        )

    def changed(self, presence: v1.Presence) -> None:
        """Members came or went."""
        if presence.joined and len(presence.joined) == presence.member_count:
            self._members.clear()
        self._members.update((member.who.session, Member.of(member)) for member in presence.joined)
        for gone in presence.left:
            self._members.pop(gone.session, None)
        self._sessions, self._users = presence.member_count, presence.user_count
        if presence.member_count > _NAMED_MAX:
            # They are not kept up any more, so they are no names of now.
            self._members.clear()


def change_of(presence: v1.Presence) -> PresenceChange:
    """A change as it is told."""
    return PresenceChange(
        namespace=presence.namespace,
        room=presence.room,
        joined=tuple(Member.of(member) for member in presence.joined),
        left=tuple(Member(gone.session, gone.user) for gone in presence.left),
        sessions=presence.member_count,
        users=presence.user_count,
    )


class Presence:
    """Who is in one room."""

    def __init__(self, line: Line, link: Link | None, namespace: str, room: str) -> None:
        self._line = line
        self._link = link
        self._place = (namespace, room)

    async def counts(self, *, deadline: float | None = None) -> Counts:
        """How many there are; costs the same however large the room is."""
        request = self._request(v1.PRESENCE_BY_SESSION, 0, "", counts_only=True)
        found = await self._ask(request, deadline)
        return Counts(found.member_count, found.user_count, tuple(found.nodes_missing))

    async def members(
        self, *, page_size: int = 0, page_token: str = "", deadline: float | None = None
    ) -> Page[Member]:
        """A page of its sessions, by id."""
        request = self._request(v1.PRESENCE_BY_SESSION, page_size, page_token)
        found = await self._ask(request, deadline)
        return Page(
            [Member.of(member) for member in found.members], found.next_page_token, list(found.nodes_missing)
        )

    async def users(
        self, *, page_size: int = 0, page_token: str = "", deadline: float | None = None
    ) -> Page[UserPresence]:
        """A page of its users, by name; sessions without a user are not among them."""
        found = await self._ask(self._request(v1.PRESENCE_BY_USER, page_size, page_token), deadline)
        users = [UserPresence(each.user, each.session_count, each.away) for each in found.users]
        return Page(users, found.next_page_token, list(found.nodes_missing))

    def changes(self) -> Stream[PresenceChange]:
        """Who comes, changes and goes from now on, while the room is joined with `presence`. Needs a
        session."""
        return self._session().audience.presence(*self._place)

    @property
    def current(self) -> Present | None:
        """Who is there now; nothing unless the room is joined with `presence`. Needs a session."""
        view = self._session().views.presence(*self._place)
        return view.current if view else None

    def _session(self) -> Link:
        if self._link is None:
            raise RialtoError("invalid", "changes come over a session only")
        return self._link

    def _request(
        self, by: v1.PresenceBy, size: int, token: str, *, counts_only: bool = False
    ) -> v1.GetPresenceRequest:
        namespace, room = self._place
        return v1.GetPresenceRequest(
            namespace=namespace, room=room, by=by, page_size=size, page_token=token, counts_only=counts_only
        )

    async def _ask(self, request: v1.GetPresenceRequest, deadline: float | None) -> v1.GetPresenceResponse:
        return await self._line.call("RoomService/GetPresence", request, v1.GetPresenceResponse, deadline)
