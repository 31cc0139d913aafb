import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from . import code_pb2 as _code_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Delivery(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DELIVERY_UNSPECIFIED: _ClassVar[Delivery]
    DELIVERY_RELIABLE: _ClassVar[Delivery]
    DELIVERY_VOLATILE: _ClassVar[Delivery]
    DELIVERY_LATEST: _ClassVar[Delivery]
DELIVERY_UNSPECIFIED: Delivery
DELIVERY_RELIABLE: Delivery
DELIVERY_VOLATILE: Delivery
DELIVERY_LATEST: Delivery

class Target(_message.Message):
    __slots__ = ("rooms", "sessions", "users", "everyone", "any_of", "except_rooms", "except_sessions", "include_sender", "local")
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    EVERYONE_FIELD_NUMBER: _ClassVar[int]
    ANY_OF_FIELD_NUMBER: _ClassVar[int]
    EXCEPT_ROOMS_FIELD_NUMBER: _ClassVar[int]
    EXCEPT_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_SENDER_FIELD_NUMBER: _ClassVar[int]
    LOCAL_FIELD_NUMBER: _ClassVar[int]
    rooms: _containers.RepeatedScalarFieldContainer[str]
    sessions: _containers.RepeatedScalarFieldContainer[str]
    users: _containers.RepeatedScalarFieldContainer[str]
    everyone: bool
    any_of: str
    except_rooms: _containers.RepeatedScalarFieldContainer[str]
    except_sessions: _containers.RepeatedScalarFieldContainer[str]
    include_sender: bool
    local: bool
    def __init__(self, rooms: _Optional[_Iterable[str]] = ..., sessions: _Optional[_Iterable[str]] = ..., users: _Optional[_Iterable[str]] = ..., everyone: _Optional[bool] = ..., any_of: _Optional[str] = ..., except_rooms: _Optional[_Iterable[str]] = ..., except_sessions: _Optional[_Iterable[str]] = ..., include_sender: _Optional[bool] = ..., local: _Optional[bool] = ...) -> None: ...

class ExpectReplies(_message.Message):
    __slots__ = ("timeout",)
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    timeout: _duration_pb2.Duration
    def __init__(self, timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Content(_message.Message):
    __slots__ = ("event", "text", "binary", "content_type", "headers", "key")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    EVENT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    BINARY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    event: str
    text: str
    binary: bytes
    content_type: str
    headers: _containers.ScalarMap[str, str]
    key: str
    def __init__(self, event: _Optional[str] = ..., text: _Optional[str] = ..., binary: _Optional[bytes] = ..., content_type: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ..., key: _Optional[str] = ...) -> None: ...

class Emit(_message.Message):
    __slots__ = ("namespace", "target", "content", "delivery", "expect_replies", "idempotency_key")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    EXPECT_REPLIES_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    target: Target
    content: Content
    delivery: Delivery
    expect_replies: ExpectReplies
    idempotency_key: str
    def __init__(self, namespace: _Optional[str] = ..., target: _Optional[_Union[Target, _Mapping]] = ..., content: _Optional[_Union[Content, _Mapping]] = ..., delivery: _Optional[_Union[Delivery, str]] = ..., expect_replies: _Optional[_Union[ExpectReplies, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class RoomPosition(_message.Message):
    __slots__ = ("room", "epoch", "offset")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    room: str
    epoch: str
    offset: int
    def __init__(self, room: _Optional[str] = ..., epoch: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...

class Accepted(_message.Message):
    __slots__ = ("event_id", "recipients_here", "offset", "durability", "epoch", "positions", "duplicate")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    RECIPIENTS_HERE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    recipients_here: int
    offset: int
    durability: _code_pb2.Durability
    epoch: str
    positions: _containers.RepeatedCompositeFieldContainer[RoomPosition]
    duplicate: bool
    def __init__(self, event_id: _Optional[str] = ..., recipients_here: _Optional[int] = ..., offset: _Optional[int] = ..., durability: _Optional[_Union[_code_pb2.Durability, str]] = ..., epoch: _Optional[str] = ..., positions: _Optional[_Iterable[_Union[RoomPosition, _Mapping]]] = ..., duplicate: _Optional[bool] = ...) -> None: ...

class Refused(_message.Message):
    __slots__ = ("code", "reason", "retry", "limit", "revision")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    code: _code_pb2.RefusalCode
    reason: str
    retry: _code_pb2.Retry
    limit: str
    revision: int
    def __init__(self, code: _Optional[_Union[_code_pb2.RefusalCode, str]] = ..., reason: _Optional[str] = ..., retry: _Optional[_Union[_code_pb2.Retry, _Mapping]] = ..., limit: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class Sender(_message.Message):
    __slots__ = ("session", "user")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    session: str
    user: str
    def __init__(self, session: _Optional[str] = ..., user: _Optional[str] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("namespace", "rooms", "content", "event_id", "sender", "sent_at", "reply_token", "offset", "epoch", "positions", "delta")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    REPLY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    rooms: _containers.RepeatedScalarFieldContainer[str]
    content: Content
    event_id: str
    sender: Sender
    sent_at: _timestamp_pb2.Timestamp
    reply_token: str
    offset: int
    epoch: str
    positions: _containers.RepeatedCompositeFieldContainer[RoomPosition]
    delta: Delta
    def __init__(self, namespace: _Optional[str] = ..., rooms: _Optional[_Iterable[str]] = ..., content: _Optional[_Union[Content, _Mapping]] = ..., event_id: _Optional[str] = ..., sender: _Optional[_Union[Sender, _Mapping]] = ..., sent_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reply_token: _Optional[str] = ..., offset: _Optional[int] = ..., epoch: _Optional[str] = ..., positions: _Optional[_Iterable[_Union[RoomPosition, _Mapping]]] = ..., delta: _Optional[_Union[Delta, _Mapping]] = ...) -> None: ...

class Delta(_message.Message):
    __slots__ = ("base_event_id", "data", "text")
    BASE_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    base_event_id: str
    data: bytes
    text: bool
    def __init__(self, base_event_id: _Optional[str] = ..., data: _Optional[bytes] = ..., text: _Optional[bool] = ...) -> None: ...

class Reply(_message.Message):
    __slots__ = ("reply_token", "text", "binary", "error", "content_type")
    REPLY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    BINARY_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    reply_token: str
    text: str
    binary: bytes
    error: str
    content_type: str
    def __init__(self, reply_token: _Optional[str] = ..., text: _Optional[str] = ..., binary: _Optional[bytes] = ..., error: _Optional[str] = ..., content_type: _Optional[str] = ...) -> None: ...

class ReplyItem(_message.Message):
    __slots__ = ("text", "binary", "error", "content_type")
    FROM_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    BINARY_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    text: str
    binary: bytes
    error: str
    content_type: str
    def __init__(self, text: _Optional[str] = ..., binary: _Optional[bytes] = ..., error: _Optional[str] = ..., content_type: _Optional[str] = ..., **kwargs) -> None: ...

class Replies(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[ReplyItem]
    def __init__(self, items: _Optional[_Iterable[_Union[ReplyItem, _Mapping]]] = ...) -> None: ...

class MissingReply(_message.Message):
    __slots__ = ("left",)
    FROM_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    left: bool
    def __init__(self, left: _Optional[bool] = ..., **kwargs) -> None: ...

class RepliesDone(_message.Message):
    __slots__ = ("answered", "missing", "missing_count", "timed_out", "nodes_missing")
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    MISSING_COUNT_FIELD_NUMBER: _ClassVar[int]
    TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    NODES_MISSING_FIELD_NUMBER: _ClassVar[int]
    answered: int
    missing: _containers.RepeatedCompositeFieldContainer[MissingReply]
    missing_count: int
    timed_out: bool
    nodes_missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, answered: _Optional[int] = ..., missing: _Optional[_Iterable[_Union[MissingReply, _Mapping]]] = ..., missing_count: _Optional[int] = ..., timed_out: _Optional[bool] = ..., nodes_missing: _Optional[_Iterable[str]] = ...) -> None: ...
