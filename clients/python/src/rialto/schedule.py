"""Schedules, which put a job in again and again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from . import v1
from ._times import moment
from .new_job import NewJob


@dataclass(frozen=True)
class Schedule:
    """What is put in, and when."""

    id: str
    """Its name in the queue, 1 to 100 bytes."""
    cron: str
    """When, as cron has it; with six fields the first is the second."""
    job: NewJob
    """What is put in. The schedule names it and says when it begins."""
    time_zone: str = ""
    """For example `Europe/Berlin`. Default UTC."""
    one_live: bool = False
    """Nothing is put in while the job before has not ended."""
    paused: bool = False
    """Nothing is put in at all."""

    def to_wire(self) -> v1.Schedule:
        """As it is sent."""
        return v1.Schedule(
            schedule_id=self.id,
            cron=self.cron,
            time_zone=self.time_zone,
            job=self.job.scheduled(),
            one_live=self.one_live,
            paused=self.paused,
        )


@dataclass(frozen=True)
class ScheduleStatus:
    """A schedule as it is now."""

    id: str
    cron: str
    time_zone: str
    one_live: bool
    paused: bool
    next_at: datetime | None
    """When it puts a job in next."""
    last_at: datetime | None
    """For when it has put a job in last."""
    skipped: int
    """How often it has put none in because another one was there."""

    @classmethod
    def of(cls, status: v1.ScheduleStatus) -> ScheduleStatus:
        """As the server says it."""
        schedule = status.schedule
        return cls(
            schedule.schedule_id,
            schedule.cron,
            schedule.time_zone,
            schedule.one_live,
            schedule.paused,
            moment(status.next_time) if status.HasField("next_time") else None,
            moment(status.last_time) if status.HasField("last_time") else None,
            status.skipped_count,
        )
