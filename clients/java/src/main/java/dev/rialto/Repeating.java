package dev.rialto;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Function;

/** Says a call again after failures that pass, until it goes well or there is no time for another try. */
final class Repeating<T> {
  private final ClientCore core;
  private final Function<Duration, CompletableFuture<T>> attempt;
  private final long endsAt;
  private final Backoff backoff = new Backoff(Backoff.LONGEST, () -> ThreadLocalRandom.current().nextDouble());
  private final Promise<T> promise;
  private volatile CompletableFuture<T> present;
  private final Runnable whenClosed = this::closed;
  private volatile Loop.Timer wait = Loop.Timer.NONE;

  private Repeating(ClientCore core, Duration within, Function<Duration, CompletableFuture<T>> attempt) {
    this.core = core;
    this.attempt = attempt;
    this.endsAt = System.nanoTime() + Times.nanos(within);
    this.promise = new Promise<T>(core.callbacks).onAbandoned(this::giveUp);
  }

  /** @param attempt one try, within what is left of the time */
  static <T> CompletableFuture<T> until(ClientCore core, Duration within, Function<Duration, CompletableFuture<T>> attempt) {
    Repeating<T> repeating = new Repeating<>(core, within, attempt);
    repeating.next();
    return repeating.promise;
  }

  /** Whether the same may go well later. */
  static boolean passes(RialtoException failure) {
    return switch (failure.kind()) {
      case UNAVAILABLE, UNKNOWN_OUTCOME, TIMED_OUT -> true;
      case REFUSED -> failure.advice() == Advice.LATER || failure.code().equals("INTERNAL");
      case CLOSED, UNSENT, INVALID, CANCELLED, LEASE_LOST, OTHER -> false;
    };
  }

  private void next() {
    present = attempt.apply(Duration.ofNanos(Math.max(0, endsAt - System.nanoTime())));
    present.whenComplete(this::tried);
  }

  private void tried(T value, Throwable thrown) {
    if (thrown == null) {
      promise.succeed(value);
      return;
    }
    RialtoException failure = RialtoException.of(thrown);
    Duration pause = backoff.next(failure.after());
    boolean late = System.nanoTime() + Times.nanos(pause) >= endsAt;
    if (late || !passes(failure) || promise.isDecided()) {
      promise.fail(failure);
      return;
    }
    if (!core.loop.offer(() -> pause(pause))) {
      closed();
    }
  }

  private void pause(Duration span) {
    if (core.isClosed()) {
      closed();
      return;
    }
    core.hold(whenClosed);
    wait =
        core.loop.after(
            span,
            () -> {
              core.letGo(whenClosed);
              next();
            });
  }

  private void closed() {
    promise.fail(Failures.closedHere());
  }

  private void giveUp() {
    wait.cancel();
    core.loop.execute(() -> core.letGo(whenClosed));
    present.cancel(false);
  }
}
