package dev.rialto;

import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/** Who makes single calls: a session beside its stream, or a client without one. */
interface Caller {
  /** What a call has at most, unless its caller says otherwise. */
  Duration deadline();

  /**
   * Makes a call, and gives what is made of its answer. Waiting for a connection counts too.
   *
   * @param within null for {@link #deadline}
   */
  <Q, R, T> CompletableFuture<T> call(MethodDescriptor<Q, R> method, Q request, Duration within, Function<R, T> made);
}
