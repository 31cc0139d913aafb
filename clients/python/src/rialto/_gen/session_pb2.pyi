import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from . import code_pb2 as _code_pb2
from . import room_pb2 as _room_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ClientInfo(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class Resume(_message.Message):
    __slots__ = ("session_id", "session_secret", "seq", "afresh")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_SECRET_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    AFRESH_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    session_secret: str
    seq: int
    afresh: bool
    def __init__(self, session_id: _Optional[str] = ..., session_secret: _Optional[str] = ..., seq: _Optional[int] = ..., afresh: _Optional[bool] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("token", "user", "attributes", "client", "resume", "joins")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    JOINS_FIELD_NUMBER: _ClassVar[int]
    token: str
    user: str
    attributes: _containers.ScalarMap[str, str]
    client: ClientInfo
    resume: Resume
    joins: _containers.RepeatedCompositeFieldContainer[_room_pb2.Join]
    def __init__(self, token: _Optional[str] = ..., user: _Optional[str] = ..., attributes: _Optional[_Mapping[str, str]] = ..., client: _Optional[_Union[ClientInfo, _Mapping]] = ..., resume: _Optional[_Union[Resume, _Mapping]] = ..., joins: _Optional[_Iterable[_Union[_room_pb2.Join, _Mapping]]] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("payload_bytes_max", "rooms_max", "emits_per_second", "emits_burst", "replies_outstanding_max", "outbox_frames_max", "outbox_bytes_max", "headers_max", "headers_bytes_max")
    PAYLOAD_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    ROOMS_MAX_FIELD_NUMBER: _ClassVar[int]
    EMITS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    EMITS_BURST_FIELD_NUMBER: _ClassVar[int]
    REPLIES_OUTSTANDING_MAX_FIELD_NUMBER: _ClassVar[int]
    OUTBOX_FRAMES_MAX_FIELD_NUMBER: _ClassVar[int]
    OUTBOX_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    HEADERS_MAX_FIELD_NUMBER: _ClassVar[int]
    HEADERS_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    payload_bytes_max: int
    rooms_max: int
    emits_per_second: int
    emits_burst: int
    replies_outstanding_max: int
    outbox_frames_max: int
    outbox_bytes_max: int
    headers_max: int
    headers_bytes_max: int
    def __init__(self, payload_bytes_max: _Optional[int] = ..., rooms_max: _Optional[int] = ..., emits_per_second: _Optional[int] = ..., emits_burst: _Optional[int] = ..., replies_outstanding_max: _Optional[int] = ..., outbox_frames_max: _Optional[int] = ..., outbox_bytes_max: _Optional[int] = ..., headers_max: _Optional[int] = ..., headers_bytes_max: _Optional[int] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("session_id", "session_secret", "resumed", "node", "resume_window", "ping_interval", "limits", "user", "last_ref", "pushed_seq")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_SECRET_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    RESUME_WINDOW_FIELD_NUMBER: _ClassVar[int]
    PING_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    LAST_REF_FIELD_NUMBER: _ClassVar[int]
    PUSHED_SEQ_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    session_secret: str
    resumed: bool
    node: str
    resume_window: _duration_pb2.Duration
    ping_interval: _duration_pb2.Duration
    limits: Limits
    user: str
    last_ref: int
    pushed_seq: int
    def __init__(self, session_id: _Optional[str] = ..., session_secret: _Optional[str] = ..., resumed: _Optional[bool] = ..., node: _Optional[str] = ..., resume_window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., ping_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., user: _Optional[str] = ..., last_ref: _Optional[int] = ..., pushed_seq: _Optional[int] = ...) -> None: ...

class Seen(_message.Message):
    __slots__ = ("seq",)
    SEQ_FIELD_NUMBER: _ClassVar[int]
    seq: int
    def __init__(self, seq: _Optional[int] = ...) -> None: ...

class Refresh(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class Refreshed(_message.Message):
    __slots__ = ("expires_in",)
    EXPIRES_IN_FIELD_NUMBER: _ClassVar[int]
    expires_in: _duration_pb2.Duration
    def __init__(self, expires_in: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Ping(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Pong(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Bye(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Drain(_message.Message):
    __slots__ = ("reconnect_within", "delay")
    RECONNECT_WITHIN_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    reconnect_within: _duration_pb2.Duration
    delay: _duration_pb2.Duration
    def __init__(self, reconnect_within: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Missed(_message.Message):
    __slots__ = ("namespace", "rooms", "count", "from_offset", "to_offset", "epoch")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    FROM_OFFSET_FIELD_NUMBER: _ClassVar[int]
    TO_OFFSET_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    rooms: _containers.RepeatedScalarFieldContainer[str]
    count: int
    from_offset: int
    to_offset: int
    epoch: str
    def __init__(self, namespace: _Optional[str] = ..., rooms: _Optional[_Iterable[str]] = ..., count: _Optional[int] = ..., from_offset: _Optional[int] = ..., to_offset: _Optional[int] = ..., epoch: _Optional[str] = ...) -> None: ...

class Close(_message.Message):
    __slots__ = ("code", "reason", "then", "after")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    THEN_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    code: _code_pb2.CloseCode
    reason: str
    then: _code_pb2.Then
    after: _duration_pb2.Duration
    def __init__(self, code: _Optional[_Union[_code_pb2.CloseCode, str]] = ..., reason: _Optional[str] = ..., then: _Optional[_Union[_code_pb2.Then, str]] = ..., after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
