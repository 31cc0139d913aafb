import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from . import job_pb2 as _job_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LeaseOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEASE_OUTCOME_UNSPECIFIED: _ClassVar[LeaseOutcome]
    LEASE_OUTCOME_OK: _ClassVar[LeaseOutcome]
    LEASE_OUTCOME_LEASE_LOST: _ClassVar[LeaseOutcome]
    LEASE_OUTCOME_NOT_FOUND: _ClassVar[LeaseOutcome]
    LEASE_OUTCOME_TEMPORARY: _ClassVar[LeaseOutcome]
    LEASE_OUTCOME_INVALID: _ClassVar[LeaseOutcome]
LEASE_OUTCOME_UNSPECIFIED: LeaseOutcome
LEASE_OUTCOME_OK: LeaseOutcome
LEASE_OUTCOME_LEASE_LOST: LeaseOutcome
LEASE_OUTCOME_NOT_FOUND: LeaseOutcome
LEASE_OUTCOME_TEMPORARY: LeaseOutcome
LEASE_OUTCOME_INVALID: LeaseOutcome

class WorkRequest(_message.Message):
    __slots__ = ("hello", "credit", "settle", "extend", "drain")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    SETTLE_FIELD_NUMBER: _ClassVar[int]
    EXTEND_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    hello: WorkerHello
    credit: WorkerCredit
    settle: SettleRequest
    extend: ExtendRequest
    drain: WorkerDrain
    def __init__(self, hello: _Optional[_Union[WorkerHello, _Mapping]] = ..., credit: _Optional[_Union[WorkerCredit, _Mapping]] = ..., settle: _Optional[_Union[SettleRequest, _Mapping]] = ..., extend: _Optional[_Union[ExtendRequest, _Mapping]] = ..., drain: _Optional[_Union[WorkerDrain, _Mapping]] = ...) -> None: ...

class WorkResponse(_message.Message):
    __slots__ = ("welcome", "leases", "settled", "extended", "cancel", "drain", "pause")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    LEASES_FIELD_NUMBER: _ClassVar[int]
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    EXTENDED_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    PAUSE_FIELD_NUMBER: _ClassVar[int]
    welcome: WorkerWelcome
    leases: Leases
    settled: SettleResponse
    extended: ExtendResponse
    cancel: WorkerCancel
    drain: WorkerDrain
    pause: WorkerPause
    def __init__(self, welcome: _Optional[_Union[WorkerWelcome, _Mapping]] = ..., leases: _Optional[_Union[Leases, _Mapping]] = ..., settled: _Optional[_Union[SettleResponse, _Mapping]] = ..., extended: _Optional[_Union[ExtendResponse, _Mapping]] = ..., cancel: _Optional[_Union[WorkerCancel, _Mapping]] = ..., drain: _Optional[_Union[WorkerDrain, _Mapping]] = ..., pause: _Optional[_Union[WorkerPause, _Mapping]] = ...) -> None: ...

class WorkerHello(_message.Message):
    __slots__ = ("worker_id", "resume", "subscriptions", "lease_duration", "credit")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTIONS_FIELD_NUMBER: _ClassVar[int]
    LEASE_DURATION_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    resume: str
    subscriptions: _containers.RepeatedCompositeFieldContainer[WorkerSubscription]
    lease_duration: _duration_pb2.Duration
    credit: WorkerCredit
    def __init__(self, worker_id: _Optional[str] = ..., resume: _Optional[str] = ..., subscriptions: _Optional[_Iterable[_Union[WorkerSubscription, _Mapping]]] = ..., lease_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., credit: _Optional[_Union[WorkerCredit, _Mapping]] = ...) -> None: ...

class WorkerSubscription(_message.Message):
    __slots__ = ("namespace", "queue", "in_flight_max", "weight")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_MAX_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    queue: str
    in_flight_max: int
    weight: int
    def __init__(self, namespace: _Optional[str] = ..., queue: _Optional[str] = ..., in_flight_max: _Optional[int] = ..., weight: _Optional[int] = ...) -> None: ...

