import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RefusalCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REFUSAL_CODE_UNSPECIFIED: _ClassVar[RefusalCode]
    REFUSAL_CODE_INVALID: _ClassVar[RefusalCode]
    REFUSAL_CODE_NAME_INVALID: _ClassVar[RefusalCode]
    REFUSAL_CODE_TARGET_EMPTY: _ClassVar[RefusalCode]
    REFUSAL_CODE_PAYLOAD_TOO_LARGE: _ClassVar[RefusalCode]
    REFUSAL_CODE_LIMIT_REACHED: _ClassVar[RefusalCode]
    REFUSAL_CODE_RATE_LIMITED: _ClassVar[RefusalCode]
    REFUSAL_CODE_FORBIDDEN: _ClassVar[RefusalCode]
    REFUSAL_CODE_NAMESPACE_UNKNOWN: _ClassVar[RefusalCode]
    REFUSAL_CODE_NOT_A_MEMBER: _ClassVar[RefusalCode]
    REFUSAL_CODE_NO_RECIPIENT: _ClassVar[RefusalCode]
    REFUSAL_CODE_RECIPIENT_LEFT: _ClassVar[RefusalCode]
    REFUSAL_CODE_RECIPIENT_FAILED: _ClassVar[RefusalCode]
    REFUSAL_CODE_TIMED_OUT: _ClassVar[RefusalCode]
    REFUSAL_CODE_REF_REUSED: _ClassVar[RefusalCode]
    REFUSAL_CODE_REPLY_UNKNOWN: _ClassVar[RefusalCode]
    REFUSAL_CODE_UNAUTHENTICATED: _ClassVar[RefusalCode]
    REFUSAL_CODE_SESSION_UNKNOWN: _ClassVar[RefusalCode]
    REFUSAL_CODE_OUT_OF_ORDER: _ClassVar[RefusalCode]
    REFUSAL_CODE_DEADLINE: _ClassVar[RefusalCode]
    REFUSAL_CODE_DRAINING: _ClassVar[RefusalCode]
    REFUSAL_CODE_ALREADY_EXISTS: _ClassVar[RefusalCode]
    REFUSAL_CODE_NOT_FOUND: _ClassVar[RefusalCode]
    REFUSAL_CODE_INTERNAL: _ClassVar[RefusalCode]
    REFUSAL_CODE_CONFLICT: _ClassVar[RefusalCode]
    REFUSAL_CODE_POSITION_GONE: _ClassVar[RefusalCode]
    REFUSAL_CODE_RESUME_LATE: _ClassVar[RefusalCode]
    REFUSAL_CODE_STORAGE_FULL: _ClassVar[RefusalCode]
    REFUSAL_CODE_STORAGE_FAILED: _ClassVar[RefusalCode]
    REFUSAL_CODE_NODES_UNREACHABLE: _ClassVar[RefusalCode]

