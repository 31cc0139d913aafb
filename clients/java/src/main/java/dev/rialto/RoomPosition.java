package dev.rialto;

/**
 * A place in the history of a room.
 *
 * @param room the room
 * @param epoch which life of the history the offset counts in; empty before its first event
 * @param offset the first event of a history has 1, and each has one more than the one before it
 */
public record RoomPosition(String room, String epoch, long offset) {
  static RoomPosition of(rialto.v1.EventOuterClass.RoomPosition position) {
    return new RoomPosition(position.getRoom(), position.getEpoch(), position.getOffset());
  }

  rialto.v1.EventOuterClass.RoomPosition wire() {
    return rialto.v1.EventOuterClass.RoomPosition.newBuilder().setRoom(room).setEpoch(epoch).setOffset(offset).build();
  }
}
