package dev.rialto;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import rialto.v1.EventOuterClass.Content;
import rialto.v1.Frame.ClientFrame;
import rialto.v1.Frame.ServerFrame;
import rialto.v1.Messaging.AttachRequest;
import rialto.v1.Messaging.AttachResponse;
import rialto.v1.Session.Hello;
import rialto.v1.Session.Welcome;

/** A session against a server that is played by the test, word by word. */
class LifeTest {
  private static final long PATIENCE_SECONDS = 10;

  private final BlockingQueue<Stage> stages = new LinkedBlockingQueue<>();
  private final Loop loop = new Loop("test");
  private final Life life = new Life(loop, Callbacks.on(null), settings(), new Played());

  private static SessionSettings settings() {
    Duration span = Duration.ofSeconds(10);
    return new SessionSettings("ann", Tokens.NONE, Map.of(), "test", "1", span, span, OfflineBuffer.defaults(), 2, false);
  }

  /** The server's side of one stream. */
  private final class Stage implements Wire.Stream {
    private final Hello hello;
    private final Wire.Receiver receiver;
    private final BlockingQueue<ClientFrame> said = new LinkedBlockingQueue<>();
    private volatile int wanted = 1;

    private Stage(Hello hello, Wire.Receiver receiver) {
      this.hello = hello;
      this.receiver = receiver;
    }

    @Override
    public boolean isReady() {
      return true;
    }

    @Override
    public void send(AttachRequest message) {
      said.addAll(message.getFramesList());
    }

    @Override
    public void request() {
      wanted++;
    }

    @Override
    public void cancel() {}

    private void says(int seq, ServerFrame.Builder frame) {
      loop.execute(
          () -> {
            wanted--;
            receiver.message(AttachResponse.newBuilder().setFirstSeq(seq).addFrames(frame).build());
          });
    }

    private void breaks() {
      loop.execute(() -> receiver.ended(Failures.unknownOutcome("reset")));
    }

    private ClientFrame hears() throws InterruptedException {
      ClientFrame frame = said.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
      assertTrue(frame != null, "the client says nothing");
      return frame;
    }
  }

  private final class Played implements Wire {
    @Override
    public Stream open(AttachRequest greeting, Receiver receiver) {
      Stage stage = new Stage(greeting.getFrames(0).getHello(), receiver);
      stages.add(stage);
      return stage;
    }

    @Override
    public <Q, R> Runnable call(MethodDescriptor<Q, R> method, Q request, String token, Duration deadline, Answer<R> answer) {
      throw new IllegalStateException("no calls are made here");
    }

    @Override
    public void close() {}
  }

  private Stage next() throws InterruptedException {
    Stage stage = stages.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
    assertTrue(stage != null, "the client does not come");
    return stage;
  }

  private static ServerFrame.Builder welcome(String id, boolean resumed, int lastRef) {
    return ServerFrame.newBuilder()
        .setWelcome(
            Welcome.newBuilder()
                .setSessionId(id)
                .setSessionSecret("secret")
                .setResumed(resumed)
                .setLastRef(lastRef)
                .setResumeWindow(Times.span(Duration.ofMinutes(2))));
  }

  private static ServerFrame.Builder event(String name) {
    return ServerFrame.newBuilder()
        .setEvent(rialto.v1.EventOuterClass.Event.newBuilder().setNamespace("chat").addRooms("hall").setContent(Content.newBuilder().setEvent(name)));
  }

  private Stage attached() throws InterruptedException {
    CompletableFuture<Void> opened = life.open();
    Stage stage = next();
    stage.says(1, welcome("one", false, 0));
    opened.join();
    return stage;
  }

  private void loopIsThrough() throws InterruptedException {
    CountDownLatch through = new CountDownLatch(1);
    loop.execute(through::countDown);
    assertTrue(through.await(PATIENCE_SECONDS, TimeUnit.SECONDS));
  }

  @AfterEach
  void close() {
    life.close();
    loop.execute(() -> loop.end());
  }

