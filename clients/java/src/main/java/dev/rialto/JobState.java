package dev.rialto;

/** Where a job is. */
public enum JobState {
  /** A server of a later version has said something that this one does not know. */
  UNKNOWN,
  /** It may not begin yet. */
  DELAYED,
  /** It waits for a worker. */
  WAITING,
  /** A worker has it. */
  RUNNING,
  /** It is done. */
  COMPLETED,
  /** It has failed for good, and can be redriven. */
  DEAD,
  /** Somebody has cancelled it. */
  CANCELLED,
  /** It was not begun in time. */
  EXPIRED,
  /** A worker has found that it is not to be done. */
  DISCARDED,
  /** It waits for the others of its batch. */
  BLOCKED,
  /** Somebody has paused it. */
  PAUSED;

  static JobState of(rialto.v1.JobOuterClass.JobState state) {
    return switch (state) {
      case JOB_STATE_UNSPECIFIED, UNRECOGNIZED -> UNKNOWN;
      default -> valueOf(state.name().substring("JOB_STATE_".length()));
    };
  }

  rialto.v1.JobOuterClass.JobState wire() {
    return this == UNKNOWN
        ? rialto.v1.JobOuterClass.JobState.JOB_STATE_UNSPECIFIED
        : rialto.v1.JobOuterClass.JobState.valueOf("JOB_STATE_" + name());
  }

  /** Whether a job stays there, unless it is redriven. */
  public boolean isEnd() {
    return switch (this) {
      case COMPLETED, DEAD, CANCELLED, EXPIRED, DISCARDED -> true;
      case UNKNOWN, DELAYED, WAITING, RUNNING, BLOCKED, PAUSED -> false;
    };
  }
}
