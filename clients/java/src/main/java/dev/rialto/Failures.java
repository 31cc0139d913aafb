package dev.rialto;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import rialto.v1.Code.CloseCode;
import rialto.v1.Code.RefusalCode;
import rialto.v1.Code.RetryAdvice;
import rialto.v1.EventOuterClass.Refused;
import rialto.v1.Session.Close;

/** The failures of this client, made from what the server and the transport say. */
final class Failures {
  private static final String DOMAIN = "rialto";
  private static final Set<String> NEVER =
      Set.of(
          "INVALID", "NAME_INVALID", "TARGET_EMPTY", "PAYLOAD_TOO_LARGE", "REF_REUSED", "REPLY_UNKNOWN", "OUT_OF_ORDER", "ALREADY_EXISTS");
  private static final Set<String> AFTER_CHANGE =
      Set.of(
          "LIMIT_REACHED", "FORBIDDEN", "NAMESPACE_UNKNOWN", "NOT_A_MEMBER", "NO_RECIPIENT", "UNAUTHENTICATED", "SESSION_UNKNOWN",
          "NOT_FOUND", "CONFLICT", "POSITION_GONE", "RESUME_LATE", "STORAGE_FAILED");

  private Failures() {}

  static RialtoException invalid(String reason) {
    return RialtoException.draft(ErrorKind.INVALID, reason).code("INVALID").advice(Advice.NEVER).done();
  }

  static RialtoException unavailable(String reason) {
    return RialtoException.draft(ErrorKind.UNAVAILABLE, reason).advice(Advice.LATER).done();
  }

  static RialtoException timedOut(String reason) {
    return RialtoException.draft(ErrorKind.TIMED_OUT, reason).done();
  }

  static RialtoException unknownOutcome(String reason) {
    return RialtoException.draft(ErrorKind.UNKNOWN_OUTCOME, reason).done();
  }

  static RialtoException unsent(String code, String reason) {
    return RialtoException.draft(ErrorKind.UNSENT, reason).code(code).advice(Advice.LATER).done();
  }

  static RialtoException leaseLost(String reason) {
    return RialtoException.draft(ErrorKind.LEASE_LOST, reason).done();
  }

  static RialtoException other(String reason) {
    return RialtoException.draft(ErrorKind.OTHER, reason).done();
  }

  /** This side has closed the session or the client. */
  static RialtoException closedHere() {
    return closed("CLOSED", "it was closed on this side");
  }

  static RialtoException closed(String code, String reason) {
    return RialtoException.draft(ErrorKind.CLOSED, reason).code(code).done();
  }

  /** The same end, told to a command that may have taken effect. */
  static RialtoException closedUnder(RialtoException closed) {
    return RialtoException.draft(ErrorKind.CLOSED, closed.reason()).code(closed.code()).sent(true).done();
  }

  static RialtoException refused(String code, String reason) {
    return RialtoException.draft(ErrorKind.REFUSED, reason).code(code).advice(adviceOf(code)).done();
  }

  /** What a refusal over a session's stream says. */
  static RialtoException of(Refused refused) {
    String code = nameOf(refused.getCode(), refused.getCodeValue());
    Advice advice =
        switch (refused.getRetry().getAdvice()) {
          case RETRY_ADVICE_NEVER -> Advice.NEVER;
          case RETRY_ADVICE_LATER -> Advice.LATER;
          case RETRY_ADVICE_AFTER_CHANGE -> Advice.AFTER_CHANGE;
          case RETRY_ADVICE_UNSPECIFIED, UNRECOGNIZED -> adviceOf(code);
        };
    Duration after = refused.getRetry().getAdvice() == RetryAdvice.RETRY_ADVICE_LATER ? Times.span(refused.getRetry().getAfter()) : Duration.ZERO;
    return RialtoException.draft(ErrorKind.REFUSED, refused.getReason())
        .code(code)
        .advice(advice)
        .after(after)
        .limit(refused.getLimit())
        .revision(refused.hasRevision() ? refused.getRevision() : null)
        .done();
  }

  /** What the last frame of a stream says. */
  static RialtoException of(Close close) {
    return closed(nameOf(close.getCode(), close.getCodeValue()), close.getReason());
  }

