package dev.rialto;

import java.util.Optional;

/**
 * What became of one of several: it was taken, or refused.
 *
 * @param taken what the server says of it
 * @param refusal why not
 */
public record Outcome<T>(Optional<T> taken, Optional<RialtoException> refusal) {
  static <T> Outcome<T> taken(T taken) {
    return new Outcome<>(Optional.of(taken), Optional.empty());
  }

  static <T> Outcome<T> refused(RialtoException refusal) {
    return new Outcome<>(Optional.empty(), Optional.of(refusal));
  }

  /**
   * What was taken.
   *
   * @throws RialtoException the refusal
   */
  public T get() {
    return taken.orElseThrow(() -> refusal.orElseGet(() -> Failures.other("the server has said nothing of it")));
  }
}
