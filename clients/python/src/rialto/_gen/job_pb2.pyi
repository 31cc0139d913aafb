import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_DELAYED: _ClassVar[JobState]
    JOB_STATE_WAITING: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
    JOB_STATE_COMPLETED: _ClassVar[JobState]
    JOB_STATE_DEAD: _ClassVar[JobState]
    JOB_STATE_CANCELLED: _ClassVar[JobState]
    JOB_STATE_EXPIRED: _ClassVar[JobState]
    JOB_STATE_DISCARDED: _ClassVar[JobState]
    JOB_STATE_BLOCKED: _ClassVar[JobState]
    JOB_STATE_PAUSED: _ClassVar[JobState]
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_DELAYED: JobState
JOB_STATE_WAITING: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_COMPLETED: JobState
JOB_STATE_DEAD: JobState
JOB_STATE_CANCELLED: JobState
JOB_STATE_EXPIRED: JobState
JOB_STATE_DISCARDED: JobState
JOB_STATE_BLOCKED: JobState
JOB_STATE_PAUSED: JobState

class JobBody(_message.Message):
    __slots__ = ("text", "binary", "uploaded", "content_type")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    BINARY_FIELD_NUMBER: _ClassVar[int]
    UPLOADED_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    text: str
    binary: bytes
    uploaded: UploadedPayload
    content_type: str
    def __init__(self, text: _Optional[str] = ..., binary: _Optional[bytes] = ..., uploaded: _Optional[_Union[UploadedPayload, _Mapping]] = ..., content_type: _Optional[str] = ...) -> None: ...

class UploadedPayload(_message.Message):
    __slots__ = ("upload_id", "bytes")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    bytes: int
    def __init__(self, upload_id: _Optional[str] = ..., bytes: _Optional[int] = ...) -> None: ...

class NewJob(_message.Message):
    __slots__ = ("job_id", "type", "body", "attributes", "priority", "fairness_key", "fairness_weight", "ordering_key", "unique_key", "delay", "run_at", "ttl", "retry", "notify", "batch_id", "completes_batch", "chain", "previous_result")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    FAIRNESS_KEY_FIELD_NUMBER: _ClassVar[int]
    FAIRNESS_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    ORDERING_KEY_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_KEY_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    RUN_AT_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    NOTIFY_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    COMPLETES_BATCH_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_RESULT_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    type: str
    body: JobBody
    attributes: _containers.ScalarMap[str, str]
    priority: int
    fairness_key: str
    fairness_weight: int
    ordering_key: str
    unique_key: str
    delay: _duration_pb2.Duration
    run_at: _timestamp_pb2.Timestamp
    ttl: _duration_pb2.Duration
    retry: RetryPolicy
    notify: _containers.RepeatedCompositeFieldContainer[JobNotify]
    batch_id: str
    completes_batch: bool
    chain: _containers.RepeatedCompositeFieldContainer[ChainedJob]
    previous_result: JobBody
    def __init__(self, job_id: _Optional[str] = ..., type: _Optional[str] = ..., body: _Optional[_Union[JobBody, _Mapping]] = ..., attributes: _Optional[_Mapping[str, str]] = ..., priority: _Optional[int] = ..., fairness_key: _Optional[str] = ..., fairness_weight: _Optional[int] = ..., ordering_key: _Optional[str] = ..., unique_key: _Optional[str] = ..., delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., run_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., retry: _Optional[_Union[RetryPolicy, _Mapping]] = ..., notify: _Optional[_Iterable[_Union[JobNotify, _Mapping]]] = ..., batch_id: _Optional[str] = ..., completes_batch: _Optional[bool] = ..., chain: _Optional[_Iterable[_Union[ChainedJob, _Mapping]]] = ..., previous_result: _Optional[_Union[JobBody, _Mapping]] = ...) -> None: ...

class ChainedJob(_message.Message):
    __slots__ = ("queue", "job")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    queue: str
    job: NewJob
    def __init__(self, queue: _Optional[str] = ..., job: _Optional[_Union[NewJob, _Mapping]] = ...) -> None: ...

