package dev.rialto;

import java.time.Duration;

/**
 * How much may wait while there is no connection.
 *
 * @param countMax commands; 0 lets nothing wait
 * @param bytesMax bytes of all of them; one alone may have more
 * @param ageMax what has waited so long is given up; null for no bound but its own deadline
 * @param overflow what happens when it is full
 */
public record OfflineBuffer(int countMax, long bytesMax, Duration ageMax, Overflow overflow) {
  /** What happens when the offline buffer is full. */
  public enum Overflow {
    /** The new command fails with the code {@code FULL}. */
    REFUSE,
    /** The oldest emits make room, and fail with the code {@code MADE_ROOM}. */
    DROP_OLDEST
  }

  /** 1,000 commands and 1 MiB; what is new is refused. */
  public static OfflineBuffer defaults() {
    return new OfflineBuffer(1000, 1 << 20, null, Overflow.REFUSE);
  }

  /** The same with another bound of commands. */
  public OfflineBuffer countMax(int commands) {
    return new OfflineBuffer(commands, bytesMax, ageMax, overflow);
  }

  /** The same with another bound of bytes. */
  public OfflineBuffer bytesMax(long bytes) {
    return new OfflineBuffer(countMax, bytes, ageMax, overflow);
  }

  /** The same where nothing waits longer than this. */
  public OfflineBuffer ageMax(Duration age) {
    return new OfflineBuffer(countMax, bytesMax, age, overflow);
  }

  /** The same with another answer to more than fits. */
  public OfflineBuffer overflow(Overflow given) {
    return new OfflineBuffer(countMax, bytesMax, ageMax, given);
  }
}
