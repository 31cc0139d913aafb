package dev.rialto;

import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Flow;
import java.util.function.Consumer;
import java.util.function.IntFunction;

/**
 * Many answers, one after the other. They are taken in one of three ways: by {@link #next}, by iterating, which blocks, or by one
 * subscriber. A bounded number waits here; who produces them is slowed when it is full. Closing it ends it.
 */
public final class Feed<T> implements Flow.Publisher<T>, Iterable<T>, AutoCloseable {
  /** Futures of {@link #next} that may wait at once. */
  private static final int READERS_MAX = 256;

  private final Callbacks callbacks;
  private final int capacity;
  private final ArrayDeque<T> items = new ArrayDeque<>();
  private final ArrayDeque<Promise<Optional<T>>> readers = new ArrayDeque<>();
  private Runnable whenRoom = () -> {};
  private Runnable whenClosed = () -> {};
  private Flow.Subscriber<? super T> subscriber;
  private long demand;
  private boolean pumping;
  private boolean full;
  private boolean ended;
  private boolean told;
  private RialtoException failure;
  private IntFunction<T> overlooked;
  private int dropped;

  Feed(Callbacks callbacks, int capacity) {
    this.callbacks = callbacks;
    this.capacity = capacity;
  }

  /** Told, on any thread, when there is room again after an item was turned away. */
  Feed<T> whenRoom(Runnable given) {
    this.whenRoom = given;
    return this;
  }

  /** Told, on any thread, when the reader wants no more. */
  Feed<T> whenClosed(Runnable given) {
    this.whenClosed = given;
    return this;
  }

  /** The oldest make place when it is full; what is made of their number comes before what is left. */
  Feed<T> dropping(IntFunction<T> given) {
    this.overlooked = given;
    return this;
  }

  /** Puts an item in. False when it is full: it is to be offered again. A closed one takes everything, to hold nobody up. */
  boolean offer(T item) {
    synchronized (this) {
      if (ended) {
        return true;
      }
      if (hand(item)) {
        return true;
      }
      if (items.size() >= capacity) {
        if (overlooked == null) {
          full = true;
          return false;
        }
        items.poll();
        dropped++;
      }
      items.add(item);
    }
    pump();
    return true;
  }

  /** Gives an item to the first future that waits for one. */
  private boolean hand(T item) {
    for (Promise<Optional<T>> reader = readers.poll(); reader != null; reader = readers.poll()) {
      if (reader.succeed(Optional.of(item))) {
        return true;
      }
    }
    return false;
  }

  /** Nothing more comes; what is here is still given. Null: it ends well. */
  void end(RialtoException cause) {
    synchronized (this) {
      if (ended) {
        return;
      }
      ended = true;
      failure = cause;
      for (Promise<Optional<T>> reader = readers.poll(); reader != null; reader = readers.poll()) {
        finish(reader);
      }
    }
    pump();
  }

  synchronized boolean isEnded() {
    return ended;
  }

  private void finish(Promise<Optional<T>> reader) {
    // A failure is told once, and after it the end.
    if (failure == null || told) {
      reader.succeed(Optional.empty());
    } else {
      told = true;
      reader.fail(failure);
    }
  }

  /** The next item; empty once it has ended. It fails, once, with what has ended it. */
  public CompletableFuture<Optional<T>> next() {
    Promise<Optional<T>> reader = new Promise<>(callbacks);
    Runnable room = null;
    synchronized (this) {
      T item = poll();
      if (item != null) {
        room = taken();
        reader.succeed(Optional.of(item));
      } else if (ended) {
        finish(reader);
      } else {
        readers.removeIf(Promise::isDecided);
        if (readers.size() < READERS_MAX) {
          readers.add(reader);
        } else {
          reader.fail(Failures.invalid("more than " + READERS_MAX + " futures wait for an item"));
        }
      }
    }
    if (room != null) {
      room.run();
    }
    return reader;
  }

