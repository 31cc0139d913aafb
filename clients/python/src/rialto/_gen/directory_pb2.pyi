import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from . import code_pb2 as _code_pb2
from . import event_pb2 as _event_pb2
from . import room_pb2 as _room_pb2
from . import session_pb2 as _session_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FallingBehind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FALLING_BEHIND_UNSPECIFIED: _ClassVar[FallingBehind]
    FALLING_BEHIND_CLOSE: _ClassVar[FallingBehind]
    FALLING_BEHIND_DROP: _ClassVar[FallingBehind]
    FALLING_BEHIND_LATEST: _ClassVar[FallingBehind]

class History(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HISTORY_UNSPECIFIED: _ClassVar[History]
    HISTORY_OFF: _ClassVar[History]
    HISTORY_MEMORY: _ClassVar[History]
    HISTORY_DURABLE: _ClassVar[History]

class NamespaceOrigin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NAMESPACE_ORIGIN_UNSPECIFIED: _ClassVar[NamespaceOrigin]
    NAMESPACE_ORIGIN_CONFIG: _ClassVar[NamespaceOrigin]
    NAMESPACE_ORIGIN_PATTERN: _ClassVar[NamespaceOrigin]
    NAMESPACE_ORIGIN_API: _ClassVar[NamespaceOrigin]

class RoomEventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROOM_EVENT_KIND_UNSPECIFIED: _ClassVar[RoomEventKind]
    ROOM_EVENT_KIND_WATCHING: _ClassVar[RoomEventKind]
    ROOM_EVENT_KIND_CREATED: _ClassVar[RoomEventKind]
    ROOM_EVENT_KIND_JOINED: _ClassVar[RoomEventKind]
    ROOM_EVENT_KIND_LEFT: _ClassVar[RoomEventKind]
    ROOM_EVENT_KIND_DELETED: _ClassVar[RoomEventKind]
    ROOM_EVENT_KIND_MISSED: _ClassVar[RoomEventKind]
FALLING_BEHIND_UNSPECIFIED: FallingBehind
FALLING_BEHIND_CLOSE: FallingBehind
FALLING_BEHIND_DROP: FallingBehind
FALLING_BEHIND_LATEST: FallingBehind
HISTORY_UNSPECIFIED: History
HISTORY_OFF: History
HISTORY_MEMORY: History
HISTORY_DURABLE: History
NAMESPACE_ORIGIN_UNSPECIFIED: NamespaceOrigin
NAMESPACE_ORIGIN_CONFIG: NamespaceOrigin
NAMESPACE_ORIGIN_PATTERN: NamespaceOrigin
NAMESPACE_ORIGIN_API: NamespaceOrigin
ROOM_EVENT_KIND_UNSPECIFIED: RoomEventKind
ROOM_EVENT_KIND_WATCHING: RoomEventKind
ROOM_EVENT_KIND_CREATED: RoomEventKind
ROOM_EVENT_KIND_JOINED: RoomEventKind
ROOM_EVENT_KIND_LEFT: RoomEventKind
ROOM_EVENT_KIND_DELETED: RoomEventKind
ROOM_EVENT_KIND_MISSED: RoomEventKind

class NamespaceSettings(_message.Message):
    __slots__ = ("falling_behind", "emit_requires_member", "payload_bytes_max", "rooms_max", "room_emits_per_second", "delivery_window", "history", "history_events_max", "history_bytes_max", "history_age_max", "state_keys_max", "nats_in", "nats_out", "keys_shared")
    FALLING_BEHIND_FIELD_NUMBER: _ClassVar[int]
    EMIT_REQUIRES_MEMBER_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    ROOMS_MAX_FIELD_NUMBER: _ClassVar[int]
    ROOM_EMITS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_WINDOW_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    HISTORY_EVENTS_MAX_FIELD_NUMBER: _ClassVar[int]
    HISTORY_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    HISTORY_AGE_MAX_FIELD_NUMBER: _ClassVar[int]
    STATE_KEYS_MAX_FIELD_NUMBER: _ClassVar[int]
    NATS_IN_FIELD_NUMBER: _ClassVar[int]
    NATS_OUT_FIELD_NUMBER: _ClassVar[int]
    KEYS_SHARED_FIELD_NUMBER: _ClassVar[int]
    falling_behind: FallingBehind
    emit_requires_member: bool
    payload_bytes_max: int
    rooms_max: int
    room_emits_per_second: int
    delivery_window: _duration_pb2.Duration
    history: History
    history_events_max: int
    history_bytes_max: int
    history_age_max: _duration_pb2.Duration
    state_keys_max: int
    nats_in: bool
    nats_out: bool
    keys_shared: bool
    def __init__(self, falling_behind: _Optional[_Union[FallingBehind, str]] = ..., emit_requires_member: _Optional[bool] = ..., payload_bytes_max: _Optional[int] = ..., rooms_max: _Optional[int] = ..., room_emits_per_second: _Optional[int] = ..., delivery_window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., history: _Optional[_Union[History, str]] = ..., history_events_max: _Optional[int] = ..., history_bytes_max: _Optional[int] = ..., history_age_max: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., state_keys_max: _Optional[int] = ..., nats_in: _Optional[bool] = ..., nats_out: _Optional[bool] = ..., keys_shared: _Optional[bool] = ...) -> None: ...

class Namespace(_message.Message):
    __slots__ = ("namespace", "origin", "settings", "session_count", "room_count")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    SESSION_COUNT_FIELD_NUMBER: _ClassVar[int]
    ROOM_COUNT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    origin: NamespaceOrigin
    settings: NamespaceSettings
    session_count: int
    room_count: int
    def __init__(self, namespace: _Optional[str] = ..., origin: _Optional[_Union[NamespaceOrigin, str]] = ..., settings: _Optional[_Union[NamespaceSettings, _Mapping]] = ..., session_count: _Optional[int] = ..., room_count: _Optional[int] = ...) -> None: ...

class Room(_message.Message):
    __slots__ = ("namespace", "room", "member_count")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    MEMBER_COUNT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    room: str
    member_count: int
    def __init__(self, namespace: _Optional[str] = ..., room: _Optional[str] = ..., member_count: _Optional[int] = ...) -> None: ...

class ListNamespacesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListNamespacesResponse(_message.Message):
    __slots__ = ("namespaces", "next_page_token", "total_count", "nodes_missing")
    NAMESPACES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    NODES_MISSING_FIELD_NUMBER: _ClassVar[int]
    namespaces: _containers.RepeatedCompositeFieldContainer[Namespace]
    next_page_token: str
    total_count: int
    nodes_missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespaces: _Optional[_Iterable[_Union[Namespace, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_count: _Optional[int] = ..., nodes_missing: _Optional[_Iterable[str]] = ...) -> None: ...

class GetNamespaceRequest(_message.Message):
    __slots__ = ("namespace",)
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    def __init__(self, namespace: _Optional[str] = ...) -> None: ...

class GetNamespaceResponse(_message.Message):
    __slots__ = ("namespace", "nodes_missing")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NODES_MISSING_FIELD_NUMBER: _ClassVar[int]
    namespace: Namespace
    nodes_missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespace: _Optional[_Union[Namespace, _Mapping]] = ..., nodes_missing: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateNamespaceRequest(_message.Message):
    __slots__ = ("namespace", "settings")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    settings: NamespaceSettings
    def __init__(self, namespace: _Optional[str] = ..., settings: _Optional[_Union[NamespaceSettings, _Mapping]] = ...) -> None: ...

class CreateNamespaceResponse(_message.Message):
    __slots__ = ("namespace",)
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    namespace: Namespace
    def __init__(self, namespace: _Optional[_Union[Namespace, _Mapping]] = ...) -> None: ...

class UpdateNamespaceRequest(_message.Message):
    __slots__ = ("namespace", "settings")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    settings: NamespaceSettings
    def __init__(self, namespace: _Optional[str] = ..., settings: _Optional[_Union[NamespaceSettings, _Mapping]] = ...) -> None: ...

class UpdateNamespaceResponse(_message.Message):
    __slots__ = ("namespace",)
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    namespace: Namespace
    def __init__(self, namespace: _Optional[_Union[Namespace, _Mapping]] = ...) -> None: ...

class DeleteNamespaceRequest(_message.Message):
    __slots__ = ("namespace",)
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    def __init__(self, namespace: _Optional[str] = ...) -> None: ...

class DeleteNamespaceResponse(_message.Message):
    __slots__ = ("sessions_changed",)
    SESSIONS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    sessions_changed: int
    def __init__(self, sessions_changed: _Optional[int] = ...) -> None: ...

class ListRoomsRequest(_message.Message):
    __slots__ = ("namespace", "prefix", "page_size", "page_token")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    prefix: str
    page_size: int
    page_token: str
    def __init__(self, namespace: _Optional[str] = ..., prefix: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRoomsResponse(_message.Message):
    __slots__ = ("rooms", "next_page_token", "total_count", "nodes_missing")
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    NODES_MISSING_FIELD_NUMBER: _ClassVar[int]
    rooms: _containers.RepeatedCompositeFieldContainer[Room]
    next_page_token: str
    total_count: int
    nodes_missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, rooms: _Optional[_Iterable[_Union[Room, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_count: _Optional[int] = ..., nodes_missing: _Optional[_Iterable[str]] = ...) -> None: ...

class GetRoomRequest(_message.Message):
    __slots__ = ("namespace", "room")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    room: str
    def __init__(self, namespace: _Optional[str] = ..., room: _Optional[str] = ...) -> None: ...

class GetRoomResponse(_message.Message):
    __slots__ = ("room", "nodes_missing")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    NODES_MISSING_FIELD_NUMBER: _ClassVar[int]
    room: Room
    nodes_missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, room: _Optional[_Union[Room, _Mapping]] = ..., nodes_missing: _Optional[_Iterable[str]] = ...) -> None: ...

class ListMembersRequest(_message.Message):
    __slots__ = ("namespace", "room", "page_size", "page_token")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    room: str
    page_size: int
    page_token: str
    def __init__(self, namespace: _Optional[str] = ..., room: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListMembersResponse(_message.Message):
    __slots__ = ("members", "next_page_token", "total_count", "nodes_missing")
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    NODES_MISSING_FIELD_NUMBER: _ClassVar[int]
    members: _containers.RepeatedCompositeFieldContainer[_room_pb2.Member]
    next_page_token: str
    total_count: int
    nodes_missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, members: _Optional[_Iterable[_Union[_room_pb2.Member, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_count: _Optional[int] = ..., nodes_missing: _Optional[_Iterable[str]] = ...) -> None: ...

class GetSessionRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class GetSessionResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: Session
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("member", "client", "node", "since", "memberships", "outbox_frames", "outbox_bytes")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    MEMBERSHIPS_FIELD_NUMBER: _ClassVar[int]
    OUTBOX_FRAMES_FIELD_NUMBER: _ClassVar[int]
    OUTBOX_BYTES_FIELD_NUMBER: _ClassVar[int]
    member: _room_pb2.Member
    client: _session_pb2.ClientInfo
    node: str
    since: _timestamp_pb2.Timestamp
    memberships: _containers.RepeatedCompositeFieldContainer[Membership]
    outbox_frames: int
    outbox_bytes: int
    def __init__(self, member: _Optional[_Union[_room_pb2.Member, _Mapping]] = ..., client: _Optional[_Union[_session_pb2.ClientInfo, _Mapping]] = ..., node: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., memberships: _Optional[_Iterable[_Union[Membership, _Mapping]]] = ..., outbox_frames: _Optional[int] = ..., outbox_bytes: _Optional[int] = ...) -> None: ...

class Membership(_message.Message):
    __slots__ = ("namespace", "rooms")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    rooms: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespace: _Optional[str] = ..., rooms: _Optional[_Iterable[str]] = ...) -> None: ...

class JoinMembersRequest(_message.Message):
    __slots__ = ("namespace", "target", "rooms")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    target: _event_pb2.Target
    rooms: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespace: _Optional[str] = ..., target: _Optional[_Union[_event_pb2.Target, _Mapping]] = ..., rooms: _Optional[_Iterable[str]] = ...) -> None: ...

class JoinMembersResponse(_message.Message):
    __slots__ = ("sessions_changed", "sessions_refused", "nodes_missing")
    SESSIONS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_REFUSED_FIELD_NUMBER: _ClassVar[int]
    NODES_MISSING_FIELD_NUMBER: _ClassVar[int]
    sessions_changed: int
    sessions_refused: int
    nodes_missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, sessions_changed: _Optional[int] = ..., sessions_refused: _Optional[int] = ..., nodes_missing: _Optional[_Iterable[str]] = ...) -> None: ...

class PartMembersRequest(_message.Message):
    __slots__ = ("namespace", "target", "rooms")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    target: _event_pb2.Target
    rooms: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespace: _Optional[str] = ..., target: _Optional[_Union[_event_pb2.Target, _Mapping]] = ..., rooms: _Optional[_Iterable[str]] = ...) -> None: ...

class PartMembersResponse(_message.Message):
    __slots__ = ("sessions_changed", "nodes_missing")
    SESSIONS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    NODES_MISSING_FIELD_NUMBER: _ClassVar[int]
    sessions_changed: int
    nodes_missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, sessions_changed: _Optional[int] = ..., nodes_missing: _Optional[_Iterable[str]] = ...) -> None: ...

class DisconnectMembersRequest(_message.Message):
    __slots__ = ("namespace", "target", "reason", "then")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    THEN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    target: _event_pb2.Target
    reason: str
    then: _code_pb2.Then
    def __init__(self, namespace: _Optional[str] = ..., target: _Optional[_Union[_event_pb2.Target, _Mapping]] = ..., reason: _Optional[str] = ..., then: _Optional[_Union[_code_pb2.Then, str]] = ...) -> None: ...

class DisconnectMembersResponse(_message.Message):
    __slots__ = ("sessions_changed", "nodes_missing")
    SESSIONS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    NODES_MISSING_FIELD_NUMBER: _ClassVar[int]
    sessions_changed: int
    nodes_missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, sessions_changed: _Optional[int] = ..., nodes_missing: _Optional[_Iterable[str]] = ...) -> None: ...

class UpdateAttributesRequest(_message.Message):
    __slots__ = ("namespace", "target", "set", "remove")
    class SetEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    SET_FIELD_NUMBER: _ClassVar[int]
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    target: _event_pb2.Target
    set: _containers.ScalarMap[str, str]
    remove: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespace: _Optional[str] = ..., target: _Optional[_Union[_event_pb2.Target, _Mapping]] = ..., set: _Optional[_Mapping[str, str]] = ..., remove: _Optional[_Iterable[str]] = ...) -> None: ...

class UpdateAttributesResponse(_message.Message):
    __slots__ = ("sessions_changed", "sessions_refused", "nodes_missing")
    SESSIONS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_REFUSED_FIELD_NUMBER: _ClassVar[int]
    NODES_MISSING_FIELD_NUMBER: _ClassVar[int]
    sessions_changed: int
    sessions_refused: int
    nodes_missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, sessions_changed: _Optional[int] = ..., sessions_refused: _Optional[int] = ..., nodes_missing: _Optional[_Iterable[str]] = ...) -> None: ...

class WatchRoomsRequest(_message.Message):
    __slots__ = ("namespace", "room")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    room: str
    def __init__(self, namespace: _Optional[str] = ..., room: _Optional[str] = ...) -> None: ...

class WatchRoomsResponse(_message.Message):
    __slots__ = ("kind", "room", "who", "member_count", "missed_count", "nodes_missing")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    MEMBER_COUNT_FIELD_NUMBER: _ClassVar[int]
    MISSED_COUNT_FIELD_NUMBER: _ClassVar[int]
    NODES_MISSING_FIELD_NUMBER: _ClassVar[int]
    kind: RoomEventKind
    room: str
    who: _event_pb2.Sender
    member_count: int
    missed_count: int
    nodes_missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, kind: _Optional[_Union[RoomEventKind, str]] = ..., room: _Optional[str] = ..., who: _Optional[_Union[_event_pb2.Sender, _Mapping]] = ..., member_count: _Optional[int] = ..., missed_count: _Optional[int] = ..., nodes_missing: _Optional[_Iterable[str]] = ...) -> None: ...
