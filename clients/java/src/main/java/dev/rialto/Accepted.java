package dev.rialto;

import java.util.List;
import java.util.OptionalLong;

/**
 * The server has taken an event.
 *
 * @param eventId identity of the event, unique for ever
 * @param recipients how many sessions of the node that took it will hear it
 * @param offset position in the history of the room; absent when it is kept in none, or in several
 * @param epoch which life of the history the offset counts in; empty without an offset
 * @param positions positions in the histories of several rooms, when it went to several
 * @param durability what it survives
 * @param duplicate it had been taken before under its idempotency key; all else is as it was answered then
 */
public record Accepted(
    String eventId, int recipients, OptionalLong offset, String epoch, List<RoomPosition> positions, Durability durability, boolean duplicate) {
  static Accepted of(rialto.v1.EventOuterClass.Accepted accepted) {
    return new Accepted(
        accepted.getEventId(),
        accepted.getRecipientsHere(),
        accepted.hasOffset() ? OptionalLong.of(accepted.getOffset()) : OptionalLong.empty(),
        accepted.getEpoch(),
        accepted.getPositionsList().stream().map(RoomPosition::of).toList(),
        Durability.of(accepted.getDurability()),
        accepted.getDuplicate());
  }
}
