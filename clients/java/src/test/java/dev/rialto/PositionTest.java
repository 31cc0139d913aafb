package dev.rialto;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import rialto.v1.Room.Recovery;
import rialto.v1.Room.RoomState;

class PositionTest {
  private static RoomState room(String epoch, long first, long last, Recovery recovery) {
    return RoomState.newBuilder().setRoom("r").setEpoch(epoch).setFirstOffset(first).setOffset(last).setRecovery(recovery).build();
  }

  @Test
  void aNewMemberBeginsAtTheEndOrAtTheNewestThatItAskedFor() {
    RoomState state = room("e", 5, 20, Recovery.RECOVERY_UNSPECIFIED);
    assertEquals(20, Position.found(null, state, 0).offset());
    assertEquals(17, Position.found(null, state, 3).offset());
    assertEquals(4, Position.found(null, state, 300).offset());
    assertNull(Position.found(null, RoomState.newBuilder().setRoom("r").build(), 0));
  }

  @Test
  void whatIsRecoveredStaysWhereItWas() {
    Position before = new Position("e", 7);
    assertSame(before, Position.found(before, room("e", 1, 20, Recovery.RECOVERY_WHOLE), 0));
    assertEquals(7, before.offset());
    assertTrue(before.isPast(20));
    assertFalse(before.isPast(21));
  }

  @Test
  void aHistoryOfAnotherLifeIsHeardFromItsOldestEvent() {
    Position found = Position.found(new Position("old", 7), room("new", 3, 9, Recovery.RECOVERY_LOST), 0);
    assertEquals("new", found.epoch());
    assertEquals(2, found.offset());
  }

  @Test
  void withoutTheRightToRecoverThePositionStays() {
    Position before = new Position("e", 7);
    assertSame(before, Position.found(before, room("e", 1, 20, Recovery.RECOVERY_LOST), 0));
  }

  @Test
  void aPositionMovesOnWhileTheNextIsMarked() {
    Position position = new Position("e", 0);
    position.mark(2);
    position.mark(3);
    assertEquals(0, position.offset());
    assertTrue(position.has("e", 3));
    assertFalse(position.has("e", 1));
    position.mark(1);
    assertEquals(3, position.offset());
  }

  @Test
  void anOwnEmitIsMarkedAndOneOfAnotherLifeIsNot() {
    Position position = new Position("", 0);
    position.accepted("e", 1);
    assertEquals("e", position.epoch());
    assertEquals(1, position.offset());
    position.accepted("other", 2);
    assertEquals(1, position.offset());
  }

  @Test
  void anEventOfAnotherLifeBeginsAnewWithIt() {
    Position position = new Position("e", 40);
    assertFalse(position.has("f", 3));
    position.advance(3);
    assertEquals("f", position.epoch());
    assertEquals(3, position.offset());
  }

  @Test
  void marksAreBoundedAndTheOldestIsForgotten() {
    Position position = new Position("e", 0);
    for (long offset = 2; offset <= 200; offset += 2) {
      position.mark(offset);
    }
    assertEquals(0, position.offset());
    assertFalse(position.has("e", 2));
    assertTrue(position.has("e", 200));
  }
}
