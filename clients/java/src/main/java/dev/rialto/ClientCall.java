package dev.rialto;

import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/** One call of a client. Its deadline covers the token and the connection too. Lives on the loop. */
final class ClientCall<Q, R, T> implements Wire.Answer<R> {
  private final ClientCore core;
  private final MethodDescriptor<Q, R> method;
  private final Q request;
  private final long endsAt;
  private final Function<R, T> made;
  private final Promise<T> promise;
  private final Runnable whenClosed = this::closed;
  private Loop.Timer late = Loop.Timer.NONE;
  private Call<Q, R> call;

  ClientCall(ClientCore core, MethodDescriptor<Q, R> method, Q request, Duration within, Function<R, T> made) {
    this.core = core;
    this.method = method;
    this.request = request;
    this.endsAt = System.nanoTime() + Times.nanos(within);
    this.made = made;
    this.promise = new Promise<T>(core.callbacks).onAbandoned(() -> core.loop.execute(this::giveUp));
  }

  CompletableFuture<T> promise() {
    return promise;
  }

  void begin() {
    if (core.isClosed()) {
      closed();
      return;
    }
    core.hold(whenClosed);
    late = core.loop.after(left(), () -> failed(Failures.unavailable("no token came in time")));
    core.withToken(this::send, this::failed);
  }

  private Duration left() {
    return Duration.ofNanos(Math.max(0, endsAt - System.nanoTime()));
  }

  private void send(String token) {
    late.cancel();
    if (promise.isDecided()) {
      return;
    }
    try {
      call = Call.begin(core.channel(), method, request, token, left(), new Single<>(this));
    } catch (RialtoException invalid) {
      failed(invalid);
    }
  }

  private void giveUp() {
    over();
    if (call != null) {
      call.cancel();
    }
  }

  private void over() {
    late.cancel();
    core.letGo(whenClosed);
  }

  void closed() {
    promise.fail(call == null ? Failures.closedHere() : Failures.closedUnder(Failures.closedHere()));
    if (call != null) {
      call.cancel();
    }
  }

  @Override
  public void succeeded(R response) {
    over();
    try {
      promise.succeed(made.apply(response));
    } catch (RialtoException broken) {
      promise.fail(broken);
    }
  }

  @Override
  public void failed(RialtoException failure) {
    over();
    promise.fail(failure);
  }
}
