package dev.rialto;

/**
 * A batch, by what has become of its jobs.
 *
 * @param closed no more jobs can be put into it
 * @param live so many have not ended
 * @param completed so many are done
 * @param dead so many have failed for good
 * @param cancelled so many were cancelled
 * @param expired so many were not begun in time
 * @param discarded so many were not to be done
 */
public record JobBatch(boolean closed, int live, int completed, int dead, int cancelled, int expired, int discarded) {
  static JobBatch of(rialto.v1.JobOuterClass.JobBatch batch) {
    return new JobBatch(
        batch.getClosed(),
        batch.getLiveCount(),
        batch.getCompletedCount(),
        batch.getDeadCount(),
        batch.getCancelledCount(),
        batch.getExpiredCount(),
        batch.getDiscardedCount());
  }
}
