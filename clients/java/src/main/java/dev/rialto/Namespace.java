package dev.rialto;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import rialto.v1.EventOuterClass.Emit;
import rialto.v1.Frame.ClientFrame;
import rialto.v1.Room.Enter;
import rialto.v1.Room.Join;
import rialto.v1.Room.Leave;
import rialto.v1.Room.Part;

/** A namespace, as a session sees it. Sends nothing by itself; two of the same name mean the same. */
public final class Namespace {
  private final Life life;
  private final String name;

  Namespace(Life life, String name) {
    this.life = life;
    this.name = name;
  }

  /** Its name. */
  public String name() {
    return name;
  }

  /** A room of it. */
  public Room room(String room) {
    return new Room(life, this, room);
  }

  /** Enters it without joining a room: what is sent to users, sessions and everyone in it is heard from then on. */
  public CompletableFuture<Void> enter() {
    ClientFrame.Builder wire = ClientFrame.newBuilder().setEnter(Enter.newBuilder().setNamespace(name));
    return done(Sending.one(life, Command.Kind.MEMBERSHIP, wire, null, frame -> frame.hasEntered() ? true : null));
  }

  /** Leaves it, and parts all its rooms. */
  public CompletableFuture<Void> leave() {
    ClientFrame.Builder wire = ClientFrame.newBuilder().setLeave(Leave.newBuilder().setNamespace(name));
    Said.Outcome unwanted =
        new Said.Outcome() {
          @Override
          public void begins() {
            life.kept.seats.unwanted(name);
          }
        };
    return done(Sending.one(life, Command.Kind.MEMBERSHIP, wire, null, frame -> frame.hasLeft() ? true : null, unwanted));
  }

  private static CompletableFuture<Void> done(CompletableFuture<Boolean> outcome) {
    return Linked.map(outcome, done -> null);
  }

  /** Joins rooms, at most 64: all of them or, when one is refused, none. Ends with them as a new member finds them. */
  public CompletableFuture<List<Joined>> join(List<String> rooms, JoinOptions options) {
    Join.Builder join =
        Join.newBuilder()
            .setNamespace(name)
            .addAllRooms(rooms)
            .setPresence(options.presence)
            .setState(options.state)
            .setDelta(options.delta)
            .setNewest(options.newest);
    if (options.recover != null) {
      join.addRecover(options.recover.wire());
    }
    return Sending.one(
        life,
        Command.Kind.MEMBERSHIP,
        ClientFrame.newBuilder().setJoin(join),
        null,
        frame -> frame.hasJoined() ? frame.getJoined().getRoomsList().stream().map(Joined::of).toList() : null,
        joining(rooms));
  }

  private Said.Outcome joining(List<String> rooms) {
    return new Said.Outcome() {
      @Override
      public void begins() {
        turn(rooms, RoomStatus.OUT, RoomStatus.JOINING);
      }

      @Override
      public void failed() {
        turn(rooms, RoomStatus.JOINING, RoomStatus.OUT);
        life.loop.execute(() -> rooms.forEach(room -> life.kept.seats.tidy(life.kept.seats.of(name, room))));
      }
    };
  }

  private void turn(List<String> rooms, RoomStatus from, RoomStatus to) {
    for (String room : rooms) {
      Seat seat = life.kept.seats.of(name, room);
      if (seat.status() == from) {
        seat.become(to);
      }
    }
  }

  /** Parts rooms, at most 64. Ends with those in which the session was; then nothing more of them is heard. */
  public CompletableFuture<List<String>> part(List<String> rooms) {
    Said.Outcome unwanted =
        new Said.Outcome() {
          @Override
          public void begins() {
            life.kept.seats.unwanted(name, rooms);
          }
        };
    return Sending.one(
        life,
        Command.Kind.MEMBERSHIP,
        ClientFrame.newBuilder().setPart(Part.newBuilder().setNamespace(name).addAllRooms(rooms)),
        null,
        frame -> frame.hasParted() ? List.copyOf(frame.getParted().getRoomsList()) : null,
        unwanted);
  }

  /** Emits text to any target of the namespace. */
  public CompletableFuture<Accepted> emitTo(Target target, String event, String text) {
    return emitTo(target, event, Payload.text(text), EmitOptions.NONE);
  }

  /** Emits to any target of the namespace. Ends when the server has taken it. */
  public CompletableFuture<Accepted> emitTo(Target target, String event, Payload payload, EmitOptions options) {
    return Sending.emit(life, Bodies.emit(name, target, event, payload, options), options);
  }

  /** Emits to any target, and asks each receiver for an answer, which may take so long, 60 s at most. */
  public CompletableFuture<Replies> emitToWithReplies(Target target, String event, Payload payload, Duration within, EmitOptions options) {
    if (options.delivery == Delivery.VOLATILE) {
      return CompletableFuture.failedFuture(Failures.invalid("who asks wants the question to arrive: it cannot be volatile"));
    }
    return Sending.ask(life, Bodies.emit(name, target, event, payload, options), options, within);
  }

  /** Asks one session with text, and waits 5 s for its answer. */
  public CompletableFuture<Reply> call(Callee callee, String event, String text) {
    return call(callee, event, Payload.text(text), Sending.ANSWERS_WITHIN);
  }

  /**
   * Asks one session, or any one member of a room, as the session that this is, and gives its answer.
   *
   * @return fails as {@code REFUSED} with {@code RECIPIENT_FAILED} and the receiver's text, {@code TIMED_OUT}, {@code RECIPIENT_LEFT}, or
   *     {@code NO_RECIPIENT}
   */
  public CompletableFuture<Reply> call(Callee callee, String event, Payload payload, Duration within) {
    Emit.Builder emit = Bodies.emit(name, callee.target(), event, payload, EmitOptions.NONE);
    CompletableFuture<Replies> asked = Sending.ask(life, emit, EmitOptions.NONE, within);
    return Linked.compose(asked, Namespace::theOne);
  }

  private static CompletableFuture<Reply> theOne(Replies replies) {
    CompletableFuture<Reply> one = replies.all().thenApply(Namespace::theOne);
    one.whenComplete((reply, thrown) -> replies.answers().close());
    return one;
  }

  private static Reply theOne(Replies.Answers answers) {
    if (answers.replies().isEmpty()) {
      throw nobody(answers.summary());
    }
    Reply reply = answers.replies().get(0);
    if (reply.error().isPresent()) {
      throw Failures.refused("RECIPIENT_FAILED", reply.error().orElseThrow());
    }
    return reply;
  }

  private static RialtoException nobody(Replies.Summary summary) {
    boolean left = summary.missing().stream().anyMatch(Replies.Missing::left);
    if (left) {
      return Failures.refused("RECIPIENT_LEFT", "the receiver left before it answered");
    }
    return summary.timedOut() || summary.missingCount() > 0
        ? Failures.refused("TIMED_OUT", "no answer came in time")
        : Failures.refused("NO_RECIPIENT", "nobody was asked");
  }

  /** All events of the namespace, from now on. */
  public Feed<Event> events() {
    return Hearing.feed(life, new Audience.Interest(name, null, null));
  }

  /** Has a listener hear the events of this name, one after the other, from now on. */
  public Listening on(String event, Consumer<Event> listener) {
    return Hearing.on(life, new Audience.Interest(name, null, event), listener);
  }
}
