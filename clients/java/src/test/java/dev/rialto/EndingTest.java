package dev.rialto;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import rialto.v1.Code.Then;
import rialto.v1.Session.Close;

class EndingTest {
  private static final Ending.Setting GREETING = new Ending.Setting(false, false, false);
  private static final Ending.Setting RESUMING = new Ending.Setting(false, true, false);
  private static final Ending.Setting WITH_TOKENS = new Ending.Setting(false, false, true);
  private static final Ending.Setting ATTACHED = new Ending.Setting(true, false, false);

  private static Ending.Step closed(int code, Then then) {
    return new Ending.Closed(Close.newBuilder().setCodeValue(code).setThen(then).build()).next(ATTACHED);
  }

  private static Ending.Step refused(String code, Ending.Setting setting) {
    return new Ending.Failed(Failures.refused(code, "")).next(setting);
  }

  @Test
  void theHundredsOfACloseDecideAlsoOfUnknownCodes() {
    for (int code : new int[] {100, 101, 142}) {
      assertFalse(closed(code, Then.THEN_UNSPECIFIED).stay());
      assertFalse(closed(code, Then.THEN_UNSPECIFIED).giveUp());
    }
    for (int code : new int[] {200, 202, 299}) {
      assertFalse(closed(code, Then.THEN_UNSPECIFIED).stay());
      assertTrue(closed(code, Then.THEN_UNSPECIFIED).giveUp());
    }
    for (int code : new int[] {300, 303, 377, 7}) {
      assertTrue(closed(code, Then.THEN_UNSPECIFIED).stay());
    }
  }

  @Test
  void whatACloseSaysToDoCountsMore() {
    assertFalse(closed(301, Then.THEN_RECONNECT).stay());
    assertTrue(closed(100, Then.THEN_STAY_AWAY).stay());
  }

  @Test
  void whatWouldBeRefusedAgainClosesAndTheRestComesBack() {
    for (String code : List.of("INVALID", "NAME_INVALID", "FORBIDDEN", "NAMESPACE_UNKNOWN", "OUT_OF_ORDER", "PAYLOAD_TOO_LARGE")) {
      assertTrue(refused(code, GREETING).stay(), code);
    }
    for (String code : List.of("LIMIT_REACHED", "DEADLINE", "INTERNAL", "RATE_LIMITED", "4711")) {
      assertFalse(refused(code, GREETING).stay(), code);
    }
  }

  @Test
  void aSessionThatCannotGoOnIsGivenUpAtOnce() {
    for (String code : List.of("SESSION_UNKNOWN", "RESUME_LATE", "POSITION_GONE", "INVALID")) {
      Ending.Step step = refused(code, RESUMING);
      assertTrue(!step.stay() && step.giveUp() && step.atOnce(), code);
    }
  }

  @Test
  void aTokenThatIsTurnedDownIsReplacedOnce() {
    assertTrue(refused("UNAUTHENTICATED", WITH_TOKENS).newToken());
    assertTrue(refused("UNAUTHENTICATED", GREETING).stay());
  }

  @Test
  void theServerIsGivenTheTimeThatItAsksFor() {
    RialtoException busy =
        RialtoException.draft(ErrorKind.REFUSED, "").code("DRAINING").advice(Advice.LATER).after(Duration.ofSeconds(3)).done();
    assertEquals(Duration.ofSeconds(3), new Ending.Failed(busy).next(GREETING).notBefore());
  }

  @Test
  void aStreamThatEndsWithoutACloseIsResumed() {
    Ending.Step step = new Ending.Failed(Failures.unknownOutcome("gone")).next(ATTACHED);
    assertTrue(!step.stay() && !step.giveUp());
    assertFalse(refused("FORBIDDEN", ATTACHED).stay());
  }
}
