package dev.rialto;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class BackoffTest {
  @Test
  void waitsDoubleUpToTheirBoundAndBeginAnew() {
    Backoff backoff = new Backoff(Backoff.LONGEST, () -> 1.0);
    for (long expected : new long[] {250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000}) {
      assertEquals(Duration.ofMillis(expected), backoff.next(Duration.ZERO));
    }
    backoff.reset();
    assertEquals(Duration.ofMillis(250), backoff.next(Duration.ZERO));
  }

  @Test
  void chanceShortensAWaitButNotBelowWhatTheServerAsksFor() {
    Backoff backoff = new Backoff(Backoff.LONGEST, () -> 0.5);
    assertEquals(Duration.ofMillis(125), backoff.next(Duration.ZERO));
    assertEquals(Duration.ofSeconds(3), backoff.next(Duration.ofSeconds(3)));
  }
}
