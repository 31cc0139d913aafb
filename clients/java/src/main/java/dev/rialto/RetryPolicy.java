package dev.rialto;

import java.time.Duration;

/**
 * How often and when a job is tried again.
 *
 * @param attemptsMax attempts in all, 1 to 1,000; 0 for the default of 20
 * @param base the wait behind the first attempt, which doubles; null for the default of 1 s
 * @param max the longest wait; null for the default of 5 min
 */
public record RetryPolicy(int attemptsMax, Duration base, Duration max) {
  rialto.v1.JobOuterClass.RetryPolicy wire() {
    rialto.v1.JobOuterClass.RetryPolicy.Builder policy = rialto.v1.JobOuterClass.RetryPolicy.newBuilder().setAttemptsMax(attemptsMax);
    if (base != null) {
      policy.setBase(Times.span(base));
    }
    if (max != null) {
      policy.setMax(Times.span(max));
    }
    return policy.build();
  }
}
