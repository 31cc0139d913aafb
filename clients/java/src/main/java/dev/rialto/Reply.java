package dev.rialto;

import java.util.Optional;
import rialto.v1.EventOuterClass.ReplyItem;

/**
 * What one receiver has answered.
 *
 * @param from who
 * @param payload the answer; empty when there is an error
 * @param error why the receiver could not do what was asked
 */
public record Reply(Sender from, Payload payload, Optional<String> error) {
  static Reply of(ReplyItem item) {
    Optional<String> error = item.hasError() ? Optional.of(item.getError()) : Optional.empty();
    return new Reply(Sender.of(item.getFrom()), error.isPresent() ? Payload.empty() : Bodies.of(item), error);
  }

  /** The answer as text. */
  public String text() {
    return payload.text();
  }
}
