package dev.rialto;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class PaceTest {
  private static int takeAll(Pace pace, long now) {
    int taken = 0;
    while (pace.take(now)) {
      taken++;
    }
    return taken;
  }

  @Test
  void aBurstLeavesAtOnceAndTheRestInItsTurn() {
    Pace pace = new Pace();
    pace.allow(10, 20, false, 0);
    assertEquals(16, takeAll(pace, 0));
    assertEquals(TimeUnit.MILLISECONDS.toNanos(100), pace.waitNanos(0));
    assertTrue(pace.take(TimeUnit.MILLISECONDS.toNanos(100)));
    assertFalse(pace.take(TimeUnit.MILLISECONDS.toNanos(100)));
  }

  @Test
  void aSessionThatGoesOnKeepsWhatIsLeft() {
    Pace pace = new Pace();
    pace.allow(10, 20, false, 0);
    takeAll(pace, 0);
    pace.allow(10, 20, true, 0);
    assertFalse(pace.take(0));
    pace.allow(10, 20, false, 0);
    assertTrue(pace.take(0));
  }

  @Test
  void aRateOfZeroIsNone() {
    Pace pace = new Pace();
    pace.allow(0, 0, false, 0);
    for (int count = 0; count < 1000; count++) {
      assertTrue(pace.take(0));
    }
  }
}
