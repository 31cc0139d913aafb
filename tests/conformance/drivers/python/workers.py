"""Workers, whose jobs run until they are told how to end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import rialto

from command import Command
from content import told_payload
from failure import failure_of
from people import People
from report import Json, tell

PATTERN = 251


@dataclass
class Shift:
    """A worker that runs."""

    name: str
    worker: rialto.Worker
    running: dict[str, tuple[rialto.WorkerJob, asyncio.Future[str]]] = field(default_factory=dict)
    """What it works on, by name, and where its end is to be said."""

    async def run(self) -> None:
        """Until it has ended."""
        try:
            await self.worker.run(self.do)
        except rialto.RialtoError as error:
            tell(self.name, "failed", failure_of(error))
        tell(self.name, "stopped", True)

    async def do(self, job: rialto.WorkerJob) -> str:
        """Works on a job until somebody says how it ends."""
        end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.running[job.id] = job, end
        tell(self.name, "begun", told_job(job))
        notices = [asyncio.create_task(self.tell_cancelled(job)), asyncio.create_task(self.tell_paused(job))]
        try:
            return await end
        finally:
            for notice in notices:
                notice.cancel()
            del self.running[job.id]

    async def tell_cancelled(self, job: rialto.WorkerJob) -> None:
        """Tells that its job is to be cancelled, or that its lease is lost."""
        reason = await job.cancelled.wait()
        tell(self.name, "lease_lost" if reason == "LEASE_LOST" else "cancelling", job.id)

    async def tell_paused(self, job: rialto.WorkerJob) -> None:
        """Tells that its job is to be paused."""
        await job.to_pause.wait()
        tell(self.name, "pausing", job.id)


async def work(people: People, command: Command) -> None:
    options = command.given(concurrency="concurrency", signals="signals")
    if (lease := command.span("lease_ms")) is not None:
        options["lease"] = lease
    worker = people.client(command).worker(command.text("as"), **options)
    for queue in command.arguments["queues"]:
        bounds = {key: queue[key] for key in ("concurrency", "weight") if key in queue}
        worker.queue(command.text("namespace"), queue["queue"], **bounds)
    shift = people.shifts[command.text("as")] = Shift(command.text("as"), worker)
    people.begin(shift.run())


def told_job(job: rialto.WorkerJob) -> Json:
    told: Json = {
        "job_id": job.id,
        "queue": job.queue,
        "type": job.type,
        "attempt": job.attempt,
        "checkpoint": job.last_checkpoint.decode(),
    }
    if job.previous_result is not None:
        told["previous_result"] = job.previous_result.text
    return told if job.uploaded else {**told, **told_payload(job)}


async def stop_work(people: People, command: Command) -> None:
    await people.shifts[command.by].worker.stop()


async def finish(people: People, command: Command) -> None:
    _, end = people.shifts[command.by].running[command.text("job_id")]
    error = not_done(command)
    if error is None:
        end.set_result(command.text("result"))
    else:
        end.set_exception(error)


def not_done(command: Command) -> Exception | None:
    if (fail := command.get("fail")) is not None:
        table = command.of(fail)
        retry_after = table.span("retry_after_ms")
        return rialto.Fail(
            table.text("message"), permanent=table.get("permanent", False), retry_after=retry_after
        )
    if (release := command.get("release")) is not None:
        return rialto.Release(command.of(release).span("delay_ms") or 0.0)
    if (discard := command.get("discard")) is not None:
        return rialto.Discard(command.of(discard).text("reason"))
    return None


async def progress(people: People, command: Command) -> None:
    job, _ = people.shifts[command.by].running[command.text("job_id")]
    job.progress(command.get("at", 0), command.get("total", 0), command.text("message"))


async def checkpoint(people: People, command: Command) -> None:
    job, _ = people.shifts[command.by].running[command.text("job_id")]
    job.checkpoint(command.text("text"))


async def read_payload(people: People, command: Command) -> Json:
    job, _ = people.shifts[command.by].running[command.text("job_id")]
    offset = at = command.get("offset", 0)
    right = True
    async for piece in job.read(offset):
        right = right and piece == bytes((at + place) % PATTERN for place in range(len(piece)))
        at += len(piece)
    return {"bytes": at - offset, "right": right}


VERBS: dict[str, Any] = {
    verb.__name__: verb for verb in (work, stop_work, finish, progress, checkpoint, read_payload)
}
