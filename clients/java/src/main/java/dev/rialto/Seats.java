package dev.rialto;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import rialto.v1.EventOuterClass.Emit;
import rialto.v1.EventOuterClass.Event;
import rialto.v1.Session.Missed;
import rialto.v1.Room.Join;
import rialto.v1.Room.Joined;
import rialto.v1.Room.RoomState;

/**
 * Where a session is and where its application wants to be, and how far each room was handed on. Says which joins bring a new session there.
 * Knows no stream and no clock.
 */
final class Seats {
  static final int ROOMS_PER_JOIN = 64;
  static final int JOINS_PER_HELLO = 16;
  /** Rooms that were left and whose positions are remembered. */
  private static final int LEFT_MAX = 1024;
  private static final int FORMER_MAX = 16;

  /** What becomes of an event. */
  record Place(boolean isNew, boolean past) {}

  /** Of an event without a position nothing is known but that it has come. */
  private static final Place KEPT_NOWHERE = new Place(true, false);

  private record Spot(String room, String epoch, long offset) {}

  private final Map<RoomKey, Seat> seats = new ConcurrentHashMap<>();
  private final ArrayDeque<Seat> left = new ArrayDeque<>();
  /** Namespaces that the application wants to be in, in the order in which it came to them. */
  private final Set<String> entered = new LinkedHashSet<>();
  /** Ids of this client's sessions before the present one. */
  private final ArrayDeque<String> former = new ArrayDeque<>();
  /** The application has asked to hear what it says itself. */
  private boolean echoes;
  private long wantedCount;

  /** The seat of a room; it is made when there is none. */
  Seat of(String namespace, String room) {
    return seats.computeIfAbsent(new RoomKey(namespace, room), Seat::new);
  }

  /** The seat of a room, or null. */
  Seat find(String namespace, String room) {
    return seats.get(new RoomKey(namespace, room));
  }

  Collection<Seat> all() {
    return seats.values();
  }

  /** Whether one of these rooms takes payloads as differences. */
  boolean takesDeltas(Event event) {
    for (String room : event.getRoomsList()) {
      Seat seat = find(event.getNamespace(), room);
      if (seat != null && seat.wishes.delta()) {
        return true;
      }
    }
    return false;
  }

  /**
   * The server has put the session into rooms, as it was asked. Returns the seats.
   *
   * @param wants the application has asked, and not the client by itself
   */
  List<Seat> joined(Join asked, Joined joined, boolean wants) {
    Seat.Wishes wishes = new Seat.Wishes(asked.getPresence(), asked.getState(), asked.getDelta());
    List<Seat> here = new ArrayList<>();
    for (RoomState state : joined.getRoomsList()) {
      Seat seat = of(joined.getNamespace(), state.getRoom());
      find(seat, state, asked);
      if (wants && !seat.wanted) {
        seat.wanted = true;
        seat.order = ++wantedCount;
      }
      seat.wishes = seat.wishes.and(wishes);
      seat.become(RoomStatus.IN);
      here.add(seat);
    }
    if (wants) {
      entered.add(joined.getNamespace());
    }
    return here;
  }

  private void find(Seat seat, RoomState state, Join asked) {
    if (!seat.member || seat.position == null) {
      Position before =
          asked.getRecoverList().stream()
              .filter(place -> place.getRoom().equals(state.getRoom()))
              .findFirst()
              .map(place -> isAt(seat.position, place) ? seat.position : new Position(place.getEpoch(), place.getOffset()))
              .orElse(null);
      seat.position = Position.found(before, state, asked.getNewest());
      seat.moved();
    }
    seat.member = true;
  }

  /** What came out of turn beyond a position is known of the own one alone. */
  private static boolean isAt(Position position, rialto.v1.EventOuterClass.RoomPosition place) {
    return position != null && position.epoch().equals(place.getEpoch()) && position.offset() == place.getOffset();
  }

