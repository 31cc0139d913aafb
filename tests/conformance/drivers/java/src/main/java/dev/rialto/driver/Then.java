package dev.rialto.driver;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/** What follows on a future of the client; cancelling it reaches that. */
final class Then {
  private Then() {}

  static <T> CompletableFuture<JsonElement> tell(CompletableFuture<T> source, Function<T, JsonElement> told) {
    CompletableFuture<JsonElement> follower = source.thenApply(told);
    follower.whenComplete(
        (done, thrown) -> {
          if (follower.isCancelled()) {
            source.cancel(false);
          }
        });
    return follower;
  }

  static CompletableFuture<JsonElement> done(CompletableFuture<?> source) {
    return tell(source, nothing -> new JsonObject());
  }

  static CompletableFuture<JsonElement> now() {
    return CompletableFuture.completedFuture(new JsonObject());
  }
}
