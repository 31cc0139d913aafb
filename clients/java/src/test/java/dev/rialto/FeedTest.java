package dev.rialto;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class FeedTest {
  private final Callbacks here = Callbacks.on(Runnable::run);

  private Feed<Integer> feed(int capacity) {
    return new Feed<>(here, capacity);
  }

  /** A subscriber that writes down what it hears and asks for nothing by itself. */
  private static final class Noting implements Flow.Subscriber<Integer> {
    private final List<Integer> heard = new ArrayList<>();
    private Flow.Subscription subscription;
    private boolean complete;
    private Throwable failure;

    @Override
    public void onSubscribe(Flow.Subscription given) {
      subscription = given;
    }

    @Override
    public void onNext(Integer item) {
      heard.add(item);
    }

    @Override
    public void onError(Throwable thrown) {
      failure = thrown;
    }

    @Override
    public void onComplete() {
      complete = true;
    }
  }

  @Test
  void itemsAreTakenInTheirOrderAndThenItEnds() {
    Feed<Integer> feed = feed(4);
    CompletableFuture<Optional<Integer>> waiting = feed.next();
    feed.offer(1);
    feed.offer(2);
    feed.end(null);
    assertEquals(Optional.of(1), waiting.join());
    assertEquals(Optional.of(2), feed.next().join());
    assertEquals(Optional.empty(), feed.next().join());
  }

  @Test
  void aFullOneTurnsAwayAndSaysWhenThereIsRoom() {
    AtomicInteger rooms = new AtomicInteger();
    Feed<Integer> feed = feed(1).whenRoom(rooms::incrementAndGet);
    assertTrue(feed.offer(1));
    assertFalse(feed.offer(2));
    feed.next().join();
    assertEquals(1, rooms.get());
    assertTrue(feed.offer(2));
  }

  @Test
  void aSubscriberGetsAsManyAsItAsksFor() {
    Feed<Integer> feed = feed(2);
    Noting noting = new Noting();
    feed.subscribe(noting);
    feed.offer(1);
    feed.offer(2);
    assertFalse(feed.offer(3));
    assertEquals(List.of(), noting.heard);
    noting.subscription.request(1);
    assertEquals(List.of(1), noting.heard);
    feed.offer(3);
    feed.end(null);
    noting.subscription.request(Long.MAX_VALUE);
    assertEquals(List.of(1, 2, 3), noting.heard);
    assertTrue(noting.complete);
  }

  @Test
  void aFailureIsToldOnce() {
    Feed<Integer> feed = feed(2);
    feed.end(Failures.timedOut("late"));
    assertEquals(ErrorKind.TIMED_OUT, RialtoException.of(assertThrows(RuntimeException.class, () -> feed.next().join())).kind());
    assertEquals(Optional.empty(), feed.next().join());
  }

  @Test
  void aFailureReachesASubscriber() {
    Feed<Integer> feed = feed(2);
    Noting noting = new Noting();
    feed.subscribe(noting);
    feed.end(Failures.timedOut("late"));
    assertEquals(ErrorKind.TIMED_OUT, RialtoException.of(noting.failure).kind());
  }

  @Test
  void whoIsGoneHoldsNobodyUp() {
    AtomicInteger closed = new AtomicInteger();
    Feed<Integer> feed = feed(1).whenClosed(closed::incrementAndGet);
    feed.offer(1);
    feed.close();
    assertEquals(1, closed.get());
    assertTrue(feed.offer(2));
    assertTrue(feed.offer(3));
    assertEquals(Optional.empty(), feed.next().join());
  }

  @Test
  void aFutureThatWasCancelledTakesNothingAway() {
    Feed<Integer> feed = feed(2);
    feed.next().cancel(false);
    feed.offer(1);
    assertEquals(Optional.of(1), feed.next().join());
  }

  @Test
  void whereTheOldestMakeRoomTheirNumberComesFirst() {
    Feed<Integer> feed = feed(2).dropping(count -> -count);
    for (int item = 1; item <= 5; item++) {
      assertTrue(feed.offer(item));
    }
    feed.end(null);
    List<Integer> heard = new ArrayList<>();
    feed.forEach(heard::add);
    assertEquals(List.of(-3, 4, 5), heard);
  }
}
