package dev.rialto;

import com.google.protobuf.Timestamp;
import java.time.Duration;
import java.time.Instant;

/** Times and spans of the contract, and those of Java. */
final class Times {
  private static final long NANOS_PER_SECOND = 1_000_000_000L;
  private static final long MILLIS_MAX = Long.MAX_VALUE / 1_000_000L;

  private Times() {}

  /** A span as it came; zero when it is absent or negative, and cut where no clock could count it. */
  static Duration span(com.google.protobuf.Duration span) {
    long seconds = Math.min(span.getSeconds(), MILLIS_MAX / 1000);
    if (seconds < 0 || span.getNanos() < 0) {
      return Duration.ZERO;
    }
    return Duration.ofSeconds(seconds, span.getNanos());
  }

  /** A span for the contract; zero when it is negative. */
  static com.google.protobuf.Duration span(Duration span) {
    Duration given = span.isNegative() ? Duration.ZERO : span;
    return com.google.protobuf.Duration.newBuilder().setSeconds(given.getSeconds()).setNanos(given.getNano()).build();
  }

  /** A span in nanoseconds, cut where they cannot count it. */
  static long nanos(Duration span) {
    if (span.getSeconds() >= Long.MAX_VALUE / NANOS_PER_SECOND) {
      return Long.MAX_VALUE / 2;
    }
    return Math.max(0, span.toNanos());
  }

  static Instant at(Timestamp at) {
    try {
      return Instant.ofEpochSecond(at.getSeconds(), at.getNanos());
    } catch (java.time.DateTimeException | ArithmeticException far) {
      return Instant.EPOCH;
    }
  }

  static Timestamp at(Instant at) {
    return Timestamp.newBuilder().setSeconds(at.getEpochSecond()).setNanos(at.getNano()).build();
  }
}
