package dev.rialto;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import rialto.v1.EventOuterClass.Accepted;
import rialto.v1.EventOuterClass.Content;
import rialto.v1.EventOuterClass.Emit;
import rialto.v1.EventOuterClass.Reply;
import rialto.v1.Frame.ClientFrame;
import rialto.v1.Frame.ServerFrame;
import rialto.v1.State.SetState;

class OutboxTest {
  private final Pace pace = new Pace();
  private final List<String> ends = new ArrayList<>();

  /** A command that writes down how it has ended. */
  private final class Noted extends Command {
    private final String name;

    Noted(Kind kind, ClientFrame.Builder wire, String name) {
      super(kind, wire);
      this.name = name;
    }

    @Override
    boolean answer(ServerFrame frame) {
      ends.add(name + " answered");
      return true;
    }

    @Override
    void fail(RialtoException failure) {
      ends.add(name + " " + (failure.code().isEmpty() ? failure.kind() : failure.code()));
    }
  }

  private Noted emit(String name) {
    return emit(Command.Kind.EMIT, name, "key of " + name);
  }

  private Noted emit(Command.Kind kind, String name, String key) {
    Emit.Builder emit = Emit.newBuilder().setContent(Content.newBuilder().setEvent(name)).setIdempotencyKey(key);
    return new Noted(kind, ClientFrame.newBuilder().setEmit(emit), name);
  }

  private Noted set(String name) {
    return new Noted(Command.Kind.SET_STATE, ClientFrame.newBuilder().setSetState(SetState.newBuilder().setKey(name)), name);
  }

  private List<String> take(Outbox outbox) {
    return take(outbox, 0);
  }

  private List<String> take(Outbox outbox, long now) {
    return outbox.take(now, pace, true).stream().map(OutboxTest::named).toList();
  }

  private static String named(ClientFrame frame) {
    String name = frame.hasEmit() ? frame.getEmit().getContent().getEvent() : frame.getCommandCase().name().toLowerCase();
    return frame.getRef() + " " + name;
  }

  private static Outbox outbox(int count, OfflineBuffer.Overflow overflow) {
    return new Outbox(OfflineBuffer.defaults().countMax(count).overflow(overflow));
  }

  private static Outbox outbox() {
    return outbox(1000, OfflineBuffer.Overflow.REFUSE);
  }

  @Test
  void commandsLeaveInTheirOrderUnderRisingRefs() {
    Outbox outbox = outbox();
    for (String name : List.of("a", "b", "c")) {
      assertNull(outbox.add(emit(name), true));
    }
    assertEquals(List.of("1 a", "2 b", "3 c"), take(outbox));
  }

  @Test
  void aFullBufferRefusesWhatIsNewOrTheOldestMakeRoom() {
    Outbox refuses = outbox(1, OfflineBuffer.Overflow.REFUSE);
    assertNull(refuses.add(emit("a"), false));
    assertEquals("FULL", refuses.add(emit("b"), false).code());
    assertNull(refuses.add(emit("c"), true));
    Outbox drops = outbox(1, OfflineBuffer.Overflow.DROP_OLDEST);
    assertNull(drops.add(emit("a"), false));
    assertNull(drops.add(emit("b"), false));
    assertEquals(List.of("a MADE_ROOM"), ends);
  }

  @Test
  void withACountOfZeroNothingWaits() {
    assertEquals("FULL", outbox(0, OfflineBuffer.Overflow.DROP_OLDEST).add(emit("a"), false).code());
  }

  @Test
  void whatStandsInLineWhenTheStreamIsLostIsBoundedFromThenOn() {
    Outbox outbox = outbox(1, OfflineBuffer.Overflow.REFUSE);
    outbox.add(emit("a"), true);
    outbox.add(emit("b"), true);
    outbox.detached();
    assertEquals(List.of("b FULL"), ends);
  }

  @Test
  void clearingGivesUpEmitsAlone() {
    Outbox outbox = outbox();
    outbox.add(emit("a"), false);
    outbox.add(set("s"), false);
    assertEquals(1, outbox.clearEmits());
    assertEquals(List.of("a CLEARED"), ends);
    assertEquals(List.of("1 set_state"), take(outbox));
  }

