package dev.rialto;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A future of this client. It is completed where code of the application may run, and tells its source when the application gives it up:
 * by {@code cancel}, or by completing it in another way, as {@code orTimeout} does.
 */
final class Promise<T> extends CompletableFuture<T> {
  private final Callbacks callbacks;
  /** Somebody has decided how it ends: what was decided first counts, and nothing that was given is lost. */
  private final AtomicBoolean decided = new AtomicBoolean();
  private volatile Runnable source = () -> {};

  Promise(Callbacks callbacks) {
    this.callbacks = callbacks;
    whenComplete((value, thrown) -> abandon());
  }

  /** What happens when the application gives it up. */
  Promise<T> onAbandoned(Runnable given) {
    source = given;
    return this;
  }

  /** False when it has ended, or was given up, before. */
  boolean succeed(T value) {
    return decide(() -> complete(value));
  }

  boolean fail(RialtoException failure) {
    return decide(() -> completeExceptionally(failure));
  }

  private boolean decide(Runnable end) {
    if (!decided.compareAndSet(false, true)) {
      return false;
    }
    callbacks.run(end);
    return true;
  }

  boolean isDecided() {
    return decided.get();
  }

  @Override
  public boolean cancel(boolean mayInterrupt) {
    if (!decided.compareAndSet(false, true)) {
      return isCancelled();
    }
    boolean cancelled = super.cancel(mayInterrupt);
    source.run();
    return cancelled;
  }

  private void abandon() {
    if (decided.compareAndSet(false, true)) {
      source.run();
    }
  }
}
