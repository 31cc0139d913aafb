package dev.rialto;

import java.util.ArrayDeque;
import java.util.LinkedHashSet;
import java.util.Set;
import rialto.v1.Room.Join;

/** What a session keeps through its streams. Lives on the loop. */
final class Kept {
  final Outbox outbox;
  final Seats seats = new Seats();
  final Held held = new Held();
  final Deltas deltas = new Deltas();
  final Pace pace = new Pace();
  final Audience audience = new Audience();
  final Reports reports = new Reports();
  /** Joins of the greeting that were not answered yet, in their order. */
  final ArrayDeque<Join> greeted = new ArrayDeque<>();
  /** Namespaces that a new session was to enter later, because the server has said so. */
  final Set<String> enteringLater = new LinkedHashSet<>();
  /** Counts the sessions, so that an answer finds the one that was asked. */
  int session;

  Kept(SessionSettings settings) {
    this.outbox = new Outbox(settings.offline());
  }

  /** There is no stream. */
  void detached() {
    outbox.detached();
    seats.detached();
  }

  /** The session is over. */
  void close(RialtoException why) {
    outbox.close(why);
    audience.end();
    seats.close();
    deltas.forget();
  }
}