  private T poll() {
    if (dropped > 0) {
      T lost = overlooked.apply(dropped);
      dropped = 0;
      return lost;
    }
    return items.poll();
  }

  /** What to tell, outside of the lock, when an item was taken. */
  private Runnable taken() {
    if (!full) {
      return null;
    }
    full = false;
    return whenRoom;
  }

  /** The items, waiting for each. What has ended the feed is thrown. */
  @Override
  public Iterator<T> iterator() {
    return new Iterator<>() {
      private CompletableFuture<Optional<T>> ahead;

      @Override
      public boolean hasNext() {
        if (ahead == null) {
          ahead = Feed.this.next();
        }
        try {
          return ahead.join().isPresent();
        } catch (CompletionException thrown) {
          throw RialtoException.of(thrown);
        }
      }

      @Override
      public T next() {
        if (!hasNext()) {
          throw new NoSuchElementException();
        }
        T item = ahead.join().orElseThrow();
        ahead = null;
        return item;
      }
    };
  }

  /** Gives the items to one subscriber, as many as it asks for. A second one is refused. */
  @Override
  public void subscribe(Flow.Subscriber<? super T> given) {
    synchronized (this) {
      if (subscriber == null) {
        subscriber = given;
      } else {
        callbacks.run(() -> refuse(given));
        return;
      }
    }
    callbacks.run(
        () -> {
          given.onSubscribe(new Wishes());
          pump();
        });
  }

  private static void refuse(Flow.Subscriber<?> given) {
    given.onSubscribe(
        new Flow.Subscription() {
          @Override
          public void request(long items) {}

          @Override
          public void cancel() {}
        });
    given.onError(new IllegalStateException("a feed has one subscriber"));
  }

  /** Gives each item to a listener, one after the other. What it throws ends nothing. */
  void tellEach(Consumer<? super T> listener) {
    subscribe(
        new Flow.Subscriber<T>() {
          @Override
          public void onSubscribe(Flow.Subscription subscription) {
            subscription.request(Long.MAX_VALUE);
          }

          @Override
          public void onNext(T item) {
            Callbacks.tell(listener, item);
          }

          @Override
          public void onError(Throwable thrown) {}

          @Override
          public void onComplete() {}
        });
  }

  /** What the subscriber asks for. */
  private final class Wishes implements Flow.Subscription {
    @Override
    public void request(long wanted) {
      synchronized (Feed.this) {
        demand = wanted > Long.MAX_VALUE - demand ? Long.MAX_VALUE : demand + Math.max(0, wanted);
      }
      if (wanted <= 0) {
        end(Failures.invalid("a subscriber has asked for " + wanted + " items"));
      }
      pump();
    }

    @Override
    public void cancel() {
      close();
    }
  }

  private void pump() {
    synchronized (this) {
      if (subscriber == null || pumping || (!deliverable() && !over())) {
        return;
      }
      pumping = true;
    }
    callbacks.run(this::deliver);
  }

  private boolean deliverable() {
    return demand > 0 && (dropped > 0 || !items.isEmpty());
  }

  private boolean over() {
    return ended && !told && dropped == 0 && items.isEmpty();
  }

  private void deliver() {
    for (; ; ) {
      T item;
      Runnable room;
      synchronized (this) {
        if (!deliverable()) {
          pumping = false;
          if (!over()) {
            return;
          }
          told = true;
          break;
        }
        item = poll();
        room = taken();
        demand = demand == Long.MAX_VALUE ? demand : demand - 1;
      }
      if (room != null) {
        room.run();
      }
      subscriber.onNext(item);
    }
    if (failure == null) {
      subscriber.onComplete();
    } else {
      subscriber.onError(failure);
    }
  }

  /** Wants no more: what waits is let go, and whoever waits is told the end. Does not block. */
  @Override
  public void close() {
    synchronized (this) {
      items.clear();
      dropped = 0;
      failure = null;
      told = subscriber != null;
    }
    end(null);
    whenClosed.run();
  }
}
