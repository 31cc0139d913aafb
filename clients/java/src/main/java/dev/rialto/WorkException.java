package dev.rialto;

import java.time.Duration;

/** Thrown by work that does not end with a result. */
public abstract sealed class WorkException extends Exception {
  private static final long serialVersionUID = 1L;

  private WorkException(String message, Throwable cause) {
    super(message, cause);
  }

  /** The attempt has failed. */
  public static final class Failed extends WorkException {
    private static final long serialVersionUID = 1L;

    private final String code;
    private final boolean permanent;
    private final Duration retryAfter;

    /** It may go well the next time; when that is the retry policy says. */
    public Failed(String message) {
      this("", message, false, null, null);
    }

    /**
     * It has failed.
     *
     * @param code for programs, at most 64 bytes
     * @param message for people, at most 4 KiB
     * @param permanent it would fail again: the job is dead at once
     * @param retryAfter when to try again; null for as the retry policy says
     * @param cause what has made it fail; null for nothing else
     */
    public Failed(String code, String message, boolean permanent, Duration retryAfter, Throwable cause) {
      super(message, cause);
      this.code = code;
      this.permanent = permanent;
      this.retryAfter = retryAfter;
    }

    /** It would fail again: the job is dead at once. */
    public static Failed forGood(String message) {
      return new Failed("", message, true, null, null);
    }

    String code() {
      return code;
    }

    boolean permanent() {
      return permanent;
    }

    Duration retryAfter() {
      return retryAfter;
    }
  }

  /** The job is given back: no attempt is counted. */
  public static final class Released extends WorkException {
    private static final long serialVersionUID = 1L;

    private final Duration delay;

    /** It may begin again at once. */
    public Released() {
      this(Duration.ZERO);
    }

    /** It may begin again so long from now. */
    public Released(Duration delay) {
      super("the job is given back", null);
      this.delay = delay;
    }

    Duration delay() {
      return delay;
    }
  }

  /** The job is not to be done. */
  public static final class Discarded extends WorkException {
    private static final long serialVersionUID = 1L;

    /** The reason, at most 4 KiB, is for people. */
    public Discarded(String reason) {
      super(reason, null);
    }
  }
}
