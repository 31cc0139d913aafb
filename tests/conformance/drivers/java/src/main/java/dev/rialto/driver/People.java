package dev.rialto.driver;

import dev.rialto.Client;
import dev.rialto.Event;
import dev.rialto.Session;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;

/** Who there is, by name: sessions, clients without one, streams of events, workers. */
final class People {
  final Map<String, Session> sessions = new ConcurrentHashMap<>();
  final Map<String, Client> clients = new ConcurrentHashMap<>();
  final Map<String, Reader> readers = new ConcurrentHashMap<>();
  final Map<String, Workers.Shift> shifts = new ConcurrentHashMap<>();

  /** Who reads a stream of events. */
  static final class Reader {
    /** Lets it go on, when it was to wait. */
    final CompletableFuture<Void> go = new CompletableFuture<>();
    /** The last event that it has told of. */
    volatile Event last;
  }

  Session session(Command command) {
    return found(sessions.get(command.by()), command.by() + " has no session");
  }

  Client client(Command command) {
    return found(clients.get(command.by()), command.by() + " is no client");
  }

  Reader reader(Command command) {
    return found(readers.get(command.by()), command.by() + " reads nothing");
  }

  Workers.Shift shift(Command command) {
    return found(shifts.get(command.by()), command.by() + " does not work");
  }

  private static <T> T found(T somebody, String otherwise) {
    if (somebody == null) {
      throw new Refusal(otherwise);
    }
    return somebody;
  }
}
