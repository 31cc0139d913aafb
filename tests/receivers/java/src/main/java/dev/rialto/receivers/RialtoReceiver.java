package dev.rialto.receivers;

import dev.rialto.Event;
import dev.rialto.Room;
import dev.rialto.Session;
import java.util.concurrent.Flow;

/** Receives by the client of Rialto: a subscriber of the events of a room. */
public final class RialtoReceiver {
  private RialtoReceiver() {}

  public static void main(String[] arguments) throws Exception {
    Tally tally = new Tally();
    try (Session session = Session.connect(arguments[0]).user("receiver").open().join()) {
      Room room = session.namespace("bench").room("bench-room");
      room.events().subscribe(new Counting(tally));
      room.join().join();
      tally.readyUntilToldToEnd();
    }
  }

  private record Counting(Tally tally) implements Flow.Subscriber<Event> {
    @Override
    public void onSubscribe(Flow.Subscription subscription) {
      subscription.request(Long.MAX_VALUE);
    }

    @Override
    public void onNext(Event event) {
      tally.count(event.text());
    }

    @Override
    public void onError(Throwable thrown) {
      thrown.printStackTrace();
    }

    @Override
    public void onComplete() {}
  }
}
