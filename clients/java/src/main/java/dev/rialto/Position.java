package dev.rialto;

import java.util.Map;
import java.util.TreeMap;
import rialto.v1.Room.Recovery;
import rialto.v1.Room.RoomState;

/**
 * How far the history of one room was handed to the application, and what came out of turn beyond that. Never ahead of what was handed on.
 * Pure.
 */
final class Position {
  /** Ranges beyond the position that are remembered; with more the lowest is forgotten, since to hear something twice is better than a gap. */
  private static final int RANGES_MAX = 64;

  private String epoch;
  private long offset;
  /** First and last of each range above the offset that was handed on, or does not come. */
  private final TreeMap<Long, Long> had = new TreeMap<>();
  /** What comes up to here comes out of the history. */
  private long recoversTo;

  Position(String epoch, long offset) {
    this.epoch = epoch;
    this.offset = offset;
  }

  String epoch() {
    return epoch;
  }

  long offset() {
    return offset;
  }

  /**
   * The position of one who has just become a member.
   *
   * @param before the position before, which may have been asked to be recovered; null for none
   * @param newest so many of the newest events were asked for
   * @return null when the room keeps no history
   */
  static Position found(Position before, RoomState state, int newest) {
    if (!state.hasOffset()) {
      return null;
    }
    long last = state.getOffset();
    long oldest = Math.min(last, Math.max(0, state.getFirstOffset() - 1));
    if (before == null || state.getRecovery() == Recovery.RECOVERY_UNSPECIFIED) {
      Position position = new Position(state.getEpoch(), newest <= 0 ? last : Math.max(oldest, last - newest));
      position.recoversTo = newest <= 0 ? 0 : last;
      return position;
    }
    boolean recovers = state.getRecovery() == Recovery.RECOVERY_WHOLE || state.getRecovery() == Recovery.RECOVERY_PARTIAL;
    if (recovers) {
      before.begin(state.getEpoch());
      before.recoversTo = last;
      return before;
    }
    boolean sameLife = before.epoch.equals(state.getEpoch()) && before.offset <= last;
    if (sameLife) {
      // The right to recover is missing: what is new comes, and nothing else.
      return before;
    }
    Position position = new Position(state.getEpoch(), oldest);
    position.recoversTo = last;
    return position;
  }

  /** Whether an event at this place was handed on, or does not come. One of another life begins anew with it. */
  boolean has(String life, long place) {
    begin(life);
    if (!epoch.equals(life)) {
      epoch = life;
      offset = place - 1;
      had.clear();
      recoversTo = 0;
    }
    return covers(place);
  }

  private boolean covers(long place) {
    Map.Entry<Long, Long> range = had.floorEntry(place);
    return place <= offset || (range != null && range.getValue() >= place);
  }

  /** Whether what stands here was said before the session was a member. */
  boolean isPast(long place) {
    return place <= recoversTo;
  }

  /** All up to this place has come, or will not. */
  void advance(long place) {
    offset = Math.max(offset, place);
    while (!had.isEmpty() && had.firstKey() <= offset + 1) {
      offset = Math.max(offset, had.pollFirstEntry().getValue());
    }
  }

  /** This place has come, and those before it may still come. */
  void mark(long place) {
    if (covers(place)) {
      return;
    }
    Map.Entry<Long, Long> below = had.floorEntry(place);
    long first = below != null && below.getValue() == place - 1 ? below.getKey() : place;
    Long above = had.remove(place + 1);
    had.put(first, above == null ? place : above);
    advance(offset);
    if (had.size() > RANGES_MAX) {
      had.pollFirstEntry();
    }
  }

  /** An own emit stands here, and does not come as an event. */
  void accepted(String life, long place) {
    begin(life);
    if (epoch.equals(life)) {
      mark(place);
    }
  }

  /** The server has told that all up to this place does not come. */
  void missed(String life, long place) {
    if (epoch.equals(life)) {
      advance(place);
    }
  }

  /** A history has no epoch before its first event. */
  private void begin(String life) {
    if (epoch.isEmpty()) {
      epoch = life;
    }
  }
}
