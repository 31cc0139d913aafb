package dev.rialto;

import java.time.Duration;
import java.util.function.DoubleSupplier;

/** How long to wait before the next attempt: longer each time, up to a bound, and by chance, so that not all come back at once. */
final class Backoff {
  private static final double FIRST_MILLIS = 250;
  /** Beyond this the bound holds in any case. */
  private static final int DOUBLINGS_MAX = 20;
  /** The last bound for sessions and calls. */
  static final Duration LONGEST = Duration.ofSeconds(30);
  /** The last bound for workers and watches, for whom the server keeps leases for 10 s alone. */
  static final Duration LONGEST_OF_WORK = Duration.ofSeconds(5);
  /** Attached so long, a session begins anew. */
  static final Duration SETTLED = Duration.ofSeconds(10);

  private final double longestMillis;
  private final DoubleSupplier chance;
  private int attempts;

  /** @param chance evenly between 0 and 1 */
  Backoff(Duration longest, DoubleSupplier chance) {
    this.longestMillis = longest.toMillis();
    this.chance = chance;
  }

  /** The wait before the next attempt, never shorter than the server has asked for. */
  Duration next(Duration asked) {
    double bound = Math.min(longestMillis, FIRST_MILLIS * (1L << Math.min(attempts, DOUBLINGS_MAX)));
    attempts++;
    Duration drawn = Duration.ofNanos((long) (chance.getAsDouble() * bound * 1_000_000));
    return drawn.compareTo(asked) < 0 ? asked : drawn;
  }

  /** It went well for long enough. */
  void reset() {
    attempts = 0;
  }
}