  @Test
  void aSessionGoesOnWhereItWasAndSaysAgainWhatWasNotTaken() throws InterruptedException {
    Room room = new Namespace(life, "chat").room("hall");
    Stage first = attached();
    assertEquals("ann", first.hello.getUser());
    CompletableFuture<Accepted> emit = room.emit("message", "hi");
    String key = first.hears().getEmit().getIdempotencyKey();
    assertEquals(32, key.length());
    first.says(2, event("heard"));
    first.breaks();
    Stage second = next();
    assertEquals("one", second.hello.getResume().getSessionId());
    assertEquals(2, second.hello.getResume().getSeq());
    second.says(0, welcome("one", true, 0));
    ClientFrame again = second.hears();
    assertEquals(1, again.getRef());
    assertEquals(key, again.getEmit().getIdempotencyKey());
    second.says(3, ServerFrame.newBuilder().setRef(1).setAccepted(rialto.v1.EventOuterClass.Accepted.newBuilder().setEventId("e")));
    assertEquals("e", emit.join().eventId());
  }

  @Test
  void aGapInTheNumbersEndsTheStreamAndTheSessionGoesOnBeforeIt() throws InterruptedException {
    Stage first = attached();
    first.says(2, event("a"));
    first.says(4, event("c"));
    assertEquals(2, next().hello.getResume().getSeq());
  }

  @Test
  void aReaderThatIsBehindSlowsItsSessionAndLosesNothing() throws InterruptedException {
    Feed<Event> events = new Namespace(life, "chat").room("hall").events();
    Stage stage = attached();
    for (int number = 2; number <= 4; number++) {
      stage.says(number, event("e" + number));
      loopIsThrough();
    }
    assertEquals(0, stage.wanted, "nothing more is read while an event waits for room");
    List<String> heard = new ArrayList<>();
    for (int count = 0; count < 3; count++) {
      heard.add(events.next().join().orElseThrow().name());
    }
    assertEquals(List.of("e2", "e3", "e4"), heard);
    loopIsThrough();
    loopIsThrough();
    assertEquals(1, stage.wanted);
    events.close();
  }

  @Test
  void aCommandThatIsCancelledBeforeItWasSentIsNotSent() throws InterruptedException {
    Room room = new Namespace(life, "chat").room("hall");
    life.open();
    CompletableFuture<Accepted> emit = room.emit("message", "never mind");
    emit.cancel(false);
    room.emit("message", "said");
    Stage stage = next();
    stage.says(1, welcome("one", false, 0));
    assertEquals("said", stage.hears().getEmit().getContent().getText());
    assertFalse(emit.complete(null));
  }

  @Test
  void whatIsAskedOfAClosedSessionFailsAndItsThreadEnds() throws InterruptedException {
    Room room = new Namespace(life, "chat").room("hall");
    Stage stage = attached();
    CompletableFuture<Void> closed = life.close();
    assertTrue(stage.hears().hasBye());
    stage.says(0, ServerFrame.newBuilder().setClose(rialto.v1.Session.Close.newBuilder().setCodeValue(300)));
    closed.join();
    CompletableFuture<Accepted> emit = room.emit("message", "late");
    RialtoException failure = RialtoException.of(assertThrows(RuntimeException.class, emit::join));
    assertEquals(ErrorKind.CLOSED, failure.kind());
    assertEquals("CLOSED", failure.code());
    assertTrue(room.events().next().join().isEmpty());
    assertFalse(loop.offer(() -> {}));
  }

  @Test
  void answersToAGreetingThatComeWithAnotherStreamStillAnswerIt() throws InterruptedException {
    Room room = new Namespace(life, "chat").room("hall");
    Stage first = attached();
    CompletableFuture<Joined> join = room.join();
    first.hears();
    first.says(2, ServerFrame.newBuilder().setRef(1).setJoined(joined(7)));
    join.join();
    first.breaks();
    Stage second = next();
    second.says(1, welcome("two", false, 0));
    second.breaks();
    Stage third = next();
    third.says(0, welcome("two", true, 0));
    third.says(2, ServerFrame.newBuilder().setJoined(joined(9)));
    loopIsThrough();
    loopIsThrough();
    assertEquals(RoomStatus.IN, room.status());
    assertEquals(7, room.position().orElseThrow().offset());
  }

  private static rialto.v1.Room.Joined.Builder joined(long offset) {
    return rialto.v1.Room.Joined.newBuilder()
        .setNamespace("chat")
        .addRooms(
            rialto.v1.Room.RoomState.newBuilder()
                .setRoom("hall")
                .setEpoch("e")
                .setFirstOffset(1)
                .setOffset(offset)
                .setRecovery(rialto.v1.Room.Recovery.RECOVERY_WHOLE));
  }
}
