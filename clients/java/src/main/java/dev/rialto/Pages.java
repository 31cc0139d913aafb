package dev.rialto;

import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Function;

/** The pages of a list, each asked for when it is wanted. By {@link #next}, or by iterating, which blocks. For one reader. */
public final class Pages<P> implements Iterable<P> {
  private final Function<String, CompletableFuture<P>> page;
  private final Function<P, String> nextOf;
  private volatile String token = "";
  private volatile boolean over;

  Pages(Function<String, CompletableFuture<P>> page, Function<P, String> nextOf) {
    this.page = page;
    this.nextOf = nextOf;
  }

  /** The next page; empty behind the last one, and after one that has failed. The one before must have ended. */
  public CompletableFuture<Optional<P>> next() {
    if (over) {
      return CompletableFuture.completedFuture(Optional.empty());
    }
    over = true;
    return Linked.map(page.apply(token), this::turn);
  }

  private Optional<P> turn(P found) {
    token = nextOf.apply(found);
    over = token.isEmpty();
    return Optional.of(found);
  }

  @Override
  public Iterator<P> iterator() {
    return new Iterator<>() {
      private Optional<P> ahead;

      @Override
      public boolean hasNext() {
        try {
          ahead = ahead == null ? Pages.this.next().join() : ahead;
        } catch (CompletionException thrown) {
          throw RialtoException.of(thrown);
        }
        return ahead.isPresent();
      }

      @Override
      public P next() {
        if (!hasNext()) {
          throw new NoSuchElementException();
        }
        P found = ahead.orElseThrow();
        ahead = null;
        return found;
      }
    };
  }
}
