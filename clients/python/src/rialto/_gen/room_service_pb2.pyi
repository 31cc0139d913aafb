import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from . import event_pb2 as _event_pb2
from . import room_pb2 as _room_pb2
from . import state_pb2 as _state_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PresenceBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRESENCE_BY_UNSPECIFIED: _ClassVar[PresenceBy]
    PRESENCE_BY_SESSION: _ClassVar[PresenceBy]
    PRESENCE_BY_USER: _ClassVar[PresenceBy]
PRESENCE_BY_UNSPECIFIED: PresenceBy
PRESENCE_BY_SESSION: PresenceBy
PRESENCE_BY_USER: PresenceBy

class GetHistoryRequest(_message.Message):
    __slots__ = ("namespace", "room", "from_offset", "before_offset", "since", "to_offset", "epoch", "page_size", "page_token")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    FROM_OFFSET_FIELD_NUMBER: _ClassVar[int]
    BEFORE_OFFSET_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    TO_OFFSET_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    room: str
    from_offset: int
    before_offset: int
    since: _timestamp_pb2.Timestamp
    to_offset: int
    epoch: str
    page_size: int
    page_token: str
    def __init__(self, namespace: _Optional[str] = ..., room: _Optional[str] = ..., from_offset: _Optional[int] = ..., before_offset: _Optional[int] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., to_offset: _Optional[int] = ..., epoch: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class GetHistoryResponse(_message.Message):
    __slots__ = ("events", "next_page_token", "epoch", "first_offset", "next_offset")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    FIRST_OFFSET_FIELD_NUMBER: _ClassVar[int]
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.Event]
    next_page_token: str
    epoch: str
    first_offset: int
    next_offset: int
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.Event, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., epoch: _Optional[str] = ..., first_offset: _Optional[int] = ..., next_offset: _Optional[int] = ...) -> None: ...

class GetPresenceRequest(_message.Message):
    __slots__ = ("namespace", "room", "by", "page_size", "page_token", "counts_only")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    COUNTS_ONLY_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    room: str
    by: PresenceBy
    page_size: int
    page_token: str
    counts_only: bool
    def __init__(self, namespace: _Optional[str] = ..., room: _Optional[str] = ..., by: _Optional[_Union[PresenceBy, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., counts_only: _Optional[bool] = ...) -> None: ...

class GetPresenceResponse(_message.Message):
    __slots__ = ("member_count", "user_count", "members", "users", "next_page_token", "nodes_missing")
    MEMBER_COUNT_FIELD_NUMBER: _ClassVar[int]
    USER_COUNT_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    NODES_MISSING_FIELD_NUMBER: _ClassVar[int]
    member_count: int
    user_count: int
    members: _containers.RepeatedCompositeFieldContainer[_room_pb2.Member]
    users: _containers.RepeatedCompositeFieldContainer[UserPresence]
    next_page_token: str
    nodes_missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, member_count: _Optional[int] = ..., user_count: _Optional[int] = ..., members: _Optional[_Iterable[_Union[_room_pb2.Member, _Mapping]]] = ..., users: _Optional[_Iterable[_Union[UserPresence, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., nodes_missing: _Optional[_Iterable[str]] = ...) -> None: ...

class UserPresence(_message.Message):
    __slots__ = ("user", "session_count", "away")
    USER_FIELD_NUMBER: _ClassVar[int]
    SESSION_COUNT_FIELD_NUMBER: _ClassVar[int]
    AWAY_FIELD_NUMBER: _ClassVar[int]
    user: str
    session_count: int
    away: bool
    def __init__(self, user: _Optional[str] = ..., session_count: _Optional[int] = ..., away: _Optional[bool] = ...) -> None: ...

class GetStateRequest(_message.Message):
    __slots__ = ("namespace", "room", "keys", "page_size", "page_token")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    room: str
    keys: _containers.RepeatedScalarFieldContainer[str]
    page_size: int
    page_token: str
    def __init__(self, namespace: _Optional[str] = ..., room: _Optional[str] = ..., keys: _Optional[_Iterable[str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class GetStateResponse(_message.Message):
    __slots__ = ("entries", "next_page_token", "epoch", "revision", "total_count")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[_state_pb2.StateEntry]
    next_page_token: str
    epoch: str
    revision: int
    total_count: int
    def __init__(self, entries: _Optional[_Iterable[_Union[_state_pb2.StateEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., epoch: _Optional[str] = ..., revision: _Optional[int] = ..., total_count: _Optional[int] = ...) -> None: ...

class SetStateRequest(_message.Message):
    __slots__ = ("set",)
    SET_FIELD_NUMBER: _ClassVar[int]
    set: _state_pb2.SetState
    def __init__(self, set: _Optional[_Union[_state_pb2.SetState, _Mapping]] = ...) -> None: ...

class SetStateResponse(_message.Message):
    __slots__ = ("set",)
    SET_FIELD_NUMBER: _ClassVar[int]
    set: _state_pb2.StateSet
    def __init__(self, set: _Optional[_Union[_state_pb2.StateSet, _Mapping]] = ...) -> None: ...
