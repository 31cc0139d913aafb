package dev.rialto;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import rialto.v1.WorkerServiceOuterClass.JobCompleted;
import rialto.v1.WorkerServiceOuterClass.JobDiscarded;
import rialto.v1.WorkerServiceOuterClass.JobFailed;
import rialto.v1.WorkerServiceOuterClass.JobReleased;
import rialto.v1.WorkerServiceOuterClass.Settlement;

/** What becomes of a job when its work is over, as the contract says it, with its texts cut to what the server takes. Pure. */
final class Settlements {
  static final int RESULT_MAX = 64 << 10;
  /** The code of a job of which the server takes no outcome. */
  static final String REFUSED = "INVALID_OUTCOME";
  private static final int CODE_MAX = 64;
  private static final int TEXT_MAX = 4 << 10;

  private Settlements() {}

  /** The work has given a result; null is none. */
  static Settlement.Builder completed(Payload result) {
    JobCompleted.Builder completed = JobCompleted.newBuilder();
    if (result != null) {
      completed.setResult(Bodies.job(result));
    }
    return Settlement.newBuilder().setCompleted(completed);
  }

  /** The work has thrown something. */
  static Settlement.Builder thrown(Throwable thrown) {
    if (thrown instanceof WorkException.Released released) {
      return released(released.delay());
    }
    if (thrown instanceof WorkException.Discarded) {
      return Settlement.newBuilder().setDiscarded(JobDiscarded.newBuilder().setReason(cut(textOf(thrown), TEXT_MAX)));
    }
    if (thrown instanceof WorkException.Failed failed) {
      return failed(failed.code(), textOf(failed), failed.permanent(), failed.retryAfter());
    }
    String code = thrown instanceof RialtoException failure && !failure.code().isEmpty() ? failure.code() : thrown.getClass().getSimpleName();
    return failed(code, textOf(thrown), false, null);
  }

  private static String textOf(Throwable thrown) {
    return thrown.getMessage() == null ? "" : thrown.getMessage();
  }

  static Settlement.Builder failed(String code, String message, boolean permanent, Duration retryAfter) {
    JobFailed.Builder failed =
        JobFailed.newBuilder().setCode(cut(code, CODE_MAX)).setMessage(cut(message, TEXT_MAX)).setPermanent(permanent);
    if (retryAfter != null) {
      failed.setRetryAfter(Times.span(retryAfter));
    }
    return Settlement.newBuilder().setFailed(failed);
  }

  static Settlement.Builder released(Duration delay) {
    return Settlement.newBuilder().setReleased(JobReleased.newBuilder().setDelay(Times.span(delay)));
  }

  /** Whether a result is larger than any that is taken; a much larger one would end the stream. */
  static boolean isTooLarge(Settlement settlement) {
    if (!settlement.hasCompleted()) {
      return false;
    }
    rialto.v1.JobOuterClass.JobBody result = settlement.getCompleted().getResult();
    return (result.hasText() ? result.getTextBytes().size() : result.getBinary().size()) > RESULT_MAX;
  }

  /** The beginning of a text, of at most so many bytes of UTF-8, and never a part of a character. */
  static String cut(String text, int bytesMax) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    if (bytes.length <= bytesMax) {
      return text;
    }
    int end = bytesMax;
    while (end > 0 && (bytes[end] & 0xC0) == 0x80) {
      end--;
    }
    return new String(bytes, 0, end, StandardCharsets.UTF_8);
  }
}
