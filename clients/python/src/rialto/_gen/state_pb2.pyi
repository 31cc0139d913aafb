import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from . import code_pb2 as _code_pb2
from . import event_pb2 as _event_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SetState(_message.Message):
    __slots__ = ("namespace", "room", "key", "text", "binary", "content_type", "expected_revision", "expires_in")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    BINARY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_IN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    room: str
    key: str
    text: str
    binary: bytes
    content_type: str
    expected_revision: int
    expires_in: _duration_pb2.Duration
    def __init__(self, namespace: _Optional[str] = ..., room: _Optional[str] = ..., key: _Optional[str] = ..., text: _Optional[str] = ..., binary: _Optional[bytes] = ..., content_type: _Optional[str] = ..., expected_revision: _Optional[int] = ..., expires_in: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class StateSet(_message.Message):
    __slots__ = ("revision", "epoch", "durability")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    revision: int
    epoch: str
    durability: _code_pb2.Durability
    def __init__(self, revision: _Optional[int] = ..., epoch: _Optional[str] = ..., durability: _Optional[_Union[_code_pb2.Durability, str]] = ...) -> None: ...

class StateEntry(_message.Message):
    __slots__ = ("key", "text", "binary", "content_type", "revision", "by", "set_at", "expires_at")
    KEY_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    BINARY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    SET_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    key: str
    text: str
    binary: bytes
    content_type: str
    revision: int
    by: _event_pb2.Sender
    set_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, key: _Optional[str] = ..., text: _Optional[str] = ..., binary: _Optional[bytes] = ..., content_type: _Optional[str] = ..., revision: _Optional[int] = ..., by: _Optional[_Union[_event_pb2.Sender, _Mapping]] = ..., set_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StateChanges(_message.Message):
    __slots__ = ("namespace", "room", "epoch", "entries", "reset", "complete")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    RESET_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    room: str
    epoch: str
    entries: _containers.RepeatedCompositeFieldContainer[StateEntry]
    reset: bool
    complete: bool
    def __init__(self, namespace: _Optional[str] = ..., room: _Optional[str] = ..., epoch: _Optional[str] = ..., entries: _Optional[_Iterable[_Union[StateEntry, _Mapping]]] = ..., reset: _Optional[bool] = ..., complete: _Optional[bool] = ...) -> None: ...
