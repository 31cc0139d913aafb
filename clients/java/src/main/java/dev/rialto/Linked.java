package dev.rialto;

import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/** Futures that follow on others, and give those up when they are given up themselves. */
final class Linked {
  private Linked() {}

  static <S, T> CompletableFuture<T> map(CompletableFuture<S> source, Function<S, T> made) {
    CompletableFuture<T> follower = source.thenApply(made);
    giveUpWith(follower, source);
    return follower;
  }

  static <S, T> CompletableFuture<T> compose(CompletableFuture<S> source, Function<S, CompletableFuture<T>> made) {
    CompletableFuture<CompletableFuture<T>> second = source.thenApply(made);
    CompletableFuture<T> follower = second.thenCompose(next -> next);
    giveUpWith(follower, source);
    second.thenAccept(next -> giveUpWith(follower, next));
    return follower;
  }

  private static void giveUpWith(CompletableFuture<?> follower, CompletableFuture<?> source) {
    follower.whenComplete(
        (value, thrown) -> {
          if (follower.isCancelled()) {
            source.cancel(false);
          }
        });
  }
}
