package dev.rialto;

/**
 * How far a worker has come.
 *
 * @param done so much is done
 * @param total of so much; 0 when that is not known
 * @param message for people
 */
public record JobProgress(long done, long total, String message) {
  static JobProgress of(rialto.v1.JobOuterClass.JobProgress progress) {
    return new JobProgress(progress.getDone(), progress.getTotal(), progress.getMessage());
  }
}
