"""Queues of jobs: putting in, looking, steering."""

from __future__ import annotations

from typing import Any

import rialto
from rialto import v1

from command import Command
from content import payload
from failure import failure_of
from people import People
from report import Json, tell


def queue_of(people: People, command: Command) -> rialto.Jobs:
    return people.client(command).jobs(command.text("namespace"), command.text("queue"))


async def enqueue(people: People, command: Command) -> Json:
    here = queue_of(people, command)
    new = [await new_job(here, command.of(item)) for item in command.arguments["jobs"]]
    outcomes = await here.enqueue_all(new)
    return {"jobs": [told_outcome(outcome) for outcome in outcomes]}


async def new_job(here: rialto.Jobs, item: Command) -> rialto.NewJob:
    given: Any = item.given(
        id="job_id",
        type="type",
        content_type="content_type",
        attributes="attributes",
        priority="priority",
        fairness_key="fairness_key",
        ordering_key="ordering_key",
        unique_key="unique_key",
        batch="batch",
        completes_batch="completes_batch",
    )
    for name, key in (("delay", "delay_ms"), ("ttl", "ttl_ms")):
        if (span := item.span(key)) is not None:
            given[name] = span
    if "notify_room" in item.arguments:
        given["notify"] = [rialto.Notify(item.text("notify_room"))]
    wait = item.span("backoff_ms")
    given["retry"] = rialto.Retry(item.get("attempts_max", 0), wait, wait)
    given["chain"] = [rialto.NewJob(payload(item.of(each))) for each in item.get("then", ())]
    if (size := item.get("upload_bytes")) is not None:
        return rialto.NewJob(await here.upload(bytes(index % 251 for index in range(size))), **given)
    return rialto.NewJob(payload(item), **given)


def told_outcome(outcome: rialto.EnqueueOutcome) -> Json:
    if isinstance(outcome, rialto.RialtoError):
        return {"refused": outcome.code}
    return {"job_id": outcome.id, "duplicate": outcome.duplicate}


def told_job(job: rialto.Job) -> Json:
    told: Json = {"job_id": job.id, "state": job.state, "ended": job.ended, "attempt": job.attempt}
    if job.result is not None:
        told["result"] = job.result.text
    if job.error is not None:
        told["error"] = job.error.message
    if job.progress is not None:
        told["progress"] = vars(job.progress)
    return told


async def get_job(people: People, command: Command) -> Json:
    return told_job(await queue_of(people, command).get(command.text("job_id")))


async def wait_job(people: People, command: Command) -> Json:
    within = command.span("timeout_ms") or 10.0
    return told_job(await queue_of(people, command).wait(command.text("job_id"), within))


async def list_jobs(people: People, command: Command) -> Json:
    which: Any = command.given(states="states", type="type", attributes="attributes")
    found = queue_of(people, command).list(**which)
    return {"jobs": [{"job_id": job.id, "state": job.state} async for job in found]}


async def watch_jobs(people: People, command: Command) -> None:
    watch = await queue_of(people, command).watch(command.get("job_ids"))
    people.begin(tell_jobs(command.text("as"), watch))


async def tell_jobs(by: str, watch: rialto.JobWatch) -> None:
    try:
        async for job in watch:
            tell(by, "job", told_job(job))
        tell(by, "ended", True)
    except rialto.RialtoError as error:
        tell(by, "failed", failure_of(error))


async def cancel_job(people: People, command: Command) -> Json:
    return told_job(await queue_of(people, command).cancel(command.text("job_id"), command.text("reason")))


async def pause_job(people: People, command: Command) -> Json:
    return told_job(await queue_of(people, command).pause_job(command.text("job_id")))


async def resume_job(people: People, command: Command) -> Json:
    return told_job(await queue_of(people, command).resume_job(command.text("job_id")))


async def redrive_jobs(people: People, command: Command) -> Json:
    return {"count": await queue_of(people, command).redrive(command.arguments["job_ids"])}


async def close_batch(people: People, command: Command) -> Json:
    return told_job(await queue_of(people, command).close_batch(command.text("job_id")))


async def queue(people: People, command: Command) -> Json:
    return told_queue(await queue_of(people, command).queue())


async def pause_queue(people: People, command: Command) -> Json:
    return told_queue(await queue_of(people, command).pause())


async def resume_queue(people: People, command: Command) -> Json:
    return told_queue(await queue_of(people, command).resume())


async def purge_queue(people: People, command: Command) -> Json:
    return {"count": await queue_of(people, command).purge()}


def told_queue(queue: v1.Queue) -> Json:
    return {
        "paused": queue.paused,
        "waiting": queue.waiting_count,
        "running": queue.running_count,
        "dead": queue.dead_count,
    }


async def put_schedule(people: People, command: Command) -> None:
    job, zone = rialto.NewJob(payload(command)), command.text("time_zone")
    schedule = rialto.Schedule(command.text("schedule_id"), command.text("cron"), job, zone)
    await queue_of(people, command).put_schedule(schedule)


async def delete_schedule(people: People, command: Command) -> None:
    await queue_of(people, command).delete_schedule(command.text("schedule_id"))


async def schedules(people: People, command: Command) -> Json:
    return {"schedules": [schedule.id for schedule in await queue_of(people, command).schedules()]}


VERBS: dict[str, Any] = {
    verb.__name__: verb
    for verb in (
        enqueue,
        get_job,
        wait_job,
        list_jobs,
        watch_jobs,
        cancel_job,
        pause_job,
        resume_job,
        redrive_jobs,
        close_batch,
        queue,
        pause_queue,
        resume_queue,
        purge_queue,
        put_schedule,
        delete_schedule,
        schedules,
    )
}
