import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from . import event_pb2 as _event_pb2
from . import frame_pb2 as _frame_pb2
from . import session_pb2 as _session_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AttachRequest(_message.Message):
    __slots__ = ("frames",)
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[_frame_pb2.ClientFrame]
    def __init__(self, frames: _Optional[_Iterable[_Union[_frame_pb2.ClientFrame, _Mapping]]] = ...) -> None: ...

class AttachResponse(_message.Message):
    __slots__ = ("first_seq", "frames")
    FIRST_SEQ_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    first_seq: int
    frames: _containers.RepeatedCompositeFieldContainer[_frame_pb2.ServerFrame]
    def __init__(self, first_seq: _Optional[int] = ..., frames: _Optional[_Iterable[_Union[_frame_pb2.ServerFrame, _Mapping]]] = ...) -> None: ...

class ListenRequest(_message.Message):
    __slots__ = ("hello",)
    HELLO_FIELD_NUMBER: _ClassVar[int]
    hello: _session_pb2.Hello
    def __init__(self, hello: _Optional[_Union[_session_pb2.Hello, _Mapping]] = ...) -> None: ...

class ListenResponse(_message.Message):
    __slots__ = ("first_seq", "frames")
    FIRST_SEQ_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    first_seq: int
    frames: _containers.RepeatedCompositeFieldContainer[_frame_pb2.ServerFrame]
    def __init__(self, first_seq: _Optional[int] = ..., frames: _Optional[_Iterable[_Union[_frame_pb2.ServerFrame, _Mapping]]] = ...) -> None: ...

class PushRequest(_message.Message):
    __slots__ = ("session_id", "session_secret", "first_seq", "frames")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_SECRET_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEQ_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    session_secret: str
    first_seq: int
    frames: _containers.RepeatedCompositeFieldContainer[_frame_pb2.ClientFrame]
    def __init__(self, session_id: _Optional[str] = ..., session_secret: _Optional[str] = ..., first_seq: _Optional[int] = ..., frames: _Optional[_Iterable[_Union[_frame_pb2.ClientFrame, _Mapping]]] = ...) -> None: ...

class PushResponse(_message.Message):
    __slots__ = ("accepted_seq",)
    ACCEPTED_SEQ_FIELD_NUMBER: _ClassVar[int]
    accepted_seq: int
    def __init__(self, accepted_seq: _Optional[int] = ...) -> None: ...

class PublishRequest(_message.Message):
    __slots__ = ("namespace", "target", "content", "delivery", "idempotency_key")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    target: _event_pb2.Target
    content: _event_pb2.Content
    delivery: _event_pb2.Delivery
    idempotency_key: str
    def __init__(self, namespace: _Optional[str] = ..., target: _Optional[_Union[_event_pb2.Target, _Mapping]] = ..., content: _Optional[_Union[_event_pb2.Content, _Mapping]] = ..., delivery: _Optional[_Union[_event_pb2.Delivery, str]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ("accepted",)
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    accepted: _event_pb2.Accepted
    def __init__(self, accepted: _Optional[_Union[_event_pb2.Accepted, _Mapping]] = ...) -> None: ...

class PublishBatchRequest(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[PublishRequest]
    def __init__(self, entries: _Optional[_Iterable[_Union[PublishRequest, _Mapping]]] = ...) -> None: ...

class PublishBatchResponse(_message.Message):
    __slots__ = ("outcomes",)
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[PublishOutcome]
    def __init__(self, outcomes: _Optional[_Iterable[_Union[PublishOutcome, _Mapping]]] = ...) -> None: ...

class PublishOutcome(_message.Message):
    __slots__ = ("accepted", "refused")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    accepted: _event_pb2.Accepted
    refused: _event_pb2.Refused
    def __init__(self, accepted: _Optional[_Union[_event_pb2.Accepted, _Mapping]] = ..., refused: _Optional[_Union[_event_pb2.Refused, _Mapping]] = ...) -> None: ...

class CallRequest(_message.Message):
    __slots__ = ("namespace", "session", "any_of", "content", "timeout")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ANY_OF_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    session: str
    any_of: str
    content: _event_pb2.Content
    timeout: _duration_pb2.Duration
    def __init__(self, namespace: _Optional[str] = ..., session: _Optional[str] = ..., any_of: _Optional[str] = ..., content: _Optional[_Union[_event_pb2.Content, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CallResponse(_message.Message):
    __slots__ = ("reply", "event_id")
    REPLY_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    reply: _event_pb2.ReplyItem
    event_id: str
    def __init__(self, reply: _Optional[_Union[_event_pb2.ReplyItem, _Mapping]] = ..., event_id: _Optional[str] = ...) -> None: ...
