package dev.rialto;

import java.util.function.Consumer;

/** How events come to who wants them. */
final class Hearing {
  private Hearing() {}

  static Feed<Event> feed(Life life, Audience.Interest interest) {
    Feed<Event> feed = new Feed<>(life.callbacks, life.settings.eventsWaiting());
    feed.whenRoom(life::roomMade);
    feed.whenClosed(
        () ->
            life.loop.execute(
                () -> {
                  life.kept.audience.remove(feed);
                  life.roomMade();
                }));
    life.onLoop(() -> life.kept.audience.add(interest, feed), () -> feed.end(null));
    return feed;
  }

  static Listening on(Life life, Audience.Interest interest, Consumer<Event> listener) {
    Feed<Event> feed = feed(life, interest);
    feed.tellEach(listener);
    return feed::close;
  }
}
