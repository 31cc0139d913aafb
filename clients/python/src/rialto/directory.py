"""Looking inside and acting on what is there, for operators and backends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Literal

from . import v1
from ._client_line import ClientLine
from ._pages import Page
from ._wire import EndOfStream
from .errors import RialtoError
from .target import Target

_THEN: Mapping[str, v1.Then] = {
    "": v1.THEN_UNSPECIFIED,
    "stay": v1.THEN_STAY_AWAY,
    "reconnect": v1.THEN_RECONNECT,
    "resume": v1.THEN_RESUME,
}


class Directory:
    """Namespaces, rooms, members and sessions. Reading needs the right `presence`, changing needs `admin`.

    What is given is what the service says, with the nodes that did not answer; lists are pages.
    """

    def __init__(self, line: ClientLine) -> None:
        self._line = line

    async def namespaces(
        self, *, page_size: int = 0, page_token: str = "", deadline: float | None = None
    ) -> Page[v1.Namespace]:
        """A page of the namespaces that exist now, by name."""
        request = v1.ListNamespacesRequest(page_size=page_size, page_token=page_token)
        path = "DirectoryService/ListNamespaces"
        found = await self._line.call(path, request, v1.ListNamespacesResponse, deadline)
        return Page(
            list(found.namespaces), found.next_page_token, list(found.nodes_missing), found.total_count
        )

    async def namespace(self, namespace: str, *, deadline: float | None = None) -> v1.GetNamespaceResponse:
        """One namespace with its settings and counts."""
        request = v1.GetNamespaceRequest(namespace=namespace)
        return await self._line.call(
            "DirectoryService/GetNamespace", request, v1.GetNamespaceResponse, deadline
        )

    async def create_namespace(
        self, namespace: str, settings: v1.NamespaceSettings | None = None, *, deadline: float | None = None
    ) -> v1.Namespace:
        """Makes a namespace; it holds until it is deleted or the node restarts."""
        request = v1.CreateNamespaceRequest(namespace=namespace, settings=settings)
        path = "DirectoryService/CreateNamespace"
        return (await self._line.call(path, request, v1.CreateNamespaceResponse, deadline)).namespace

    async def update_namespace(
        self, namespace: str, settings: v1.NamespaceSettings, *, deadline: float | None = None
    ) -> v1.Namespace:
        """Changes settings; in force for the next event. Fields that are not set stay."""
        request = v1.UpdateNamespaceRequest(namespace=namespace, settings=settings)
        path = "DirectoryService/UpdateNamespace"
        return (await self._line.call(path, request, v1.UpdateNamespaceResponse, deadline)).namespace

    async def delete_namespace(self, namespace: str, *, deadline: float | None = None) -> int:
        """Deletes a namespace; returns how many sessions have left it by that."""
        request = v1.DeleteNamespaceRequest(namespace=namespace)
        path = "DirectoryService/DeleteNamespace"
        return (await self._line.call(path, request, v1.DeleteNamespaceResponse, deadline)).sessions_changed

    async def rooms(
        self,
        namespace: str,
        prefix: str = "",
        *,
        page_size: int = 0,
        page_token: str = "",
        deadline: float | None = None,
    ) -> Page[v1.Room]:
        """A page of the rooms that have members, by name."""
        request = v1.ListRoomsRequest(
            namespace=namespace, prefix=prefix, page_size=page_size, page_token=page_token
        )
        found = await self._line.call("DirectoryService/ListRooms", request, v1.ListRoomsResponse, deadline)
        return Page(list(found.rooms), found.next_page_token, list(found.nodes_missing), found.total_count)

    async def room(self, namespace: str, room: str, *, deadline: float | None = None) -> v1.GetRoomResponse:
        """One room with its count."""
        request = v1.GetRoomRequest(namespace=namespace, room=room)
        return await self._line.call("DirectoryService/GetRoom", request, v1.GetRoomResponse, deadline)

    async def members(
        self,
        namespace: str,
        room: str = "",
        *,
        page_size: int = 0,
        page_token: str = "",
        deadline: float | None = None,
    ) -> Page[v1.Member]:
        """A page of the members of a room, or of everyone in the namespace, by session id."""
        request = v1.ListMembersRequest(
            namespace=namespace, room=room, page_size=page_size, page_token=page_token
        )
        found = await self._line.call(
            "DirectoryService/ListMembers", request, v1.ListMembersResponse, deadline
        )
        return Page(list(found.members), found.next_page_token, list(found.nodes_missing), found.total_count)

    async def session(self, session: str, *, deadline: float | None = None) -> v1.Session:
        """One session with its rooms."""
        request = v1.GetSessionRequest(session_id=session)
        path = "DirectoryService/GetSession"
        return (await self._line.call(path, request, v1.GetSessionResponse, deadline)).session

    async def join_members(
        self, namespace: str, target: Target, rooms: Sequence[str], *, deadline: float | None = None
    ) -> v1.JoinMembersResponse:
        """Makes sessions join rooms; in force for the next event."""
        request = v1.JoinMembersRequest(namespace=namespace, target=target.to_wire(), rooms=rooms)
        return await self._line.call(
            "DirectoryService/JoinMembers", request, v1.JoinMembersResponse, deadline
        )

    async def part_members(
        self, namespace: str, target: Target, rooms: Sequence[str], *, deadline: float | None = None
    ) -> v1.PartMembersResponse:
        """Makes sessions part rooms; in force for the next event."""
        request = v1.PartMembersRequest(namespace=namespace, target=target.to_wire(), rooms=rooms)
        return await self._line.call(
            "DirectoryService/PartMembers", request, v1.PartMembersResponse, deadline
        )

    async def disconnect_members(
        self,
        namespace: str,
        target: Target,
        reason: str = "",
        *,
        then: Literal["", "stay", "reconnect", "resume"] = "",
        deadline: float | None = None,
    ) -> v1.DisconnectMembersResponse:
        """Ends sessions; `then` is what they are told to do next, to stay away if nothing else is said."""
        request = v1.DisconnectMembersRequest(
            namespace=namespace, target=target.to_wire(), reason=reason, then=_THEN[then]
        )
        path = "DirectoryService/DisconnectMembers"
        return await self._line.call(path, request, v1.DisconnectMembersResponse, deadline)

    async def update_attributes(
        self,
        namespace: str,
        target: Target,
        attributes: Mapping[str, str],
        *,
        remove: Sequence[str] = (),
        deadline: float | None = None,
    ) -> v1.UpdateAttributesResponse:
        """Sets and removes attributes of sessions; members who asked for presence are told."""
        request = v1.UpdateAttributesRequest(
            namespace=namespace, target=target.to_wire(), set=attributes, remove=remove
        )
        path = "DirectoryService/UpdateAttributes"
        return await self._line.call(path, request, v1.UpdateAttributesResponse, deadline)

    async def watch_rooms(
        self, namespace: str, room: str = "", *, deadline: float | None = None
    ) -> AsyncIterator[v1.WatchRoomsResponse]:
        """What happens to rooms as it happens, of all or of one. Not taken up again by itself, since
        nobody could tell its gap."""
        request = v1.WatchRoomsRequest(namespace=namespace, room=room)
        path = "DirectoryService/WatchRooms"
        within = self._line.deadline if deadline is None else deadline
        with await self._line.listen(path, request, v1.WatchRoomsResponse, within) as stream:
            try:
                # The first one says that the watch has begun.
                yield await asyncio.wait_for(stream.read(), within)
                while True:
                    yield await stream.read()
            except asyncio.TimeoutError:
                raise RialtoError("timed_out", "the watch has not begun in time") from None
            except EndOfStream:
                return
