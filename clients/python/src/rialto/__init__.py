"""The client of Rialto: sessions, rooms and events; jobs and workers.

Everything here is for asyncio. `rialto.sync` has the same names for programs without it.
"""

from . import reports, status, v1
from ._audience import Stream
from ._backlog import OfflineBuffer
from ._pages import Page
from ._positions import Position
from ._settings import VERSION as __version__
from ._settings import SessionOptions
from ._watching import JobWatch
from .admin import Admin
from .client import Client, Outcome, Publication
from .content import Content, Payload
from .directory import Directory
from .errors import Advice, Kind, RialtoError, Violation
from .event import Event
from .history import History, HistoryPage, HistoryStart
from .job import Batch, Job, JobContent, JobFailure, Progress
from .jobs import Enqueued, EnqueueOutcome, JobFilter, Jobs
from .namespace import Namespace
from .new_job import JobOptions, NewJob, Notify, Retry, Uploaded
from .outcome import Discard, Fail, Release
from .presence import Counts, Member, Presence, PresenceChange, Present, UserPresence
from .replies import MissingReply, Replies, Reply, Summary
from .room import Room, RoomStatus
from .schedule import Schedule, ScheduleStatus
from .session import Connecting, Session, connect
from .state import State, StateChange, StateEntry, StateSet
from .target import Accepted, EmitOptions, PublishOptions, Target
from .token import Token, TokenSource
from .worker import Worker
from .worker_job import Notice, WorkerJob

__all__ = [
    "__version__",
    "Accepted",
    "Admin",
    "Advice",
    "Batch",
    "Client",
    "connect",
    "Connecting",
    "Content",
    "Counts",
    "Directory",
    "Discard",
    "EmitOptions",
    "Enqueued",
    "EnqueueOutcome",
    "Event",
    "Fail",
    "History",
    "HistoryPage",
    "HistoryStart",
    "Job",
    "JobContent",
    "JobFailure",
    "JobFilter",
    "JobOptions",
    "Jobs",
    "JobWatch",
    "Kind",
    "Member",
    "MissingReply",
    "Namespace",
    "NewJob",
    "Notice",
    "Notify",
    "OfflineBuffer",
    "Outcome",
    "Page",
    "Payload",
    "Position",
    "Presence",
    "PresenceChange",
    "Present",
    "Progress",
    "Publication",
    "PublishOptions",
    "Release",
    "Replies",
    "Reply",
    "reports",
    "Retry",
    "RialtoError",
    "Room",
    "RoomStatus",
    "Schedule",
    "ScheduleStatus",
    "Session",
    "SessionOptions",
    "State",
    "StateChange",
    "StateEntry",
    "StateSet",
    "status",
    "Stream",
    "Summary",
    "Target",
    "Token",
    "TokenSource",
    "Uploaded",
    "UserPresence",
    "v1",
    "Violation",
    "Worker",
    "WorkerJob",
]
