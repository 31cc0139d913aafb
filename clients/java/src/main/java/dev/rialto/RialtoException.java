package dev.rialto;

import java.time.Duration;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;

/** Why something did not go well. All failures of this client are of this type; futures carry it as their cause. */
public final class RialtoException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Refusals after which it may have happened all the same. */
  private static final Set<String> DOUBTFUL =
      Set.of("STORAGE_FAILED", "NODES_UNREACHABLE", "INTERNAL", "TIMED_OUT", "RECIPIENT_LEFT", "RECIPIENT_FAILED");

  private final ErrorKind kind;
  private final String code;
  private final String reason;
  private final Advice advice;
  private final Duration after;
  private final String limit;
  private final Long revision;
  private final transient List<Violation> violations;
  private final boolean mayHaveHappened;

  /**
   * A field of a request that the server takes exception to.
   *
   * @param field its path, as the server names it
   * @param description what is wrong with it, for people
   */
  public record Violation(String field, String description) {}

  private RialtoException(Draft draft) {
    super(draft.message(), draft.cause);
    this.kind = draft.kind;
    this.code = draft.code;
    this.reason = draft.reason;
    this.advice = draft.advice;
    this.after = draft.after;
    this.limit = draft.limit;
    this.revision = draft.revision;
    this.violations = List.copyOf(draft.violations);
    this.mayHaveHappened = draft.sent || mayHaveHappened(draft);
  }

  private static boolean mayHaveHappened(Draft draft) {
    return switch (draft.kind) {
      case REFUSED -> DOUBTFUL.contains(draft.code);
      case TIMED_OUT, UNKNOWN_OUTCOME, LEASE_LOST, OTHER -> true;
      case CLOSED, UNAVAILABLE, UNSENT, INVALID, CANCELLED -> false;
    };
  }

  /**
   * The failure behind anything that a future has thrown.
   *
   * @return the exception itself or the one that it wraps; of kind {@link ErrorKind#CANCELLED} for a cancelled future, and
   *     {@link ErrorKind#OTHER} for what is none of this client's
   */
  public static RialtoException of(Throwable thrown) {
    Throwable cause = thrown;
    while ((cause instanceof CompletionException || cause instanceof ExecutionException) && cause.getCause() != null) {
      cause = cause.getCause();
    }
    if (cause instanceof RialtoException failure) {
      return failure;
    }
    if (cause instanceof CancellationException) {
      return draft(ErrorKind.CANCELLED, "the caller gave up").cause(cause).done();
    }
    String reason = cause.getMessage() == null ? cause.toString() : cause.getMessage();
    return draft(ErrorKind.OTHER, reason).cause(cause).done();
  }

  static Draft draft(ErrorKind kind, String reason) {
    return new Draft(kind, reason);
  }

  /** What sort of failure it is. */
  public ErrorKind kind() {
    return kind;
  }

  /** A name for programs, without prefix, for example {@code NOT_A_MEMBER}; empty where the kind says it all. */
  public String code() {
    return code;
  }

  /** The same for people alone. */
  public String reason() {
    return reason;
  }

  /** Whether the same may go well another time. */
  public Advice advice() {
    return advice;
  }

  /** How long to wait before the next try, with {@link Advice#LATER}; else zero. */
  public Duration after() {
    return after;
  }

  /** Name of the limit that was reached; empty for none. */
  public String limit() {
    return limit;
  }

  /** The revision that the key of a state has now, with the code {@code CONFLICT}. */
  public OptionalLong revision() {
    return revision == null ? OptionalLong.empty() : OptionalLong.of(revision);
  }

  /** The fields that the server takes exception to. */
  public List<Violation> violations() {
    return violations == null ? List.of() : violations;
  }

  /** Whether it may have taken effect all the same. */
  public boolean mayHaveHappened() {
    return mayHaveHappened;
  }

  /** A failure that is being put together. */
  static final class Draft {
    private final ErrorKind kind;
    private final String reason;
    private String code = "";
    private Advice advice = Advice.UNKNOWN;
    private Duration after = Duration.ZERO;
    private String limit = "";
    private Long revision;
    private List<Violation> violations = List.of();
    private boolean sent;
    private Throwable cause;

    private Draft(ErrorKind kind, String reason) {
      this.kind = kind;
      this.reason = reason == null ? "" : reason;
    }

    Draft code(String given) {
      this.code = given;
      return this;
    }

    Draft advice(Advice given) {
      this.advice = given;
      return this;
    }

    Draft after(Duration given) {
      this.after = given;
      return this;
    }

    Draft limit(String given) {
      this.limit = given;
      return this;
    }

    Draft revision(Long given) {
      this.revision = given;
      return this;
    }

    Draft violations(List<Violation> given) {
      this.violations = given;
      return this;
    }

    /** It had left this side. */
    Draft sent(boolean given) {
      this.sent = given;
      return this;
    }

    Draft cause(Throwable given) {
      this.cause = given;
      return this;
    }

    RialtoException done() {
      return new RialtoException(this);
    }

    private String message() {
      String name = kind.name().toLowerCase(java.util.Locale.ROOT).replace('_', ' ');
      String head = code.isEmpty() ? name : name + " (" + code + ")";
      return reason.isEmpty() ? head : head + ": " + reason;
    }
  }
}
