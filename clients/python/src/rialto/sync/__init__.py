"""The client of Rialto for programs without an event loop: the same names, and each call waits.

The asyncio client runs on one thread beside, which is there as long as a session or a client is open.
"""

from ._background import Iterating
from ._client import Admin, Client, Directory, Jobs
from ._events import Event, Events, Replies
from ._session import History, Namespace, Presence, Room, Session, State, connect
from ._worker import Notice, Worker, WorkerJob

__all__ = [
    "Admin",
    "Client",
    "Directory",
    "Event",
    "Events",
    "History",
    "Iterating",
    "Jobs",
    "Namespace",
    "Notice",
    "Presence",
    "Replies",
    "Room",
    "Session",
    "State",
    "Worker",
    "WorkerJob",
    "connect",
]
