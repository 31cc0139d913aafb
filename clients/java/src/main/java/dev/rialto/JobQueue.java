package dev.rialto;

import java.time.Instant;
import java.util.Optional;
import rialto.v1.JobOuterClass.QueueSettings;

/**
 * A queue as it was when the server was asked.
 *
 * @param namespace its namespace
 * @param name its name
 * @param settings what holds in it, as the contract has it
 * @param paused no job is begun
 * @param counts how many jobs are where
 * @param oldestAt when the job was put in that has waited longest
 */
public record JobQueue(String namespace, String name, QueueSettings settings, boolean paused, Counts counts, Optional<Instant> oldestAt) {
  /**
   * How many jobs are where.
   *
   * @param delayed they may not begin yet
   * @param waiting they wait for a worker
   * @param running workers have them
   * @param paused somebody has paused them
   * @param blocked they wait for the others of their batches
   * @param dead they have failed for good
   * @param ended they have ended otherwise, and are still kept
   */
  public record Counts(int delayed, int waiting, int running, int paused, int blocked, int dead, int ended) {}

  static JobQueue of(rialto.v1.JobOuterClass.Queue queue) {
    Counts counts =
        new Counts(
            queue.getDelayedCount(),
            queue.getWaitingCount(),
            queue.getRunningCount(),
            queue.getPausedCount(),
            queue.getBlockedCount(),
            queue.getDeadCount(),
            queue.getEndedCount());
    Optional<Instant> oldest = queue.hasOldestEnqueueTime() ? Optional.of(Times.at(queue.getOldestEnqueueTime())) : Optional.empty();
    return new JobQueue(queue.getNamespace(), queue.getQueue(), queue.getSettings(), queue.getPaused(), counts, oldest);
  }
}
