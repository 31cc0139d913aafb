package dev.rialto;

import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.Function;

/** A client without a session: one connection, made when it is first used and again when it is lost, and the calls over it. */
final class ClientCore implements Caller {
  final Loop loop;
  final Callbacks callbacks;
  private final Channels channels;
  private final Tokens tokens;
  private final Duration deadline;
  /** Who is told when the client is closed. */
  private final Set<Runnable> underWay = new LinkedHashSet<>();
  private ManagedChannel channel;
  private volatile boolean closed;

  ClientCore(Loop loop, Callbacks callbacks, Channels channels, Tokens tokens, Duration deadline) {
    this.loop = loop;
    this.callbacks = callbacks;
    this.channels = channels;
    this.tokens = tokens;
    this.deadline = deadline;
  }

  @Override
  public Duration deadline() {
    return deadline;
  }

  boolean isClosed() {
    return closed;
  }

  /** Whether a token that was turned down may be another one the next time. */
  boolean hasOtherTokens() {
    return tokens.isRenewable();
  }

  @Override
  public <Q, R, T> CompletableFuture<T> call(MethodDescriptor<Q, R> method, Q request, Duration within, Function<R, T> made) {
    ClientCall<Q, R, T> call = new ClientCall<>(this, method, request, within == null ? deadline : within, made);
    if (!loop.offer(call::begin)) {
      call.closed();
    }
    return call.promise();
  }

  /** Runs work with a token on the loop; what is told instead when there is none. */
  void withToken(Consumer<String> work, Consumer<RialtoException> otherwise) {
    tokens
        .fetch(callbacks)
        .whenComplete(
            (token, thrown) ->
                loop.execute(
                    () -> {
                      if (thrown == null) {
                        work.accept(token == null ? "" : token.text());
                      } else {
                        otherwise.accept(RialtoException.of(thrown));
                      }
                    }));
  }

  /** The connection. One that has failed is replaced, because the transport would wait before it tries again. */
  ManagedChannel channel() {
    if (channel != null) {
      ConnectivityState state = channel.getState(false);
      if (state != ConnectivityState.TRANSIENT_FAILURE && state != ConnectivityState.SHUTDOWN) {
        return channel;
      }
      channel.shutdown();
    }
    channel = channels.make();
    return channel;
  }

  /** Has work run when the client is closed, until it is let go of. On the loop. */
  void hold(Runnable whenClosed) {
    underWay.add(whenClosed);
  }

  void letGo(Runnable whenClosed) {
    underWay.remove(whenClosed);
  }

  /** Fails all calls, also those under way, and lets everything go. */
  CompletableFuture<Void> close() {
    CompletableFuture<Void> done = new CompletableFuture<>();
    boolean here =
        loop.offer(
            () -> {
              shut();
              done.complete(null);
            });
    return here ? done : CompletableFuture.completedFuture(null);
  }

  private void shut() {
    closed = true;
    List.copyOf(underWay).forEach(Runnable::run);
    underWay.clear();
    if (channel != null) {
      channel.shutdownNow();
    }
    loop.end();
    callbacks.end();
  }
}
