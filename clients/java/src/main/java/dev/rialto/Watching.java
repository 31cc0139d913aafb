package dev.rialto;

import io.grpc.MethodDescriptor;
import java.util.concurrent.CompletableFuture;

/** One stream of answers, given to a feed as fast as it is read. Lives on the loop. */
final class Watching<Q, R> implements Call.Hearer<R> {
  private static final int ITEMS_WAITING = 256;

  private final ClientCore core;
  private final MethodDescriptor<Q, R> method;
  private final Q request;
  private final Promise<Feed<R>> opened;
  private final Feed<R> feed;
  private final Runnable whenClosed = () -> end(Failures.closedHere());
  private Loop.Timer late = Loop.Timer.NONE;
  private Call<Q, R> call;
  private R waiting;
  private Runnable afterwards;

  Watching(ClientCore core, MethodDescriptor<Q, R> method, Q request) {
    this.core = core;
    this.method = method;
    this.request = request;
    this.opened = new Promise<Feed<R>>(core.callbacks).onAbandoned(() -> core.loop.execute(this::stop));
    this.feed =
        new Feed<R>(core.callbacks, ITEMS_WAITING)
            .whenRoom(() -> core.loop.execute(this::goOn))
            .whenClosed(() -> core.loop.execute(this::stop));
  }

  /** Ends when the server has opened it. */
  CompletableFuture<Feed<R>> begin() {
    if (!core.loop.offer(this::open)) {
      opened.fail(Failures.closedHere());
    }
    return opened;
  }

  private void open() {
    core.hold(whenClosed);
    late = core.loop.after(core.deadline(), () -> end(Failures.unavailable("the watch was not opened in time")));
    core.withToken(
        token -> {
          if (!feed.isEnded()) {
            call = Call.begin(core.channel(), method, request, token, null, this);
          }
        },
        this::end);
  }

  @Override
  public void opened() {
    late.cancel();
    opened.succeed(feed);
  }

  @Override
  public void message(R message) {
    waiting = message;
    goOn();
  }

  private void goOn() {
    if (waiting != null && feed.offer(waiting)) {
      waiting = null;
      call.request();
      runAfterwards();
    }
  }

  private void runAfterwards() {
    Runnable work = afterwards;
    afterwards = null;
    if (work != null) {
      work.run();
    }
  }

  @Override
  public void ended(RialtoException why) {
    if (waiting != null) {
      // What has come is handed on first.
      afterwards = () -> ended(why);
      return;
    }
    end(why == null ? Failures.unknownOutcome("the server has ended the watch") : why);
  }

  private void end(RialtoException why) {
    late.cancel();
    core.letGo(whenClosed);
    opened.fail(why);
    feed.end(why);
    if (call != null) {
      call.cancel();
    }
  }

  private void stop() {
    end(Failures.closedHere());
  }
}