class WorkerCredit(_message.Message):
    __slots__ = ("jobs", "bytes")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    jobs: int
    bytes: int
    def __init__(self, jobs: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class WorkerWelcome(_message.Message):
    __slots__ = ("session", "resumed", "resume_window", "lease_duration")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    RESUME_WINDOW_FIELD_NUMBER: _ClassVar[int]
    LEASE_DURATION_FIELD_NUMBER: _ClassVar[int]
    session: str
    resumed: bool
    resume_window: _duration_pb2.Duration
    lease_duration: _duration_pb2.Duration
    def __init__(self, session: _Optional[str] = ..., resumed: _Optional[bool] = ..., resume_window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., lease_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Leases(_message.Message):
    __slots__ = ("leases",)
    LEASES_FIELD_NUMBER: _ClassVar[int]
    leases: _containers.RepeatedCompositeFieldContainer[Lease]
    def __init__(self, leases: _Optional[_Iterable[_Union[Lease, _Mapping]]] = ...) -> None: ...

class Lease(_message.Message):
    __slots__ = ("token", "namespace", "queue", "job_id", "type", "body", "attributes", "attempt", "attempts_max", "enqueue_time", "end_time", "ordering_key", "last_error", "checkpoint", "progress", "previous_result", "batch")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_MAX_FIELD_NUMBER: _ClassVar[int]
    ENQUEUE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    ORDERING_KEY_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_RESULT_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    token: str
    namespace: str
    queue: str
    job_id: str
    type: str
    body: _job_pb2.JobBody
    attributes: _containers.ScalarMap[str, str]
    attempt: int
    attempts_max: int
    enqueue_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    ordering_key: str
    last_error: _job_pb2.JobError
    checkpoint: bytes
    progress: _job_pb2.JobProgress
    previous_result: _job_pb2.JobBody
    batch: _job_pb2.JobBatch
    def __init__(self, token: _Optional[str] = ..., namespace: _Optional[str] = ..., queue: _Optional[str] = ..., job_id: _Optional[str] = ..., type: _Optional[str] = ..., body: _Optional[_Union[_job_pb2.JobBody, _Mapping]] = ..., attributes: _Optional[_Mapping[str, str]] = ..., attempt: _Optional[int] = ..., attempts_max: _Optional[int] = ..., enqueue_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ordering_key: _Optional[str] = ..., last_error: _Optional[_Union[_job_pb2.JobError, _Mapping]] = ..., checkpoint: _Optional[bytes] = ..., progress: _Optional[_Union[_job_pb2.JobProgress, _Mapping]] = ..., previous_result: _Optional[_Union[_job_pb2.JobBody, _Mapping]] = ..., batch: _Optional[_Union[_job_pb2.JobBatch, _Mapping]] = ...) -> None: ...

class LeaseRequest(_message.Message):
    __slots__ = ("worker_id", "namespace", "queue", "jobs_max", "lease_duration", "wait")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    JOBS_MAX_FIELD_NUMBER: _ClassVar[int]
    LEASE_DURATION_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    namespace: str
    queue: str
    jobs_max: int
    lease_duration: _duration_pb2.Duration
    wait: _duration_pb2.Duration
    def __init__(self, worker_id: _Optional[str] = ..., namespace: _Optional[str] = ..., queue: _Optional[str] = ..., jobs_max: _Optional[int] = ..., lease_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class LeaseResponse(_message.Message):
    __slots__ = ("leases",)
    LEASES_FIELD_NUMBER: _ClassVar[int]
    leases: _containers.RepeatedCompositeFieldContainer[Lease]
    def __init__(self, leases: _Optional[_Iterable[_Union[Lease, _Mapping]]] = ...) -> None: ...

class SettleRequest(_message.Message):
    __slots__ = ("request_id", "items")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    items: _containers.RepeatedCompositeFieldContainer[Settlement]
    def __init__(self, request_id: _Optional[int] = ..., items: _Optional[_Iterable[_Union[Settlement, _Mapping]]] = ...) -> None: ...

class Settlement(_message.Message):
    __slots__ = ("token", "completed", "failed", "released", "discarded")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    RELEASED_FIELD_NUMBER: _ClassVar[int]
    DISCARDED_FIELD_NUMBER: _ClassVar[int]
    token: str
    completed: JobCompleted
    failed: JobFailed
    released: JobReleased
    discarded: JobDiscarded
    def __init__(self, token: _Optional[str] = ..., completed: _Optional[_Union[JobCompleted, _Mapping]] = ..., failed: _Optional[_Union[JobFailed, _Mapping]] = ..., released: _Optional[_Union[JobReleased, _Mapping]] = ..., discarded: _Optional[_Union[JobDiscarded, _Mapping]] = ...) -> None: ...

class JobCompleted(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _job_pb2.JobBody
    def __init__(self, result: _Optional[_Union[_job_pb2.JobBody, _Mapping]] = ...) -> None: ...

class JobFailed(_message.Message):
    __slots__ = ("code", "message", "permanent", "retry_after")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PERMANENT_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    permanent: bool
    retry_after: _duration_pb2.Duration
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., permanent: _Optional[bool] = ..., retry_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class JobReleased(_message.Message):
    __slots__ = ("delay",)
    DELAY_FIELD_NUMBER: _ClassVar[int]
    delay: _duration_pb2.Duration
    def __init__(self, delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class JobDiscarded(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class SettleResponse(_message.Message):
    __slots__ = ("request_id", "outcomes")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    outcomes: _containers.RepeatedScalarFieldContainer[LeaseOutcome]
    def __init__(self, request_id: _Optional[int] = ..., outcomes: _Optional[_Iterable[_Union[LeaseOutcome, str]]] = ...) -> None: ...

class ExtendRequest(_message.Message):
    __slots__ = ("request_id", "items")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    items: _containers.RepeatedCompositeFieldContainer[Extension]
    def __init__(self, request_id: _Optional[int] = ..., items: _Optional[_Iterable[_Union[Extension, _Mapping]]] = ...) -> None: ...

class Extension(_message.Message):
    __slots__ = ("token", "lease_duration", "progress", "checkpoint")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    LEASE_DURATION_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    token: str
    lease_duration: _duration_pb2.Duration
    progress: _job_pb2.JobProgress
    checkpoint: bytes
    def __init__(self, token: _Optional[str] = ..., lease_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., progress: _Optional[_Union[_job_pb2.JobProgress, _Mapping]] = ..., checkpoint: _Optional[bytes] = ...) -> None: ...

class ExtendResponse(_message.Message):
    __slots__ = ("request_id", "outcomes", "cancelling", "pausing")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    CANCELLING_FIELD_NUMBER: _ClassVar[int]
    PAUSING_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    outcomes: _containers.RepeatedScalarFieldContainer[LeaseOutcome]
    cancelling: _containers.RepeatedScalarFieldContainer[str]
    pausing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_id: _Optional[int] = ..., outcomes: _Optional[_Iterable[_Union[LeaseOutcome, str]]] = ..., cancelling: _Optional[_Iterable[str]] = ..., pausing: _Optional[_Iterable[str]] = ...) -> None: ...

class WorkerCancel(_message.Message):
    __slots__ = ("tokens",)
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    tokens: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tokens: _Optional[_Iterable[str]] = ...) -> None: ...

class WorkerPause(_message.Message):
    __slots__ = ("tokens",)
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    tokens: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tokens: _Optional[_Iterable[str]] = ...) -> None: ...

class WorkerDrain(_message.Message):
    __slots__ = ("within",)
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    within: _duration_pb2.Duration
    def __init__(self, within: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