  /**
   * What a status says.
   *
   * @param left whether anything can have been sent
   */
  static RialtoException of(Status status, Metadata trailers, boolean left) {
    com.google.rpc.Status details = details(status, trailers);
    ErrorInfo info = details == null ? null : detail(details, ErrorInfo.class);
    if (info == null || !info.getDomain().equals(DOMAIN)) {
      return plain(status, left);
    }
    RetryInfo retry = detail(details, RetryInfo.class);
    BadRequest bad = detail(details, BadRequest.class);
    String code = info.getReason();
    if (isClose(code) && !isRefusal(code)) {
      return closed(code, status.getDescription());
    }
    return RialtoException.draft(ErrorKind.REFUSED, status.getDescription())
        .code(code)
        .advice(retry == null ? adviceOf(code) : Advice.LATER)
        .after(retry == null ? Duration.ZERO : Times.span(retry.getRetryDelay()))
        .limit(info.getMetadataOrDefault("limit", ""))
        .revision(number(info.getMetadataOrDefault("revision", "")))
        .violations(bad == null ? List.of() : violations(bad))
        .done();
  }

  /** A status that is no word of a Rialto server. */
  private static RialtoException plain(Status status, boolean left) {
    String reason = deepest(status);
    if (!left) {
      return unavailable(reason);
    }
    return switch (status.getCode()) {
      case DEADLINE_EXCEEDED -> timedOut(reason);
      case UNAVAILABLE, CANCELLED, UNKNOWN -> unknownOutcome(reason);
      case UNAUTHENTICATED -> RialtoException.draft(ErrorKind.OTHER, reason).code("UNAUTHENTICATED").done();
      default -> other(status.getCode() + ": " + reason);
    };
  }

  /** The innermost cause: "Connection refused" says more than "io exception". */
  private static String deepest(Status status) {
    Throwable cause = status.getCause();
    while (cause != null && cause.getCause() != null) {
      cause = cause.getCause();
    }
    if (cause != null && cause.getMessage() != null) {
      return cause.getMessage();
    }
    return status.getDescription() == null ? status.getCode().toString() : status.getDescription();
  }

  private static com.google.rpc.Status details(Status status, Metadata trailers) {
    try {
      return trailers == null ? null : StatusProto.fromStatusAndTrailers(status, trailers);
    } catch (RuntimeException broken) {
      // Details that cannot be read say nothing; the status that carried them still does.
      return null;
    }
  }

  private static <T extends Message> T detail(com.google.rpc.Status status, Class<T> type) {
    for (Any any : status.getDetailsList()) {
      try {
        if (any.is(type)) {
          return any.unpack(type);
        }
      } catch (InvalidProtocolBufferException broken) {
        return null;
      }
    }
    return null;
  }

  private static List<RialtoException.Violation> violations(BadRequest bad) {
    return bad.getFieldViolationsList().stream()
        .map(violation -> new RialtoException.Violation(violation.getField(), violation.getDescription()))
        .toList();
  }

  private static Long number(String text) {
    try {
      return text.isEmpty() ? null : Long.parseUnsignedLong(text);
    } catch (NumberFormatException broken) {
      return null;
    }
  }

  static Advice adviceOf(String code) {
    if (NEVER.contains(code)) {
      return Advice.NEVER;
    }
    return AFTER_CHANGE.contains(code) ? Advice.AFTER_CHANGE : Advice.UNKNOWN;
  }

  private static boolean isRefusal(String code) {
    return isNamed(RefusalCode.values(), "REFUSAL_CODE_" + code);
  }

  private static boolean isClose(String code) {
    return isNamed(CloseCode.values(), "CLOSE_CODE_" + code);
  }

  private static boolean isNamed(Enum<?>[] values, String name) {
    for (Enum<?> value : values) {
      if (value.name().equals(name)) {
        return true;
      }
    }
    return false;
  }

  /** The name of a refusal, or its number when this version does not know it. */
  static String nameOf(RefusalCode code, int number) {
    return code == RefusalCode.UNRECOGNIZED ? Integer.toString(number) : code.name().substring("REFUSAL_CODE_".length());
  }

  /** The name of a close, or its number when this version does not know it. */
  static String nameOf(CloseCode code, int number) {
    return code == CloseCode.UNRECOGNIZED ? Integer.toString(number) : code.name().substring("CLOSE_CODE_".length());
  }
}
