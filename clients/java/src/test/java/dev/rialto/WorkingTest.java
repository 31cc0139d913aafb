package dev.rialto;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import rialto.v1.WorkerServiceOuterClass.ExtendRequest;
import rialto.v1.WorkerServiceOuterClass.ExtendResponse;
import rialto.v1.WorkerServiceOuterClass.Lease;
import rialto.v1.WorkerServiceOuterClass.LeaseOutcome;
import rialto.v1.WorkerServiceOuterClass.SettleRequest;
import rialto.v1.WorkerServiceOuterClass.SettleResponse;

class WorkingTest {
  private final Client client = Client.of("http://127.0.0.1:1");
  private final List<ErrorKind> troubles = new ArrayList<>();
  private final Working working = new Working(client.core(), (failure, job) -> troubles.add(failure.kind()), entry -> {});

  @AfterEach
  void close() {
    client.close();
  }

  private Working.Entry lease(String token) {
    return working.leased(List.of(Lease.newBuilder().setToken(token).setJobId("job " + token).build())).get(0);
  }

  private boolean settled(SettleRequest request, LeaseOutcome outcome) {
    return working.settled(SettleResponse.newBuilder().setRequestId(request.getRequestId()).addOutcomes(outcome).build());
  }

  /** Waits until what a job has said of itself has come to the loop. */
  private void loopIsThrough() throws InterruptedException {
    CountDownLatch through = new CountDownLatch(1);
    client.core().loop.execute(through::countDown);
    through.await();
  }

  @Test
  void aLeaseThatIsKnownIsNotBegunAgain() {
    lease("t");
    assertTrue(working.leased(List.of(Lease.newBuilder().setToken("t").build())).isEmpty());
  }

  @Test
  void anOutcomeIsSaidUntilItIsConfirmed() {
    working.done(lease("t"), Settlements.completed(Payload.text("done")));
    SettleRequest first = working.settlements();
    assertNull(working.settlements());
    assertTrue(settled(first, LeaseOutcome.LEASE_OUTCOME_TEMPORARY));
    assertNull(working.settlements());
    working.again();
    SettleRequest second = working.settlements();
    assertEquals(first.getItemsList(), second.getItemsList());
    assertFalse(settled(second, LeaseOutcome.LEASE_OUTCOME_OK));
    assertTrue(working.isEmpty());
  }

  @Test
  void anOutcomeThatWasNotConfirmedIsSaidOverTheNextStream() {
    working.done(lease("t"), Settlements.completed(null));
    working.settlements();
    working.disconnected();
    working.reconnected(true);
    working.extensions();
    assertEquals("t", working.settlements().getItems(0).getToken());
  }

  @Test
  void whatTheServerDoesNotTakeFailsForGoodAndIsThenLetGoOf() {
    working.done(lease("t"), Settlements.completed(Payload.text("x".repeat(70_000))));
    SettleRequest request = working.settlements();
    assertEquals("INVALID_OUTCOME", request.getItems(0).getFailed().getCode());
    settled(request, LeaseOutcome.LEASE_OUTCOME_INVALID);
    assertTrue(working.isEmpty());
    assertEquals(List.of(ErrorKind.INVALID, ErrorKind.INVALID), troubles);
  }

  @Test
  void aJobWhoseLeaseIsOverIsToldSoAndNothingIsSaidOfIt() {
    Working.Entry entry = lease("t");
    working.reconnected(false);
    assertEquals(ErrorKind.LEASE_LOST, entry.assignment.cancelled().join().kind());
    assertEquals(1, working.lostCount());
    assertNull(working.extensions());
    working.done(entry, Settlements.completed(null));
    assertNull(working.settlements());
    assertTrue(working.isEmpty());
    assertEquals(List.of(ErrorKind.LEASE_LOST), troubles);
  }

  @Test
  void whatAJobHasLeftGoesBeforeItsOutcomeAndTheNewestCounts() throws InterruptedException {
    Working.Entry entry = lease("t");
    entry.assignment.checkpoint("old".getBytes(StandardCharsets.UTF_8));
    entry.assignment.checkpoint("new".getBytes(StandardCharsets.UTF_8));
    loopIsThrough();
    working.done(entry, Settlements.released(Duration.ZERO));
    assertNull(working.settlements());
    ExtendRequest extend = working.extensions();
    assertEquals("new", extend.getItems(0).getCheckpoint().toStringUtf8());
    working.extended(
        ExtendResponse.newBuilder().setRequestId(extend.getRequestId()).addOutcomes(LeaseOutcome.LEASE_OUTCOME_OK).build());
    assertTrue(working.settlements().getItems(0).hasReleased());
  }

  @Test
  void requestsAreBounded() {
    for (int count = 0; count < 1200; count++) {
      working.done(lease("t" + count), Settlements.completed(null));
    }
    assertEquals(1000, working.settlements().getItemsCount());
    assertEquals(200, working.settlements().getItemsCount());
  }
}
