"""What an application decides about a session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from ._backlog import OfflineBuffer
from .token import TokenSource

VERSION = "0.1.0"
PROGRAM = ("rialto-python", VERSION)
DEADLINE = 10.0


class SessionOptions(TypedDict, total=False):
    """What may be said when a session is opened."""

    user: str
    """The user, for servers that run without authentication."""
    token: TokenSource
    """A token, or a function that is asked for one before each attempt and before it expires."""
    attributes: Mapping[str, str]
    """Key/value pairs that others see beside the session."""
    program: tuple[str, str]
    """Name and version of the program, for logs and statistics."""
    deadline: float
    """Seconds that a command may take unless it says otherwise. Default 10."""
    connect_timeout: float
    """Seconds that one attempt to connect may take. Default 10."""
    offline_buffer: OfflineBuffer
    """How much may wait for the connection."""
    events_waiting: int
    """Items that the queue of a stream holds. Default 256."""
    wait_for_server: bool
    """The first attempt may fail like any later one."""
    certificates: bytes
    """PEM of the authorities that are trusted."""


@dataclass(frozen=True)
class Settings:
    """The same with everything filled in."""

    user: str = ""
    token: TokenSource = field(default=None, repr=False)
    attributes: Mapping[str, str] = field(default_factory=dict)
    program: tuple[str, str] = PROGRAM
    deadline: float = DEADLINE
    connect_timeout: float = 10.0
    offline_buffer: OfflineBuffer = OfflineBuffer()
    events_waiting: int = 256
    wait_for_server: bool = False
    certificates: bytes | None = None
