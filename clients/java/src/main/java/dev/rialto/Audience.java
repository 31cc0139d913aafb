package dev.rialto;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

/** Who hears which event, and what listeners had no room for. Lives on the loop. */
final class Audience {
  /** Null fields cover everything. */
  record Interest(String namespace, String room, String name) {
    boolean covers(rialto.v1.EventOuterClass.Event event) {
      return (namespace == null || namespace.equals(event.getNamespace()))
          && (room == null || event.getRoomsList().contains(room))
          && (name == null || name.equals(event.getContent().getEvent()));
    }
  }

  private record Ear(Interest interest, Feed<Event> feed) {}

  /** An item that waits for room in its feed. */
  private record Parcel<T>(Feed<T> feed, T item) {
    boolean handOver() {
      return feed.offer(item);
    }
  }

  private final List<Ear> ears = new ArrayList<>();
  private final ArrayDeque<Parcel<?>> parked = new ArrayDeque<>();

  void add(Interest interest, Feed<Event> feed) {
    ears.add(new Ear(interest, feed));
  }

  void remove(Feed<?> feed) {
    ears.removeIf(ear -> ear.feed() == feed);
  }

  /** Gives an event to everyone whom it concerns. */
  void tell(rialto.v1.EventOuterClass.Event event, boolean past, Event.Answering answering) {
    Event told = null;
    for (Ear ear : ears) {
      if (ear.interest().covers(event)) {
        told = told == null ? new Event(event, past, answering) : told;
        give(ear.feed(), told);
      }
    }
  }

  /** Gives an item to a feed; it waits for room when that is full. */
  <T> void give(Feed<T> feed, T item) {
    boolean waits = !parked.isEmpty() && parked.stream().anyMatch(parcel -> parcel.feed() == feed);
    if (waits || !feed.offer(item)) {
      parked.add(new Parcel<>(feed, item));
    }
  }

  /** Hands over what waits, as far as there is room. True when nothing waits any more. */
  boolean handOver() {
    if (parked.isEmpty()) {
      return true;
    }
    List<Feed<?>> full = new ArrayList<>();
    for (Iterator<Parcel<?>> parcels = parked.iterator(); parcels.hasNext(); ) {
      Parcel<?> parcel = parcels.next();
      if (full.contains(parcel.feed())) {
        continue;
      }
      if (parcel.handOver()) {
        parcels.remove();
      } else {
        full.add(parcel.feed());
      }
    }
    return parked.isEmpty();
  }

  boolean isHeldUp() {
    return !parked.isEmpty();
  }

  /** The session is over: each feed gives what it has, and ends. */
  void end() {
    handOver();
    parked.clear();
    ears.forEach(ear -> ear.feed().end(null));
    ears.clear();
  }
}
