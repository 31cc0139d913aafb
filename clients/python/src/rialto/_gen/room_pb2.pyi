from . import event_pb2 as _event_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Recovery(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECOVERY_UNSPECIFIED: _ClassVar[Recovery]
    RECOVERY_WHOLE: _ClassVar[Recovery]
    RECOVERY_PARTIAL: _ClassVar[Recovery]
    RECOVERY_LOST: _ClassVar[Recovery]
RECOVERY_UNSPECIFIED: Recovery
RECOVERY_WHOLE: Recovery
RECOVERY_PARTIAL: Recovery
RECOVERY_LOST: Recovery

class Enter(_message.Message):
    __slots__ = ("namespace",)
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    def __init__(self, namespace: _Optional[str] = ...) -> None: ...

class Entered(_message.Message):
    __slots__ = ("namespace",)
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    def __init__(self, namespace: _Optional[str] = ...) -> None: ...

class Leave(_message.Message):
    __slots__ = ("namespace",)
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    def __init__(self, namespace: _Optional[str] = ...) -> None: ...

class Left(_message.Message):
    __slots__ = ("namespace", "rooms")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    rooms: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespace: _Optional[str] = ..., rooms: _Optional[_Iterable[str]] = ...) -> None: ...

class Join(_message.Message):
    __slots__ = ("namespace", "rooms", "presence", "recover", "newest", "state", "delta")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_FIELD_NUMBER: _ClassVar[int]
    RECOVER_FIELD_NUMBER: _ClassVar[int]
    NEWEST_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    rooms: _containers.RepeatedScalarFieldContainer[str]
    presence: bool
    recover: _containers.RepeatedCompositeFieldContainer[_event_pb2.RoomPosition]
    newest: int
    state: bool
    delta: bool
    def __init__(self, namespace: _Optional[str] = ..., rooms: _Optional[_Iterable[str]] = ..., presence: _Optional[bool] = ..., recover: _Optional[_Iterable[_Union[_event_pb2.RoomPosition, _Mapping]]] = ..., newest: _Optional[int] = ..., state: _Optional[bool] = ..., delta: _Optional[bool] = ...) -> None: ...

class Joined(_message.Message):
    __slots__ = ("namespace", "rooms")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    rooms: _containers.RepeatedCompositeFieldContainer[RoomState]
    def __init__(self, namespace: _Optional[str] = ..., rooms: _Optional[_Iterable[_Union[RoomState, _Mapping]]] = ...) -> None: ...

class RoomState(_message.Message):
    __slots__ = ("room", "member_count", "members", "user_count", "epoch", "offset", "first_offset", "recovery")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    MEMBER_COUNT_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    USER_COUNT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    FIRST_OFFSET_FIELD_NUMBER: _ClassVar[int]
    RECOVERY_FIELD_NUMBER: _ClassVar[int]
    room: str
    member_count: int
    members: _containers.RepeatedCompositeFieldContainer[Member]
    user_count: int
    epoch: str
    offset: int
    first_offset: int
    recovery: Recovery
    def __init__(self, room: _Optional[str] = ..., member_count: _Optional[int] = ..., members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ..., user_count: _Optional[int] = ..., epoch: _Optional[str] = ..., offset: _Optional[int] = ..., first_offset: _Optional[int] = ..., recovery: _Optional[_Union[Recovery, str]] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("namespace", "rooms")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    rooms: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespace: _Optional[str] = ..., rooms: _Optional[_Iterable[str]] = ...) -> None: ...

class Parted(_message.Message):
    __slots__ = ("namespace", "rooms")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    rooms: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespace: _Optional[str] = ..., rooms: _Optional[_Iterable[str]] = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ("who", "attributes", "away")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WHO_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    AWAY_FIELD_NUMBER: _ClassVar[int]
    who: _event_pb2.Sender
    attributes: _containers.ScalarMap[str, str]
    away: bool
    def __init__(self, who: _Optional[_Union[_event_pb2.Sender, _Mapping]] = ..., attributes: _Optional[_Mapping[str, str]] = ..., away: _Optional[bool] = ...) -> None: ...

class Presence(_message.Message):
    __slots__ = ("namespace", "room", "joined", "left", "member_count", "user_count")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    MEMBER_COUNT_FIELD_NUMBER: _ClassVar[int]
    USER_COUNT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    room: str
    joined: _containers.RepeatedCompositeFieldContainer[Member]
    left: _containers.RepeatedCompositeFieldContainer[_event_pb2.Sender]
    member_count: int
    user_count: int
    def __init__(self, namespace: _Optional[str] = ..., room: _Optional[str] = ..., joined: _Optional[_Iterable[_Union[Member, _Mapping]]] = ..., left: _Optional[_Iterable[_Union[_event_pb2.Sender, _Mapping]]] = ..., member_count: _Optional[int] = ..., user_count: _Optional[int] = ...) -> None: ...
