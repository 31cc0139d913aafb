package dev.rialto;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import rialto.v1.Frame.ClientFrame;
import rialto.v1.RoomServiceGrpc;
import rialto.v1.RoomServiceOuterClass.GetStateRequest;
import rialto.v1.RoomServiceOuterClass.SetStateRequest;
import rialto.v1.State.SetState;

/** The keyed state of a room: the last value of each key, with a revision that only rises. */
public final class State {
  private final Caller caller;
  /** Null for a client without a session. */
  private final Life life;
  private final RoomKey room;

  State(Caller caller, Life life, RoomKey room) {
    this.caller = caller;
    this.life = life;
    this.room = room;
  }

  private GetStateRequest.Builder request() {
    return GetStateRequest.newBuilder().setNamespace(room.namespace()).setRoom(room.room());
  }

  /** One key; empty when there is none. */
  public CompletableFuture<Optional<StateValue>> get(String key) {
    return caller.call(
        RoomServiceGrpc.getGetStateMethod(),
        request().addKeys(key).build(),
        null,
        response -> response.getEntriesList().stream().map(StateValue::of).findFirst());
  }

  /** Some keys, by name. */
  public CompletableFuture<Page<StateValue>> page(PageOf page) {
    return caller.call(
        RoomServiceGrpc.getGetStateMethod(),
        request().setPageSize(page.size()).setPageToken(page.token()).build(),
        null,
        response ->
            new Page<>(
                response.getEntriesList().stream().map(StateValue::of).toList(),
                response.getNextPageToken(),
                response.getTotalCount(),
                java.util.List.of()));
  }

  /** Sets a key to text. */
  public CompletableFuture<StateSet> set(String key, String text) {
    return set(key, Payload.text(text), SetOptions.NONE);
  }

  /** Sets a key, of 1 to 128 bytes. */
  public CompletableFuture<StateSet> set(String key, Payload value, SetOptions options) {
    return send(Bodies.state(value).setKey(key), options);
  }

  /** Takes a key away. */
  public CompletableFuture<StateSet> remove(String key) {
    return remove(key, SetOptions.NONE);
  }

  /** Takes a key away, under a condition. */
  public CompletableFuture<StateSet> remove(String key, SetOptions options) {
    return send(SetState.newBuilder().setKey(key), options);
  }

  private CompletableFuture<StateSet> send(SetState.Builder set, SetOptions options) {
    set.setNamespace(room.namespace()).setRoom(room.room());
    if (options.revision != null) {
      set.setExpectedRevision(options.revision);
    }
    if (options.expiresIn != null) {
      set.setExpiresIn(Times.span(options.expiresIn));
    }
    if (life != null) {
      return Sending.one(
          life,
          Command.Kind.SET_STATE,
          ClientFrame.newBuilder().setSetState(set),
          options.deadline,
          frame -> frame.hasStateSet() ? StateSet.of(frame.getStateSet()) : null);
    }
    SetStateRequest request = SetStateRequest.newBuilder().setSet(set).build();
    return caller.call(RoomServiceGrpc.getSetStateMethod(), request, options.deadline, response -> StateSet.of(response.getSet()));
  }

  /**
   * All keys, and then each change, in a room that was joined with state. Of values of one key that a slow reader has not taken the
   * older ones may be left out.
   *
   * @throws RialtoException of kind {@code INVALID} for a client without a session, which is told nothing
   */
  public Feed<StateChange> watch() {
    Life session = session();
    Feed<StateChange> feed = new Feed<>(session.callbacks, session.settings.eventsWaiting());
    feed.whenRoom(session::roomMade);
    feed.whenClosed(() -> session.loop.execute(() -> leave(session, feed)));
    session.onLoop(() -> begin(session, feed), () -> feed.end(null));
    return feed;
  }

  private void begin(Life session, Feed<StateChange> feed) {
    Seat seat = seat(session);
    seat.stateFeeds.add(feed);
    StateChange known = seat.state.known();
    if (known != null) {
      session.kept.audience.give(feed, known);
    }
  }

  /**
   * What is known here, in a room that was joined with state.
   *
   * @throws RialtoException of kind {@code INVALID} for a client without a session
   */
  public StateView current() {
    Seat seat = session().kept.seats.find(room.namespace(), room.room());
    return seat == null ? StateView.NOTHING : seat.state.view();
  }

  private void leave(Life session, Feed<StateChange> feed) {
    Seat seat = seat(session);
    seat.stateFeeds.remove(feed);
    session.kept.seats.tidy(seat);
    session.roomMade();
  }

  private Seat seat(Life session) {
    return session.kept.seats.of(room.namespace(), room.room());
  }

  private Life session() {
    if (life == null) {
      throw Failures.invalid("changes of state are told to members, which have a session");
    }
    return life;
  }
}