  /** Somebody else has put the session into a room: it is heard, but not returned to. */
  Seat joinedByOthers(String namespace, RoomState state) {
    Seat seat = of(namespace, state.getRoom());
    if (!seat.member) {
      seat.position = Position.found(null, state, 0);
      seat.moved();
    }
    seat.member = true;
    seat.become(RoomStatus.IN);
    return seat;
  }

  /** The application wants out of rooms: no new session returns to them. */
  void unwanted(String namespace, Collection<String> rooms) {
    for (String room : rooms) {
      Seat seat = find(namespace, room);
      if (seat != null) {
        seat.wanted = false;
        seat.later.cancel();
      }
    }
  }

  /** The application wants out of a namespace. */
  void unwanted(String namespace) {
    entered.remove(namespace);
    for (Seat seat : seats.values()) {
      if (seat.key.namespace().equals(namespace)) {
        seat.wanted = false;
        seat.later.cancel();
      }
    }
  }

  void entered(String namespace) {
    entered.add(namespace);
  }

  /** The session is not in these rooms any more. It stays in the namespace. */
  void parted(String namespace, Collection<String> rooms) {
    for (String room : rooms) {
      Seat seat = find(namespace, room);
      if (seat != null) {
        out(seat);
      }
    }
  }

  /** The session is not in this namespace any more. */
  void left(String namespace) {
    entered.remove(namespace);
    seats.values().stream().filter(seat -> seat.key.namespace().equals(namespace)).toList().forEach(this::out);
  }

  private void out(Seat seat) {
    seat.out();
    left.remove(seat);
    left.add(seat);
    if (left.size() > LEFT_MAX) {
      Seat oldest = left.poll();
      if (oldest.status() == RoomStatus.OUT && !oldest.isHeard()) {
        seats.remove(oldest.key, oldest);
      }
    }
  }

  /** A room that the session is not in, of which nothing is known and that nobody listens to needs no seat. */
  void tidy(Seat seat) {
    if (seat.status() == RoomStatus.OUT && seat.at().isEmpty() && !seat.isHeard()) {
      seats.remove(seat.key, seat);
    }
  }

  /** The stream is gone. */
  void detached() {
    for (Seat seat : seats.values()) {
      if (seat.status() == RoomStatus.IN) {
        seat.become(RoomStatus.RECOVERING);
      }
    }
  }

  /** The session goes on, in the rooms that it was in. */
  void resumed() {
    for (Seat seat : seats.values()) {
      if (seat.status() == RoomStatus.RECOVERING && seat.member) {
        seat.become(RoomStatus.IN);
      }
    }
  }

  /** Another session has begun, which is nowhere. */
  void afresh(String before) {
    if (!before.isEmpty()) {
      former.add(before);
      if (former.size() > FORMER_MAX) {
        former.poll();
      }
    }
    for (Seat seat : List.copyOf(seats.values())) {
      seat.member = false;
      seat.refilling = false;
      seat.later.cancel();
      if (!seat.wanted && seat.status() == RoomStatus.RECOVERING) {
        out(seat);
      }
    }
  }

  /** The joins that bring a session that is nowhere to where this one is wanted, and to what it has not heard there. */
  List<Join> joins() {
    Map<List<Object>, List<Seat>> alike = new LinkedHashMap<>();
    for (Seat seat : wanted()) {
      alike.computeIfAbsent(List.of(seat.key.namespace(), seat.wishes), key -> new ArrayList<>()).add(seat);
    }
    List<Join> joins = new ArrayList<>();
    for (List<Seat> group : alike.values()) {
      for (int from = 0; from < group.size(); from += ROOMS_PER_JOIN) {
        joins.add(join(group.subList(from, Math.min(group.size(), from + ROOMS_PER_JOIN))));
      }
    }
    return joins;
  }

  private List<Seat> wanted() {
    return seats.values().stream().filter(seat -> seat.wanted).sorted(Comparator.comparingLong(seat -> seat.order)).toList();
  }

