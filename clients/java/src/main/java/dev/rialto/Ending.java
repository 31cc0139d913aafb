package dev.rialto;

import java.time.Duration;
import java.util.Set;
import rialto.v1.Code.CloseCode;
import rialto.v1.Code.Then;
import rialto.v1.Session.Close;

/** How a stream has ended, or why it did not begin. */
sealed interface Ending {
  /** The server has said so. */
  record Closed(Close close) implements Ending {}

  /** It was refused, or lost. */
  record Failed(RialtoException failure) implements Ending {}

  /** The server breaks the rules, and the session is not trusted any more. */
  record Broken(String reason) implements Ending {}

  /** The session moves to another node, because its own will stop. */
  record Moved() implements Ending {}

  /** The session has no more numbers for commands. */
  record UsedUp() implements Ending {}

  /**
   * What is known when a stream ends.
   *
   * @param welcomed the session was there
   * @param resuming the greeting wanted to go on with a session
   * @param tokenMayHelp there is a source of tokens, and it was not asked again yet
   */
  record Setting(boolean welcomed, boolean resuming, boolean tokenMayHelp) {}

  /**
   * What to do next.
   *
   * @param stay do not come back
   * @param cause why
   * @param notBefore not before this long from now
   * @param atOnce without the usual wait
   * @param giveUp the session does not go on
   * @param newToken this is the one more attempt with another token
   */
  record Step(boolean stay, RialtoException cause, Duration notBefore, boolean atOnce, boolean giveUp, boolean newToken) {
    private static Step back(RialtoException cause, Duration notBefore, boolean giveUp) {
      return new Step(false, cause, notBefore, false, giveUp, false);
    }

    private static Step away(RialtoException cause) {
      return new Step(true, cause, Duration.ZERO, false, true, false);
    }

    private static Step once(RialtoException cause, boolean giveUp, boolean newToken) {
      return new Step(false, cause, cause.after(), true, giveUp, newToken);
    }
  }

  /** Refusals of a greeting that the same greeting will meet again. */
  Set<String> HOPELESS = Set.of("INVALID", "NAME_INVALID", "FORBIDDEN", "NAMESPACE_UNKNOWN", "OUT_OF_ORDER", "PAYLOAD_TOO_LARGE");

  /** Refusals of a greeting that wanted to go on; one without that wish may be taken. */
  Set<String> NOT_RESUMED = Set.of("SESSION_UNKNOWN", "RESUME_LATE", "POSITION_GONE", "INVALID");

  /** What to do after this ending. */
  default Step next(Setting setting) {
    if (this instanceof Closed closed) {
      return afterClose(closed.close(), setting);
    }
    if (this instanceof Failed failed) {
      return afterFailure(failed.failure(), setting);
    }
    if (this instanceof Broken broken) {
      return Step.back(Failures.other(broken.reason()), Duration.ZERO, true);
    }
    if (this instanceof UsedUp) {
      return Step.back(Failures.closed("SESSION_EXHAUSTED", "the session has no more numbers for commands"), Duration.ZERO, true);
    }
    return Step.back(Failures.closed("DRAINING", "the node will stop"), Duration.ZERO, false);
  }

  private static Step afterClose(Close close, Setting setting) {
    RialtoException cause = Failures.of(close);
    if (!setting.welcomed() && close.getCode() == CloseCode.CLOSE_CODE_UNAUTHENTICATED) {
      return unauthenticated(Failures.refused("UNAUTHENTICATED", close.getReason()), setting);
    }
    return switch (then(close)) {
      case THEN_RESUME -> Step.back(cause, Times.span(close.getAfter()), false);
      case THEN_RECONNECT -> Step.back(cause, Times.span(close.getAfter()), true);
      default -> Step.away(cause);
    };
  }

  /** What the close says to do; where it says nothing, the hundreds of its code. */
  private static Then then(Close close) {
    if (close.getThen() != Then.THEN_UNSPECIFIED && close.getThen() != Then.UNRECOGNIZED) {
      return close.getThen();
    }
    return byCode(close.getCodeValue());
  }

  private static Then byCode(int code) {
    return switch (code / 100) {
      case 1 -> Then.THEN_RESUME;
      case 2 -> Then.THEN_RECONNECT;
      default -> Then.THEN_STAY_AWAY;
    };
  }

  private static Step afterFailure(RialtoException failure, Setting setting) {
    if (failure.kind() == ErrorKind.INVALID) {
      return Step.away(failure);
    }
    if (failure.kind() == ErrorKind.CLOSED && !setting.welcomed()) {
      return afterClosedStatus(failure);
    }
    if (failure.code().equals("UNAUTHENTICATED") && !setting.welcomed()) {
      return unauthenticated(failure, setting);
    }
    if (failure.kind() != ErrorKind.REFUSED || setting.welcomed()) {
      return Step.back(failure, failure.after(), false);
    }
    if (setting.resuming() && NOT_RESUMED.contains(failure.code())) {
      return Step.once(failure, true, false);
    }
    if (failure.advice() != Advice.LATER && HOPELESS.contains(failure.code())) {
      return Step.away(failure);
    }
    return Step.back(failure, failure.after(), false);
  }

  /** A greeting was answered by a status that names a close. */
  private static Step afterClosedStatus(RialtoException failure) {
    int code = 300;
    for (CloseCode known : CloseCode.values()) {
      if (known.name().equals("CLOSE_CODE_" + failure.code())) {
        code = known.getNumber();
      }
    }
    return switch (byCode(code)) {
      case THEN_RESUME -> Step.back(failure, failure.after(), false);
      case THEN_RECONNECT -> Step.back(failure, failure.after(), true);
      default -> Step.away(failure);
    };
  }

  /** A token that is turned down is replaced once; a second no is final. */
  private static Step unauthenticated(RialtoException failure, Setting setting) {
    return setting.tokenMayHelp() ? Step.once(failure, false, true) : Step.away(failure);
  }
}
