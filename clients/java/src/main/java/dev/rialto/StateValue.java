package dev.rialto;

import java.time.Instant;
import java.util.Optional;

/**
 * A key of a state.
 *
 * @param key the key
 * @param value its value; absent when it was taken away or has expired
 * @param revision of its last change
 * @param by who made that; empty for an expiry
 * @param setAt when, by the server's clock
 * @param expiresAt when the value expires; absent for never
 */
public record StateValue(String key, Optional<Payload> value, long revision, Sender by, Instant setAt, Optional<Instant> expiresAt) {
  static StateValue of(rialto.v1.State.StateEntry entry) {
    boolean there = entry.hasText() || entry.hasBinary();
    return new StateValue(
        entry.getKey(),
        there ? Optional.of(Bodies.of(entry)) : Optional.empty(),
        entry.getRevision(),
        Sender.of(entry.getBy()),
        Times.at(entry.getSetAt()),
        entry.hasExpiresAt() ? Optional.of(Times.at(entry.getExpiresAt())) : Optional.empty());
  }

  static StateValue gone(String key, long revision) {
    return new StateValue(key, Optional.empty(), revision, new Sender("", ""), Instant.EPOCH, Optional.empty());
  }
}
