package dev.rialto;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/** A room, as a session sees it. Sends nothing by itself; two of the same name mean the same. */
public final class Room {
  private final Life life;
  private final Namespace namespace;
  private final String name;

  Room(Life life, Namespace namespace, String name) {
    this.life = life;
    this.namespace = namespace;
    this.name = name;
  }

  /** Its name. */
  public String name() {
    return name;
  }

  /** Its namespace. */
  public Namespace namespace() {
    return namespace;
  }

  /** Joins it. */
  public CompletableFuture<Joined> join() {
    return join(JoinOptions.NONE);
  }

  /** Joins it. Ends with the room as a new member finds it; a refusal leaves it out. To join again as a member is harmless. */
  public CompletableFuture<Joined> join(JoinOptions options) {
    return Linked.map(namespace.join(List.of(name), options), Room::only);
  }

  private static Joined only(List<Joined> rooms) {
    if (rooms.isEmpty()) {
      throw Failures.other("the answer to a join names no room");
    }
    return rooms.get(0);
  }

  /** Parts it. Says whether the session was in it; then nothing more of it is heard. */
  public CompletableFuture<Boolean> part() {
    return Linked.map(namespace.part(List.of(name)), rooms -> rooms.contains(name));
  }

  /** Where the session stands to it. */
  public RoomStatus status() {
    Seat seat = life.kept.seats.find(namespace.name(), name);
    return seat == null ? RoomStatus.OUT : seat.status();
  }

  /** How far its history was handed on, also after it was left; empty where it keeps none. For {@link JoinOptions.Builder#recover}. */
  public Optional<RoomPosition> position() {
    Seat seat = life.kept.seats.find(namespace.name(), name);
    return seat == null ? Optional.empty() : seat.at();
  }

  /** Emits text to its members. */
  public CompletableFuture<Accepted> emit(String event, String text) {
    return emit(event, Payload.text(text));
  }

  /** Emits to its members. */
  public CompletableFuture<Accepted> emit(String event, Payload payload) {
    return emit(event, payload, EmitOptions.NONE);
  }

  /** Emits to its members. Ends when the server has taken it: it is on its way to each of them. */
  public CompletableFuture<Accepted> emit(String event, Payload payload, EmitOptions options) {
    return namespace.emitTo(Target.room(name), event, payload, options);
  }

  /** Emits text to its members, asks each for an answer, and waits 5 s for them. */
  public CompletableFuture<Replies> emitWithReplies(String event, String text) {
    return emitWithReplies(event, Payload.text(text), Sending.ANSWERS_WITHIN, EmitOptions.NONE);
  }

  /** Emits to its members, and asks each for an answer, which may take so long, 60 s at most. */
  public CompletableFuture<Replies> emitWithReplies(String event, Payload payload, Duration within, EmitOptions options) {
    return namespace.emitToWithReplies(Target.room(name), event, payload, within, options);
  }

  /** Its events, from now on. Each waits for its reader, up to a bound; then the session is slowed, and nothing is lost. */
  public Feed<Event> events() {
    return Hearing.feed(life, new Audience.Interest(namespace.name(), name, null));
  }

  /** Has a listener hear its events of this name, one after the other, from now on. One that is slow slows the session. */
  public Listening on(String event, Consumer<Event> listener) {
    return Hearing.on(life, new Audience.Interest(namespace.name(), name, event), listener);
  }

  /** What it keeps of its events. */
  public History history() {
    return new History(life, namespace.name(), name);
  }

  /** Who is in it. */
  public Presence presence() {
    return new Presence(life, life, new RoomKey(namespace.name(), name));
  }

  /** Its keyed state. */
  public State state() {
    return new State(life, life, new RoomKey(namespace.name(), name));
  }
}
