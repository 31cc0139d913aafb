package dev.rialto;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What a session knows of one room. Written by the loop; the volatile parts are read by everyone. */
final class Seat {
  final RoomKey key;
  final PresenceBook presence = new PresenceBook();
  final StateBook state = new StateBook();
  final List<Feed<PresenceChange>> presenceFeeds = new ArrayList<>();
  final List<Feed<StateChange>> stateFeeds = new ArrayList<>();
  /** The application wants to be here, and the server has said that it is. */
  boolean wanted;
  /** Counts the rooms as they came to be wanted: in that order a new session returns to them. */
  long order;
  /** A member in the present session. */
  boolean member;
  Wishes wishes = Wishes.NONE;
  Position position;
  /** A hole in the presence is being filled. */
  boolean refilling;
  /** Joins again later, because the server has said so. */
  Loop.Timer later = Loop.Timer.NONE;
  private volatile RoomStatus status = RoomStatus.OUT;
  private volatile RoomPosition at;

  /** What was asked for with a room, beside its events. */
  record Wishes(boolean presence, boolean state, boolean delta) {
    static final Wishes NONE = new Wishes(false, false, false);

    Wishes and(Wishes other) {
      return new Wishes(presence || other.presence, state || other.state, delta || other.delta);
    }
  }

  Seat(RoomKey key) {
    this.key = key;
  }

  RoomStatus status() {
    return status;
  }

  void become(RoomStatus now) {
    status = now;
  }

  /** How far the history of the room was handed on, also after it was left. */
  Optional<RoomPosition> at() {
    return Optional.ofNullable(at);
  }

  void moved() {
    at = position == null ? null : new RoomPosition(key.room(), position.epoch(), position.offset());
  }

  /** Whether somebody listens here although the session may not be in the room. */
  boolean isHeard() {
    return !presenceFeeds.isEmpty() || !stateFeeds.isEmpty();
  }

  /** The session is not in the room any more, and is not to be. The position stays. */
  void out() {
    wanted = false;
    member = false;
    wishes = Wishes.NONE;
    refilling = false;
    later.cancel();
    later = Loop.Timer.NONE;
    presence.clear();
    state.clear();
    status = RoomStatus.OUT;
  }
}
