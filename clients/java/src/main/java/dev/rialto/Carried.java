package dev.rialto;

import java.util.Optional;
import rialto.v1.JobOuterClass.JobBody;

/** Payloads of jobs, which are here or were uploaded. */
final class Carried {
  private Carried() {}

  /** The payload that came with a job; one that was uploaded is not empty, but somewhere else. */
  static Payload of(JobBody body) {
    if (body.hasUploaded()) {
      throw Failures.invalid("the payload was uploaded: it is not here, and is to be read");
    }
    return Bodies.of(body);
  }

  static Optional<Uploaded> uploaded(JobBody body) {
    return body.hasUploaded() ? Optional.of(Uploaded.of(body)) : Optional.empty();
  }
}
