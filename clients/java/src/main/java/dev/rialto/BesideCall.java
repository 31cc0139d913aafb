package dev.rialto;

import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/** A call beside the stream of a session. It waits until the session is attached, within its deadline. Lives on the loop. */
final class BesideCall<Q, R, T> implements Wire.Answer<R> {
  private final Life life;
  private final MethodDescriptor<Q, R> method;
  private final Q request;
  private final long endsAt;
  private final Function<R, T> made;
  private final Promise<T> promise;
  private final Runnable whenAttached = this::send;
  private Loop.Timer late = Loop.Timer.NONE;
  private Runnable cancel = () -> {};

  BesideCall(Life life, MethodDescriptor<Q, R> method, Q request, Duration within, Function<R, T> made) {
    this.life = life;
    this.method = method;
    this.request = request;
    this.endsAt = System.nanoTime() + Times.nanos(within);
    this.made = made;
    this.promise = new Promise<T>(life.callbacks).onAbandoned(() -> life.loop.execute(this::giveUp));
  }

  CompletableFuture<T> promise() {
    return promise;
  }

  void begin() {
    late =
        life.loop.after(
            left(),
            () -> {
              giveUp();
              promise.fail(Failures.unavailable("the session was not attached in time"));
            });
    life.whenAttached(whenAttached);
  }

  private Duration left() {
    return Duration.ofNanos(Math.max(0, endsAt - System.nanoTime()));
  }

  private void send() {
    late.cancel();
    if (promise.isDecided()) {
      return;
    }
    if (!life.isAttached()) {
      fail(life.over());
      return;
    }
    life.hold(this);
    cancel = life.wire().call(method, request, life.token(), left(), this);
  }

  /** The session is over, and nothing is told of the call any more. */
  void closed() {
    fail(Failures.closedUnder(life.over()));
  }

  private void giveUp() {
    late.cancel();
    life.letGo(this);
    life.notWhenAttached(whenAttached);
    cancel.run();
  }

  @Override
  public void succeeded(R response) {
    life.letGo(this);
    promise.succeed(made.apply(response));
  }

  @Override
  public void failed(RialtoException failure) {
    life.letGo(this);
    RialtoException over = life.over();
    fail(over == null ? failure : Failures.closedUnder(over));
  }

  void fail(RialtoException failure) {
    promise.fail(failure);
  }
}
