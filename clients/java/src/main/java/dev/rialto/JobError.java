package dev.rialto;

/**
 * Why an attempt failed, or a job was discarded or cancelled.
 *
 * @param code for programs; upper-case ones are the server's own, for example {@code LEASE_EXPIRED}
 * @param message for people
 */
public record JobError(String code, String message) {
  static JobError of(rialto.v1.JobOuterClass.JobError error) {
    return new JobError(error.getCode(), error.getMessage());
  }
}
