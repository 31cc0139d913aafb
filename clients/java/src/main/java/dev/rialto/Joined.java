package dev.rialto;

import java.util.List;
import java.util.OptionalLong;

/**
 * A room as a new member finds it.
 *
 * @param room the room
 * @param memberCount how many members it has, the new one included
 * @param userCount how many users that are
 * @param members the members, when presence was asked for and there are at most 256
 * @param epoch which life of the history offsets count in; empty when it keeps none
 * @param offset the last event before the session joined; absent without history
 * @param firstOffset the oldest event that is kept; absent without history
 * @param recovery what became of the wish to recover
 */
public record Joined(
    String room,
    int memberCount,
    int userCount,
    List<Member> members,
    String epoch,
    OptionalLong offset,
    OptionalLong firstOffset,
    Recovery recovery) {
  /** What became of the wish to recover what was missed. */
  public enum Recovery {
    /** There was no such wish. */
    NONE,
    /** Everything comes. */
    WHOLE,
    /** Some is not kept any more, which {@link Report.Missed} tells; the rest comes. */
    PARTIAL,
    /** The history is gone or may not be read; {@link Report.Missed} tells from where on. */
    LOST
  }

  static Joined of(rialto.v1.Room.RoomState state) {
    Recovery recovery =
        switch (state.getRecovery()) {
          case RECOVERY_WHOLE -> Recovery.WHOLE;
          case RECOVERY_PARTIAL -> Recovery.PARTIAL;
          case RECOVERY_LOST -> Recovery.LOST;
          case RECOVERY_UNSPECIFIED, UNRECOGNIZED -> Recovery.NONE;
        };
    return new Joined(
        state.getRoom(),
        state.getMemberCount(),
        state.getUserCount(),
        state.getMembersList().stream().map(Member::of).toList(),
        state.getEpoch(),
        state.hasOffset() ? OptionalLong.of(state.getOffset()) : OptionalLong.empty(),
        state.hasFirstOffset() ? OptionalLong.of(state.getFirstOffset()) : OptionalLong.empty(),
        recovery);
  }
}