class RetryPolicy(_message.Message):
    __slots__ = ("attempts_max", "base", "max")
    ATTEMPTS_MAX_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    attempts_max: int
    base: _duration_pb2.Duration
    max: _duration_pb2.Duration
    def __init__(self, attempts_max: _Optional[int] = ..., base: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class JobNotify(_message.Message):
    __slots__ = ("namespace", "room", "states")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    room: str
    states: _containers.RepeatedScalarFieldContainer[JobState]
    def __init__(self, namespace: _Optional[str] = ..., room: _Optional[str] = ..., states: _Optional[_Iterable[_Union[JobState, str]]] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("namespace", "queue", "job_id", "type", "state", "body", "attributes", "priority", "fairness_key", "ordering_key", "unique_key", "enqueue_time", "due_time", "start_time", "end_time", "attempt", "attempts_max", "deliveries", "worker_id", "lease_end_time", "progress", "result", "error", "cancelling", "forget_time", "batch_id", "batch", "chain_length", "schedule_id", "pausing")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    FAIRNESS_KEY_FIELD_NUMBER: _ClassVar[int]
    ORDERING_KEY_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_KEY_FIELD_NUMBER: _ClassVar[int]
    ENQUEUE_TIME_FIELD_NUMBER: _ClassVar[int]
    DUE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_MAX_FIELD_NUMBER: _ClassVar[int]
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_END_TIME_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CANCELLING_FIELD_NUMBER: _ClassVar[int]
    FORGET_TIME_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    CHAIN_LENGTH_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_ID_FIELD_NUMBER: _ClassVar[int]
    PAUSING_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    queue: str
    job_id: str
    type: str
    state: JobState
    body: JobBody
    attributes: _containers.ScalarMap[str, str]
    priority: int
    fairness_key: str
    ordering_key: str
    unique_key: str
    enqueue_time: _timestamp_pb2.Timestamp
    due_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    attempt: int
    attempts_max: int
    deliveries: int
    worker_id: str
    lease_end_time: _timestamp_pb2.Timestamp
    progress: JobProgress
    result: JobBody
    error: JobError
    cancelling: bool
    forget_time: _timestamp_pb2.Timestamp
    batch_id: str
    batch: JobBatch
    chain_length: int
    schedule_id: str
    pausing: bool
    def __init__(self, namespace: _Optional[str] = ..., queue: _Optional[str] = ..., job_id: _Optional[str] = ..., type: _Optional[str] = ..., state: _Optional[_Union[JobState, str]] = ..., body: _Optional[_Union[JobBody, _Mapping]] = ..., attributes: _Optional[_Mapping[str, str]] = ..., priority: _Optional[int] = ..., fairness_key: _Optional[str] = ..., ordering_key: _Optional[str] = ..., unique_key: _Optional[str] = ..., enqueue_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., due_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempt: _Optional[int] = ..., attempts_max: _Optional[int] = ..., deliveries: _Optional[int] = ..., worker_id: _Optional[str] = ..., lease_end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., progress: _Optional[_Union[JobProgress, _Mapping]] = ..., result: _Optional[_Union[JobBody, _Mapping]] = ..., error: _Optional[_Union[JobError, _Mapping]] = ..., cancelling: _Optional[bool] = ..., forget_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., batch_id: _Optional[str] = ..., batch: _Optional[_Union[JobBatch, _Mapping]] = ..., chain_length: _Optional[int] = ..., schedule_id: _Optional[str] = ..., pausing: _Optional[bool] = ...) -> None: ...

class JobBatch(_message.Message):
    __slots__ = ("closed", "live_count", "completed_count", "dead_count", "cancelled_count", "expired_count", "discarded_count")
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    LIVE_COUNT_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DEAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_COUNT_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DISCARDED_COUNT_FIELD_NUMBER: _ClassVar[int]
    closed: bool
    live_count: int
    completed_count: int
    dead_count: int
    cancelled_count: int
    expired_count: int
    discarded_count: int
    def __init__(self, closed: _Optional[bool] = ..., live_count: _Optional[int] = ..., completed_count: _Optional[int] = ..., dead_count: _Optional[int] = ..., cancelled_count: _Optional[int] = ..., expired_count: _Optional[int] = ..., discarded_count: _Optional[int] = ...) -> None: ...

class Schedule(_message.Message):
    __slots__ = ("schedule_id", "cron", "time_zone", "job", "one_live", "paused")
    SCHEDULE_ID_FIELD_NUMBER: _ClassVar[int]
    CRON_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    ONE_LIVE_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    schedule_id: str
    cron: str
    time_zone: str
    job: NewJob
    one_live: bool
    paused: bool
    def __init__(self, schedule_id: _Optional[str] = ..., cron: _Optional[str] = ..., time_zone: _Optional[str] = ..., job: _Optional[_Union[NewJob, _Mapping]] = ..., one_live: _Optional[bool] = ..., paused: _Optional[bool] = ...) -> None: ...

class ScheduleStatus(_message.Message):
    __slots__ = ("schedule", "next_time", "last_time", "skipped_count")
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    NEXT_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_TIME_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_COUNT_FIELD_NUMBER: _ClassVar[int]
    schedule: Schedule
    next_time: _timestamp_pb2.Timestamp
    last_time: _timestamp_pb2.Timestamp
    skipped_count: int
    def __init__(self, schedule: _Optional[_Union[Schedule, _Mapping]] = ..., next_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., skipped_count: _Optional[int] = ...) -> None: ...

class JobProgress(_message.Message):
    __slots__ = ("done", "total", "message")
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    done: int
    total: int
    message: str
    def __init__(self, done: _Optional[int] = ..., total: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class JobError(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class QueueSettings(_message.Message):
    __slots__ = ("concurrency_max", "key_concurrency_max", "rate_per_second", "key_rate_per_second", "jobs_max", "retry", "ended_kept", "ended_max", "dead_kept")
    CONCURRENCY_MAX_FIELD_NUMBER: _ClassVar[int]
    KEY_CONCURRENCY_MAX_FIELD_NUMBER: _ClassVar[int]
    RATE_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    KEY_RATE_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    JOBS_MAX_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    ENDED_KEPT_FIELD_NUMBER: _ClassVar[int]
    ENDED_MAX_FIELD_NUMBER: _ClassVar[int]
    DEAD_KEPT_FIELD_NUMBER: _ClassVar[int]
    concurrency_max: int
    key_concurrency_max: int
    rate_per_second: int
    key_rate_per_second: int
    jobs_max: int
    retry: RetryPolicy
    ended_kept: _duration_pb2.Duration
    ended_max: int
    dead_kept: _duration_pb2.Duration
    def __init__(self, concurrency_max: _Optional[int] = ..., key_concurrency_max: _Optional[int] = ..., rate_per_second: _Optional[int] = ..., key_rate_per_second: _Optional[int] = ..., jobs_max: _Optional[int] = ..., retry: _Optional[_Union[RetryPolicy, _Mapping]] = ..., ended_kept: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., ended_max: _Optional[int] = ..., dead_kept: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Queue(_message.Message):
    __slots__ = ("namespace", "queue", "settings", "paused", "delayed_count", "waiting_count", "running_count", "dead_count", "ended_count", "oldest_enqueue_time", "blocked_count", "paused_count")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    DELAYED_COUNT_FIELD_NUMBER: _ClassVar[int]
    WAITING_COUNT_FIELD_NUMBER: _ClassVar[int]
    RUNNING_COUNT_FIELD_NUMBER: _ClassVar[int]
    DEAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    ENDED_COUNT_FIELD_NUMBER: _ClassVar[int]
    OLDEST_ENQUEUE_TIME_FIELD_NUMBER: _ClassVar[int]
    BLOCKED_COUNT_FIELD_NUMBER: _ClassVar[int]
    PAUSED_COUNT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    queue: str
    settings: QueueSettings
    paused: bool
    delayed_count: int
    waiting_count: int
    running_count: int
    dead_count: int
    ended_count: int
    oldest_enqueue_time: _timestamp_pb2.Timestamp
    blocked_count: int
    paused_count: int
    def __init__(self, namespace: _Optional[str] = ..., queue: _Optional[str] = ..., settings: _Optional[_Union[QueueSettings, _Mapping]] = ..., paused: _Optional[bool] = ..., delayed_count: _Optional[int] = ..., waiting_count: _Optional[int] = ..., running_count: _Optional[int] = ..., dead_count: _Optional[int] = ..., ended_count: _Optional[int] = ..., oldest_enqueue_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., blocked_count: _Optional[int] = ..., paused_count: _Optional[int] = ...) -> None: ...
