package dev.rialto.driver;

import dev.rialto.Feed;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;

/** Reads a feed to its end, one item after the other, and without a thread for each. */
final class Reading {
  static final ExecutorService THREAD =
      Executors.newSingleThreadExecutor(
          work -> {
            Thread made = new Thread(work, "driver-reading");
            made.setDaemon(true);
            return made;
          });

  private Reading() {}

  static <T> void all(Feed<T> feed, Consumer<T> each, Consumer<Throwable> ended) {
    feed.next().whenCompleteAsync((item, thrown) -> step(feed, item, thrown, each, ended), THREAD);
  }

  private static <T> void step(Feed<T> feed, Optional<T> item, Throwable thrown, Consumer<T> each, Consumer<Throwable> ended) {
    if (thrown != null || item.isEmpty()) {
      ended.accept(thrown);
      return;
    }
    each.accept(item.orElseThrow());
    all(feed, each, ended);
  }
}