  @Test
  void whatTheServerHasNotTakenGoesAgainUnderItsNumber() {
    Outbox outbox = outbox();
    outbox.add(emit("a"), true);
    outbox.add(emit("b"), true);
    outbox.add(emit(Command.Kind.VOLATILE, "v", ""), true);
    take(outbox);
    outbox.detached();
    outbox.add(emit("c"), false);
    outbox.resumed(1);
    assertEquals(List.of("v UNAVAILABLE"), ends);
    assertEquals(List.of("2 b", "4 c"), take(outbox));
  }

  @Test
  void anotherSessionIsToldWhatTakesEffectOnceAndNothingElse() {
    Outbox outbox = outbox();
    outbox.add(emit("keyed"), true);
    outbox.add(emit(Command.Kind.EMIT, "bare", ""), true);
    outbox.add(set("s"), true);
    take(outbox);
    outbox.detached();
    outbox.add(emit("new"), false);
    outbox.afresh(TimeUnit.MINUTES.toNanos(3), List.of());
    assertEquals(List.of("bare UNKNOWN_OUTCOME", "s UNKNOWN_OUTCOME"), ends);
    assertEquals(List.of("1 keyed", "2 new"), take(outbox));
  }

  @Test
  void aKeyThatTheServerMayHaveForgottenIsNotSaidAgain() {
    Outbox outbox = outbox();
    outbox.add(emit("old"), true);
    take(outbox);
    outbox.afresh(TimeUnit.MINUTES.toNanos(4), List.of());
    assertEquals(List.of("old UNKNOWN_OUTCOME"), ends);
    assertTrue(take(outbox).isEmpty());
  }

  @Test
  void soManyCommandsAreUnderWayAndNoMore() {
    Outbox outbox = outbox();
    for (int count = 0; count < 300; count++) {
      outbox.add(emit("e" + count), true);
    }
    assertEquals(256, take(outbox).size());
    assertTrue(take(outbox).isEmpty());
    outbox.answer(ServerFrame.newBuilder().setRef(1).setAccepted(Accepted.getDefaultInstance()).build());
    assertEquals(List.of("257 e256"), take(outbox));
  }

  @Test
  void aMessageGathersSoManyBytesAndALargerFrameGoesAlone() {
    Outbox outbox = outbox();
    Emit.Builder large = Emit.newBuilder().setContent(Content.newBuilder().setEvent("large").setText("x".repeat(100_000)));
    outbox.add(emit("small"), true);
    outbox.add(new Noted(Command.Kind.EMIT, ClientFrame.newBuilder().setEmit(large), "large"), true);
    assertEquals(List.of("1 small"), take(outbox));
    assertEquals(List.of("2 large"), take(outbox));
  }

  @Test
  void afterManyRepliesTheServerIsAskedForASign() {
    Outbox outbox = outbox();
    for (int count = 0; count < 64; count++) {
      outbox.add(new Noted(Command.Kind.REPLY, ClientFrame.newBuilder().setReply(Reply.getDefaultInstance()), "r"), true);
    }
    assertEquals("65 ping", take(outbox).get(64));
    assertFalse(outbox.isQuiet());
    outbox.answer(ServerFrame.newBuilder().setRef(65).build());
    assertTrue(outbox.isQuiet());
    assertNull(outbox.find(1));
  }

  @Test
  void whatWasGivenUpUnsentIsNotSent() {
    Outbox outbox = outbox();
    Noted command = emit("a");
    outbox.add(command, false);
    assertTrue(outbox.drop(command));
    assertTrue(take(outbox).isEmpty());
    Noted sent = emit("b");
    outbox.add(sent, true);
    take(outbox);
    assertFalse(outbox.drop(sent));
  }

  @Test
  void theEndIsToldToAll() {
    Outbox outbox = outbox();
    outbox.add(emit("sent"), true);
    take(outbox);
    outbox.add(emit("waits"), true);
    outbox.close(Failures.closedHere());
    assertEquals(List.of("sent CLOSED", "waits CLOSED"), ends);
  }
}
