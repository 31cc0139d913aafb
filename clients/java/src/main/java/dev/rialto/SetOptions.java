package dev.rialto;

import java.time.Duration;

/** Under which condition a key of a state is set or removed, and how long it holds. Immutable: each method gives another one. */
public final class SetOptions {
  static final SetOptions NONE = new SetOptions(null, null, null);

  /** Null: in any case; 0: only if there is no such key. */
  final Long revision;
  final Duration expiresIn;
  final Duration deadline;

  private SetOptions(Long revision, Duration expiresIn, Duration deadline) {
    this.revision = revision;
    this.expiresIn = expiresIn;
    this.deadline = deadline;
  }

  /** In any case, until it is set again. */
  public static SetOptions always() {
    return NONE;
  }

  /** Only if the key has this revision now; else it fails with {@code CONFLICT} and the revision that it has. */
  public SetOptions ifRevision(long expected) {
    return new SetOptions(expected, expiresIn, deadline);
  }

  /** Only if there is no such key. */
  public SetOptions ifAbsent() {
    return new SetOptions(0L, expiresIn, deadline);
  }

  /** How long the value holds, at least 1 s. */
  public SetOptions expiresIn(Duration span) {
    return new SetOptions(revision, span, deadline);
  }

  /** Longest wait for the answer, waiting for a connection included. */
  public SetOptions deadline(Duration given) {
    return new SetOptions(revision, expiresIn, given);
  }
}