  private static Join join(List<Seat> group) {
    Seat one = group.get(0);
    Join.Builder join =
        Join.newBuilder()
            .setNamespace(one.key.namespace())
            .setPresence(one.wishes.presence())
            .setState(one.wishes.state())
            .setDelta(one.wishes.delta());
    for (Seat seat : group) {
      join.addRooms(seat.key.room());
      seat.at().ifPresent(place -> join.addRecover(place.wire()));
    }
    return join.build();
  }

  /** A join of a room that the session is in: it changes nothing, and its answer names the members. */
  static Join again(Seat seat) {
    return join(List.of(seat)).toBuilder().clearRecover().build();
  }

  /** Namespaces that are wanted although no room of them is. */
  List<String> bareNamespaces() {
    Set<String> withRooms = new LinkedHashSet<>();
    wanted().forEach(seat -> withRooms.add(seat.key.namespace()));
    return entered.stream().filter(namespace -> !withRooms.contains(namespace)).toList();
  }

  /** An emit is said. */
  void said(Emit emit) {
    echoes |= emit.getTarget().getIncludeSender();
  }

  /** Takes note of an event that is handed on, and says whether it is new. */
  Place heard(Event event) {
    if (!event.hasOffset() && event.getPositionsCount() == 0) {
      return KEPT_NOWHERE;
    }
    boolean isNew = true;
    boolean past = false;
    boolean own = !echoes && former.contains(event.getSender().getSession());
    Map<Seat, Spot> spots = new HashMap<>();
    for (Spot spot : spots(event)) {
      Seat seat = find(event.getNamespace(), spot.room());
      if (seat == null || seat.position == null || !seat.member) {
        continue;
      }
      boolean had = seat.position.has(spot.epoch(), spot.offset());
      boolean recovered = seat.position.isPast(spot.offset());
      isNew &= !had && !(own && recovered);
      past |= recovered;
      spots.put(seat, spot);
    }
    spots.forEach((seat, spot) -> move(seat, spot, event.hasOffset()));
    return new Place(isNew, past);
  }

  private static void move(Seat seat, Spot spot, boolean alone) {
    if (alone) {
      seat.position.advance(spot.offset());
    } else {
      seat.position.mark(spot.offset());
    }
    seat.moved();
  }

  private static List<Spot> spots(Event event) {
    if (event.hasOffset()) {
      return event.getRoomsCount() == 0 ? List.of() : List.of(new Spot(event.getRooms(0), event.getEpoch(), event.getOffset()));
    }
    return event.getPositionsList().stream().map(place -> new Spot(place.getRoom(), place.getEpoch(), place.getOffset())).toList();
  }

  /** An own emit was taken: its event does not come, unless that was asked for. */
  void accepted(Emit emit, rialto.v1.EventOuterClass.Accepted accepted) {
    if (emit.getTarget().getIncludeSender() || accepted.getDuplicate()) {
      return;
    }
    if (accepted.hasOffset() && emit.getTarget().getRoomsCount() == 1) {
      accepted(emit.getNamespace(), new Spot(emit.getTarget().getRooms(0), accepted.getEpoch(), accepted.getOffset()));
    }
    accepted.getPositionsList().forEach(place -> accepted(emit.getNamespace(), new Spot(place.getRoom(), place.getEpoch(), place.getOffset())));
  }

  private void accepted(String namespace, Spot spot) {
    Seat seat = find(namespace, spot.room());
    if (seat != null && seat.position != null) {
      seat.position.accepted(spot.epoch(), spot.offset());
      seat.moved();
    }
  }

  /** The server has told that events do not come. */
  void missed(Missed missed) {
    for (String room : missed.hasToOffset() ? missed.getRoomsList() : List.<String>of()) {
      Seat seat = find(missed.getNamespace(), room);
      if (seat != null && seat.position != null) {
        seat.position.missed(missed.getEpoch(), missed.getToOffset());
        seat.moved();
      }
    }
  }

  /** The session is over. */
  void close() {
    for (Seat seat : seats.values()) {
      seat.out();
      seat.presenceFeeds.forEach(feed -> feed.end(null));
      seat.stateFeeds.forEach(feed -> feed.end(null));
    }
  }
}
