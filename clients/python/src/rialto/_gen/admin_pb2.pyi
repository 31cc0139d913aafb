import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from . import code_pb2 as _code_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Revoked(_message.Message):
    __slots__ = ("user", "token_id", "session_id")
    USER_FIELD_NUMBER: _ClassVar[int]
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    user: str
    token_id: str
    session_id: str
    def __init__(self, user: _Optional[str] = ..., token_id: _Optional[str] = ..., session_id: _Optional[str] = ...) -> None: ...

class Revocation(_message.Message):
    __slots__ = ("revoked", "revoked_at", "kept_until", "reason")
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    REVOKED_AT_FIELD_NUMBER: _ClassVar[int]
    KEPT_UNTIL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    revoked: Revoked
    revoked_at: _timestamp_pb2.Timestamp
    kept_until: _timestamp_pb2.Timestamp
    reason: str
    def __init__(self, revoked: _Optional[_Union[Revoked, _Mapping]] = ..., revoked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., kept_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class RevokeRequest(_message.Message):
    __slots__ = ("revoked", "keep", "reason")
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    revoked: Revoked
    keep: _duration_pb2.Duration
    reason: str
    def __init__(self, revoked: _Optional[_Union[Revoked, _Mapping]] = ..., keep: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class RevokeResponse(_message.Message):
    __slots__ = ("revocation", "sessions_ended", "nodes_missing", "durability")
    REVOCATION_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_ENDED_FIELD_NUMBER: _ClassVar[int]
    NODES_MISSING_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    revocation: Revocation
    sessions_ended: int
    nodes_missing: _containers.RepeatedScalarFieldContainer[str]
    durability: _code_pb2.Durability
    def __init__(self, revocation: _Optional[_Union[Revocation, _Mapping]] = ..., sessions_ended: _Optional[int] = ..., nodes_missing: _Optional[_Iterable[str]] = ..., durability: _Optional[_Union[_code_pb2.Durability, str]] = ...) -> None: ...

class ListRevocationsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRevocationsResponse(_message.Message):
    __slots__ = ("revocations", "next_page_token", "total_count")
    REVOCATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    revocations: _containers.RepeatedCompositeFieldContainer[Revocation]
    next_page_token: str
    total_count: int
    def __init__(self, revocations: _Optional[_Iterable[_Union[Revocation, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_count: _Optional[int] = ...) -> None: ...

class ReinstateRequest(_message.Message):
    __slots__ = ("revoked",)
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    revoked: Revoked
    def __init__(self, revoked: _Optional[_Union[Revoked, _Mapping]] = ...) -> None: ...

class ReinstateResponse(_message.Message):
    __slots__ = ("was_revoked", "nodes_missing")
    WAS_REVOKED_FIELD_NUMBER: _ClassVar[int]
    NODES_MISSING_FIELD_NUMBER: _ClassVar[int]
    was_revoked: bool
    nodes_missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, was_revoked: _Optional[bool] = ..., nodes_missing: _Optional[_Iterable[str]] = ...) -> None: ...
