package dev.rialto;

import java.time.Instant;
import java.util.Optional;

/**
 * What puts a job into a queue again and again.
 *
 * @param id its name in the queue, 1 to 100 bytes
 * @param cron when, as cron has it; with six fields the first is the second
 * @param timeZone the time zone that holds for it; empty for UTC
 * @param job what is put in, without name, start and batch
 * @param oneLive nothing is put in while the job before has not ended
 * @param paused nothing is put in at all
 */
public record Schedule(String id, String cron, String timeZone, NewJob job, boolean oneLive, boolean paused) {
  /** One in UTC that puts in at each of its times. */
  public static Schedule of(String id, String cron, NewJob job) {
    return new Schedule(id, cron, "", job, false, false);
  }

  /** The same in a time zone, for example {@code Europe/Berlin}. */
  public Schedule in(String zone) {
    return new Schedule(id, cron, zone, job, oneLive, paused);
  }

  rialto.v1.JobOuterClass.Schedule wire() {
    return rialto.v1.JobOuterClass.Schedule.newBuilder()
        .setScheduleId(id)
        .setCron(cron)
        .setTimeZone(timeZone)
        .setJob(job.unnamed())
        .setOneLive(oneLive)
        .setPaused(paused)
        .build();
  }

  /**
   * A schedule as it is now.
   *
   * @param id its name
   * @param cron when
   * @param timeZone in which time zone
   * @param oneLive nothing is put in while the job before has not ended
   * @param paused nothing is put in at all
   * @param nextAt when it puts a job in next
   * @param lastAt for when it has put a job in last
   * @param skipped how often it has put none in because another one was live
   */
  public record Present(
      String id, String cron, String timeZone, boolean oneLive, boolean paused, Optional<Instant> nextAt, Optional<Instant> lastAt, long skipped) {
    static Present of(rialto.v1.JobOuterClass.ScheduleStatus status) {
      rialto.v1.JobOuterClass.Schedule schedule = status.getSchedule();
      return new Present(
          schedule.getScheduleId(),
          schedule.getCron(),
          schedule.getTimeZone(),
          schedule.getOneLive(),
          schedule.getPaused(),
          status.hasNextTime() ? Optional.of(Times.at(status.getNextTime())) : Optional.empty(),
          status.hasLastTime() ? Optional.of(Times.at(status.getLastTime())) : Optional.empty(),
          status.getSkippedCount());
    }
  }
}
