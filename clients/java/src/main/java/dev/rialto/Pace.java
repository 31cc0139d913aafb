package dev.rialto;

/** How fast emits may leave: a bucket a little smaller than the server's, so that a full buffer is not refused when it is sent. Pure. */
final class Pace {
  private static final double SHARE = 0.8;
  private static final double NANOS_PER_SECOND = 1e9;

  private double perSecond;
  private double capacity;
  private double filled;
  private long at;

  /** What the server allows. A session that goes on keeps what is left; a rate of 0 is none. */
  void allow(int emitsPerSecond, int burst, boolean goesOn, long now) {
    refill(now);
    perSecond = Math.max(0, emitsPerSecond);
    capacity = Math.max(1, SHARE * Math.max(0, burst));
    filled = goesOn ? Math.min(filled, capacity) : capacity;
    at = now;
  }

  /** Takes the place of one emit, if there is one. */
  boolean take(long now) {
    if (perSecond == 0) {
      return true;
    }
    refill(now);
    if (filled < 1) {
      return false;
    }
    filled -= 1;
    return true;
  }

  /** Nanoseconds until there is the next place. */
  long waitNanos(long now) {
    refill(now);
    return filled >= 1 || perSecond == 0 ? 0 : (long) Math.ceil((1 - filled) / perSecond * NANOS_PER_SECOND);
  }

  private void refill(long now) {
    filled = Math.min(capacity, filled + (now - at) / NANOS_PER_SECOND * perSecond);
    at = now;
  }
}
