package dev.rialto;

import java.util.function.Function;
import rialto.v1.Frame.ClientFrame;
import rialto.v1.Frame.ServerFrame;

/** A command whose one answer somebody waits for. */
final class Said<T> extends Command {
  private final Promise<T> promise;
  private final Function<ServerFrame, T> made;
  /** What else its outcome means here; told at its place among the frames. */
  private final Outcome outcome;

  /** What an answer means beside what its caller is told. */
  interface Outcome {
    Outcome NOTHING = new Outcome() {};

    /** It is begun, on the loop. */
    default void begins() {}

    /** It was refused, or given up. */
    default void failed() {}
  }

  /** @param made what the caller is told; null when the answer does not fit */
  Said(Kind kind, ClientFrame.Builder wire, Promise<T> promise, Function<ServerFrame, T> made, Outcome outcome) {
    super(kind, wire);
    this.promise = promise;
    this.made = made;
    this.outcome = outcome;
  }

  @Override
  RialtoException begins() {
    outcome.begins();
    return null;
  }

  @Override
  boolean isOver() {
    return promise.isDecided();
  }

  @Override
  boolean answer(ServerFrame frame) {
    unbound();
    if (frame.hasRefused()) {
      outcome.failed();
      promise.fail(Failures.of(frame.getRefused()));
      return true;
    }
    T told = made.apply(frame);
    if (told == null) {
      promise.fail(Failures.other("the answer to a command does not fit it"));
    } else {
      promise.succeed(told);
    }
    return true;
  }

  @Override
  void fail(RialtoException failure) {
    unbound();
    outcome.failed();
    promise.fail(failure);
  }
}
