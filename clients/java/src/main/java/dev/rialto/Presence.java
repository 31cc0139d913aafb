package dev.rialto;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import rialto.v1.RoomServiceGrpc;
import rialto.v1.RoomServiceOuterClass.GetPresenceRequest;
import rialto.v1.RoomServiceOuterClass.PresenceBy;

/** Who is in a room: asked of the server, whether the room was joined or not, and followed where it was joined with presence. */
public final class Presence {
  private final Caller caller;
  /** Null for a client without a session. */
  private final Life life;
  private final RoomKey room;

  Presence(Caller caller, Life life, RoomKey room) {
    this.caller = caller;
    this.life = life;
    this.room = room;
  }

  /**
   * How many are there.
   *
   * @param members sessions
   * @param users users: sessions of one user count once, sessions without a user each
   * @param nodesMissing nodes that did not answer: what is with them is not counted
   */
  public record Counts(int members, int users, List<String> nodesMissing) {}

  /**
   * A user in a room.
   *
   * @param user the user
   * @param sessions how many of its sessions are members
   * @param away all of them are away
   */
  public record PresentUser(String user, int sessions, boolean away) {}

  private GetPresenceRequest.Builder request(PageOf page) {
    return GetPresenceRequest.newBuilder()
        .setNamespace(room.namespace())
        .setRoom(room.room())
        .setPageSize(page.size())
        .setPageToken(page.token());
  }

  /** How many are there. Costs the same however large the room is. */
  public CompletableFuture<Counts> counts() {
    GetPresenceRequest request = request(PageOf.first()).setCountsOnly(true).build();
    return caller.call(
        RoomServiceGrpc.getGetPresenceMethod(),
        request,
        null,
        response -> new Counts(response.getMemberCount(), response.getUserCount(), List.copyOf(response.getNodesMissingList())));
  }

  /** The sessions that are members, by id. */
  public CompletableFuture<Page<Member>> members(PageOf page) {
    GetPresenceRequest request = request(page).setBy(PresenceBy.PRESENCE_BY_SESSION).build();
    return caller.call(
        RoomServiceGrpc.getGetPresenceMethod(),
        request,
        null,
        response ->
            new Page<>(
                response.getMembersList().stream().map(Member::of).toList(),
                response.getNextPageToken(),
                response.getMemberCount(),
                List.copyOf(response.getNodesMissingList())));
  }

  /** The users, by name; sessions without a user are not among them. */
  public CompletableFuture<Page<PresentUser>> users(PageOf page) {
    GetPresenceRequest request = request(page).setBy(PresenceBy.PRESENCE_BY_USER).build();
    return caller.call(
        RoomServiceGrpc.getGetPresenceMethod(),
        request,
        null,
        response ->
            new Page<>(
                response.getUsersList().stream().map(user -> new PresentUser(user.getUser(), user.getSessionCount(), user.getAway())).toList(),
                response.getNextPageToken(),
                response.getUserCount(),
                List.copyOf(response.getNodesMissingList())));
  }

  /**
   * Who comes, changes and goes, from now on, in a room that was joined with presence.
   *
   * @throws RialtoException of kind {@code INVALID} for a client without a session, which is told nothing
   */
  public Feed<PresenceChange> changes() {
    Life session = session();
    Feed<PresenceChange> feed = new Feed<>(session.callbacks, session.settings.eventsWaiting());
    feed.whenRoom(session::roomMade);
    feed.whenClosed(() -> session.loop.execute(() -> leave(session, feed)));
    session.onLoop(() -> seat(session).presenceFeeds.add(feed), () -> feed.end(null));
    return feed;
  }

  /**
   * Who is there, as far as this session was told, in a room that was joined with presence.
   *
   * @throws RialtoException of kind {@code INVALID} for a client without a session
   */
  public PresenceView current() {
    Seat seat = session().kept.seats.find(room.namespace(), room.room());
    return seat == null ? PresenceView.NOTHING : seat.presence.view();
  }

  private void leave(Life session, Feed<PresenceChange> feed) {
    Seat seat = seat(session);
    seat.presenceFeeds.remove(feed);
    session.kept.seats.tidy(seat);
    session.roomMade();
  }

  private Seat seat(Life session) {
    return session.kept.seats.of(room.namespace(), room.room());
  }

  private Life session() {
    if (life == null) {
      throw Failures.invalid("changes of presence are told to members, which have a session");
    }
    return life;
  }
}
