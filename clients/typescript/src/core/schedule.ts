// Schedules: jobs that are put in again and again, in an application's words and as the protocol says them. Pure.

import type { Init } from "../wire/message.js";
import type { Schedule as WireSchedule, ScheduleStatus as WireStatus } from "../gen/rialto/v1/job_pb.js";
import { toDate } from "./job.js";
import { fromNewJob, type NewJob } from "./newjob.js";

/** What a schedule puts in: its name and when it may begin follow from the schedule. */
export type ScheduledJob = Omit<NewJob, "id" | "delayMs" | "runAt" | "batch" | "completesBatch">;

/** Puts a job into a queue again and again. */
export interface Schedule {
  /** Its name in the queue, 1 to 100 bytes. */
  id: string;
  /** When, as cron has it: minute, hour, day of month, month, day of week; with six fields the first is the second. `L`, `W`
   * and `#` are known. */
  cron: string;
  /** The time zone that holds for it, for example `Europe/Berlin`. Default: UTC. */
  timeZone?: string;
  /** What is put in. It is named after the schedule and the time, for example `nightly@2026-11-29T02:00:00Z`. */
  job: ScheduledJob;
  /** Nothing is put in while the job before has not ended. */
  oneLive?: boolean;
  /** Nothing is put in at all. */
  paused?: boolean;
}

/** A schedule as it was when the server was asked. */
export interface ScheduleStatus {
  readonly id: string;
  readonly cron: string;
  readonly timeZone: string;
  readonly oneLive: boolean;
  readonly paused: boolean;
  /** When it puts a job in next. Nothing when it is paused, or when there is no such time. */
  readonly nextAt: Date | undefined;
  /** For when it has put a job in last. */
  readonly lastAt: Date | undefined;
  /** How often it has put none in because the job before had not ended, or another one had its unique key. */
  readonly skipped: number;
}

/** A schedule in the protocol's form. */
export function fromSchedule({ id, cron, timeZone = "", job, oneLive = false, paused = false }: Schedule): Init<WireSchedule> {
  return { scheduleId: id, cron, timeZone, job: fromNewJob(job), oneLive, paused };
}

/** A schedule as plain data. */
export function toSchedule({ schedule, nextTime, lastTime, skippedCount }: WireStatus): ScheduleStatus {
  return {
    id: schedule?.scheduleId ?? "",
    cron: schedule?.cron ?? "",
    timeZone: schedule?.timeZone || "UTC",
    oneLive: schedule?.oneLive ?? false,
    paused: schedule?.paused ?? false,
    nextAt: toDate(nextTime),
    lastAt: toDate(lastTime),
    skipped: Number(skippedCount),
  };
}