class RetryAdvice(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RETRY_ADVICE_UNSPECIFIED: _ClassVar[RetryAdvice]
    RETRY_ADVICE_NEVER: _ClassVar[RetryAdvice]
    RETRY_ADVICE_LATER: _ClassVar[RetryAdvice]
    RETRY_ADVICE_AFTER_CHANGE: _ClassVar[RetryAdvice]

class CloseCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLOSE_CODE_UNSPECIFIED: _ClassVar[CloseCode]
    CLOSE_CODE_DRAINING: _ClassVar[CloseCode]
    CLOSE_CODE_FELL_BEHIND: _ClassVar[CloseCode]
    CLOSE_CODE_SESSION_LOST: _ClassVar[CloseCode]
    CLOSE_CODE_SESSION_EXHAUSTED: _ClassVar[CloseCode]
    CLOSE_CODE_TOKEN_EXPIRED: _ClassVar[CloseCode]
    CLOSE_CODE_SILENT: _ClassVar[CloseCode]
    CLOSE_CODE_OVERRUN: _ClassVar[CloseCode]
    CLOSE_CODE_BYE: _ClassVar[CloseCode]
    CLOSE_CODE_DISCONNECTED: _ClassVar[CloseCode]
    CLOSE_CODE_PROTOCOL: _ClassVar[CloseCode]
    CLOSE_CODE_UNAUTHENTICATED: _ClassVar[CloseCode]
    CLOSE_CODE_REPLACED: _ClassVar[CloseCode]

class Then(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    THEN_UNSPECIFIED: _ClassVar[Then]
    THEN_RESUME: _ClassVar[Then]
    THEN_RECONNECT: _ClassVar[Then]
    THEN_STAY_AWAY: _ClassVar[Then]

class Durability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DURABILITY_UNSPECIFIED: _ClassVar[Durability]
    DURABILITY_MEMORY: _ClassVar[Durability]
    DURABILITY_FSYNC: _ClassVar[Durability]
    DURABILITY_REPLICATED: _ClassVar[Durability]
    DURABILITY_STORED: _ClassVar[Durability]
REFUSAL_CODE_UNSPECIFIED: RefusalCode
REFUSAL_CODE_INVALID: RefusalCode
REFUSAL_CODE_NAME_INVALID: RefusalCode
REFUSAL_CODE_TARGET_EMPTY: RefusalCode
REFUSAL_CODE_PAYLOAD_TOO_LARGE: RefusalCode
REFUSAL_CODE_LIMIT_REACHED: RefusalCode
REFUSAL_CODE_RATE_LIMITED: RefusalCode
REFUSAL_CODE_FORBIDDEN: RefusalCode
REFUSAL_CODE_NAMESPACE_UNKNOWN: RefusalCode
REFUSAL_CODE_NOT_A_MEMBER: RefusalCode
REFUSAL_CODE_NO_RECIPIENT: RefusalCode
REFUSAL_CODE_RECIPIENT_LEFT: RefusalCode
REFUSAL_CODE_RECIPIENT_FAILED: RefusalCode
REFUSAL_CODE_TIMED_OUT: RefusalCode
REFUSAL_CODE_REF_REUSED: RefusalCode
REFUSAL_CODE_REPLY_UNKNOWN: RefusalCode
REFUSAL_CODE_UNAUTHENTICATED: RefusalCode
REFUSAL_CODE_SESSION_UNKNOWN: RefusalCode
REFUSAL_CODE_OUT_OF_ORDER: RefusalCode
REFUSAL_CODE_DEADLINE: RefusalCode
REFUSAL_CODE_DRAINING: RefusalCode
REFUSAL_CODE_ALREADY_EXISTS: RefusalCode
REFUSAL_CODE_NOT_FOUND: RefusalCode
REFUSAL_CODE_INTERNAL: RefusalCode
REFUSAL_CODE_CONFLICT: RefusalCode
REFUSAL_CODE_POSITION_GONE: RefusalCode
REFUSAL_CODE_RESUME_LATE: RefusalCode
REFUSAL_CODE_STORAGE_FULL: RefusalCode
REFUSAL_CODE_STORAGE_FAILED: RefusalCode
REFUSAL_CODE_NODES_UNREACHABLE: RefusalCode
RETRY_ADVICE_UNSPECIFIED: RetryAdvice
RETRY_ADVICE_NEVER: RetryAdvice
RETRY_ADVICE_LATER: RetryAdvice
RETRY_ADVICE_AFTER_CHANGE: RetryAdvice
CLOSE_CODE_UNSPECIFIED: CloseCode
CLOSE_CODE_DRAINING: CloseCode
CLOSE_CODE_FELL_BEHIND: CloseCode
CLOSE_CODE_SESSION_LOST: CloseCode
CLOSE_CODE_SESSION_EXHAUSTED: CloseCode
CLOSE_CODE_TOKEN_EXPIRED: CloseCode
CLOSE_CODE_SILENT: CloseCode
CLOSE_CODE_OVERRUN: CloseCode
CLOSE_CODE_BYE: CloseCode
CLOSE_CODE_DISCONNECTED: CloseCode
CLOSE_CODE_PROTOCOL: CloseCode
CLOSE_CODE_UNAUTHENTICATED: CloseCode
CLOSE_CODE_REPLACED: CloseCode
THEN_UNSPECIFIED: Then
THEN_RESUME: Then
THEN_RECONNECT: Then
THEN_STAY_AWAY: Then
DURABILITY_UNSPECIFIED: Durability
DURABILITY_MEMORY: Durability
DURABILITY_FSYNC: Durability
DURABILITY_REPLICATED: Durability
DURABILITY_STORED: Durability

class Retry(_message.Message):
    __slots__ = ("advice", "after")
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    advice: RetryAdvice
    after: _duration_pb2.Duration
    def __init__(self, advice: _Optional[_Union[RetryAdvice, str]] = ..., after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
