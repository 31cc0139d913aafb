package dev.rialto;

import java.util.List;
import java.util.OptionalLong;

/** What happens to a session, apart from events. */
public sealed interface Report {
  /**
   * It is attached again.
   *
   * @param before id of the session before
   * @param now id of the session now
   * @param resumed it is the same one: nothing was missed
   * @param cause why the stream before has ended
   */
  record Reconnected(String before, String now, boolean resumed, RialtoException cause) implements Report {}

  /** A new session is in these rooms again. */
  record Rejoined(String namespace, List<dev.rialto.Joined> rooms) implements Report {}

  /** A new session is not in a room, or with an empty room not in a namespace, in which the one before was. */
  record RejoinRefused(String namespace, String room, RialtoException refusal) implements Report {}

  /**
   * Events do not come, or may not.
   *
   * @param namespace the namespace
   * @param rooms the rooms; empty for events to sessions, users or everyone
   * @param count how many; 0 when that is not known
   * @param fromOffset the first that is missing, in rooms with history
   * @param toOffset the last that is missing
   * @param epoch which life of the history the offsets count in
   * @param cause how it is known
   */
  record Missed(
      String namespace, List<String> rooms, int count, OptionalLong fromOffset, OptionalLong toOffset, String epoch, MissedCause cause)
      implements Report {}

  /** How it is known that events do not come. */
  enum MissedCause {
    /** The server has said so. */
    SAID,
    /** A new session has joined a room without a position: nobody knows what was between. */
    AFRESH,
    /** The difference to an earlier payload could not be made whole. */
    DELTA
  }

  /** Somebody else has put the session into rooms. */
  record Joined(String namespace, List<String> rooms) implements Report {}

  /** Somebody else has taken the session out of rooms; out of all of the namespace when none is named. */
  record Parted(String namespace, List<String> rooms) implements Report {}

  /** Something was refused whose answer nobody waits for. */
  record Refused(RialtoException refusal) implements Report {}

  /** The token source has failed while the session is attached. It is asked again. */
  record TokenUnavailable(RialtoException cause) implements Report {}

  /** The node will stop. The session moves by itself. */
  record Draining() implements Report {}

  /** So many reports were not read in time. */
  record Overlooked(int count) implements Report {}
}
