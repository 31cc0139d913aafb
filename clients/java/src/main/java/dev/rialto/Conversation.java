package dev.rialto;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import rialto.v1.Frame.ClientFrame;
import rialto.v1.Frame.ServerFrame;
import rialto.v1.Messaging.AttachRequest;
import rialto.v1.Messaging.AttachResponse;
import rialto.v1.Room.Join;
import rialto.v1.Session.ClientInfo;
import rialto.v1.Session.Drain;
import rialto.v1.Session.Hello;
import rialto.v1.Session.Seen;
import rialto.v1.Session.Welcome;

/** One stream, from asking for a token to its end. What its frames mean stands in {@link Intake}. Lives on the loop. */
final class Conversation implements Wire.Receiver {
  private static final Duration SEEN_AFTER = Duration.ofSeconds(5);
  private static final Duration GREETED_WITHIN = Duration.ofSeconds(10);
  private static final double SILENCE = 2.5;

  private final Life life;
  private final Kept kept;
  private final Intake intake;
  private final Renewal renewal;
  private final Timers timers;
  /** Joins that went with the greeting. */
  private List<Join> joins = List.of();
  private final ArrayDeque<Numbered> inbox = new ArrayDeque<>();
  private Loop.Timer attempt = Loop.Timer.NONE;
  private Loop.Timer pacing = Loop.Timer.NONE;
  private Wire.Stream stream;
  private Token token;
  private boolean resuming;
  private boolean welcomed;
  private boolean over;
  /** One more message was asked for and has not come. */
  private boolean reading;
  private boolean pumpPlanned;
  private boolean seenPlanned;
  private boolean seenDue;
  /** No new command is begun: the session moves at the first quiet moment. */
  private boolean moving;
  private boolean drained;
  private long heardAt;
  private long silenceNanos;

  private record Numbered(int seq, ServerFrame frame) {}

  Conversation(Life life) {
    this.life = life;
    this.kept = life.kept;
    this.intake = new Intake(life, this);
    this.timers = new Timers(life.loop);
    this.renewal = new Renewal(life, timers);
  }

  void begin() {
    resuming = kept.held.isHeld();
    attempt = life.loop.after(life.settings.connectTimeout(), () -> lost(Failures.unavailable("the session was not attached in time")));
    life.settings
        .tokens()
        .fetch(life.callbacks)
        .whenComplete((given, thrown) -> life.loop.execute(() -> tokenGiven(given, thrown)));
  }

  private void tokenGiven(Token given, Throwable thrown) {
    if (over) {
      return;
    }
    if (thrown != null) {
      lost(RialtoException.of(thrown));
      return;
    }
    token = given;
    try {
      reading = true;
      stream = life.wire().open(AttachRequest.newBuilder().addFrames(ClientFrame.newBuilder().setHello(hello())).build(), this);
    } catch (RialtoException invalid) {
      lost(invalid);
    }
  }

  private Hello hello() {
    SessionSettings settings = life.settings;
    joins = kept.seats.joins().stream().limit(Seats.JOINS_PER_HELLO).toList();
    Hello.Builder hello =
        Hello.newBuilder()
            .setToken(token == null ? "" : token.text())
            .setUser(settings.user())
            .putAllAttributes(settings.attributes())
            .setClient(ClientInfo.newBuilder().setName(settings.program()).setVersion(settings.version()))
            .addAllJoins(joins);
    if (resuming) {
      hello.setResume(kept.held.resume());
    }
    return hello.build();
  }

  boolean isWelcomed() {
    return welcomed;
  }

  @Override
  public void ready() {
    plan();
  }

  @Override
  public void ended(RialtoException why) {
    lost(why);
  }

  @Override
  public void message(AttachResponse message) {
    if (over) {
      return;
    }
    reading = false;
    heardAt = System.nanoTime();
    int seq = message.getFirstSeq();
    for (ServerFrame frame : message.getFramesList()) {
      inbox.add(new Numbered(seq, frame));
      seq = seq == 0 ? 0 : seq + 1;
    }
    goOn();
  }

  /** Hands on what has come, until something finds no room; then nothing is read until there is some. */
  void goOn() {
    if (over || stream == null) {
      return;
    }
    if (kept.audience.isHeldUp()) {
      // Time in which the application does not read is no silence of the server.
      heardAt = System.nanoTime();
    }
    while (kept.audience.handOver() && !inbox.isEmpty()) {
      take(inbox.poll());
      if (over) {
        return;
      }
    }
    if (!kept.audience.isHeldUp()) {
      if (!reading) {
        reading = true;
        stream.request();
      }
      confirm();
      moveIfQuiet();
      // Most messages leave nothing to be said.
      if (seenDue || !kept.outbox.isEmpty()) {
        plan();
      }
    }
  }

  private void take(Numbered numbered) {
    ServerFrame frame = numbered.frame();
    if (!welcomed) {
      first(numbered);
      return;
    }
    if (numbered.seq() != 0) {
      Held.Turn turn = kept.held.turn(numbered.seq());
      if (turn == Held.Turn.BEFORE) {
        return;
      }
      if (turn == Held.Turn.GAP) {
        lost(Failures.other("frames are missing before number " + Integer.toUnsignedString(numbered.seq())));
        return;
      }
    }
    intake.take(frame);
    if (numbered.seq() != 0) {
      kept.held.handedOn(numbered.seq());
    }
  }

  /** The first frame is a welcome, or the answer to the greeting in its place. */
  private void first(Numbered numbered) {
    if (numbered.frame().hasClose()) {
      end(new Ending.Closed(numbered.frame().getClose()));
    } else if (!numbered.frame().hasWelcome()) {
      lost(Failures.other("the first frame is no welcome"));
    } else {
      welcome(numbered.frame().getWelcome(), numbered.seq());
    }
  }

  private void welcome(Welcome welcome, int seq) {
    String before = kept.held.id();
    if (!kept.held.welcomed(welcome)) {
      end(new Ending.Broken("another session was resumed than the one that was asked for"));
      return;
    }
    attempt.cancel();
    welcomed = true;
    if (seq != 0) {
      kept.held.handedOn(seq);
    }
    long now = System.nanoTime();
    boolean goesOn = welcome.getResumed();
    kept.pace.allow(welcome.getLimits().getEmitsPerSecond(), welcome.getLimits().getEmitsBurst(), goesOn, now);
    if (goesOn) {
      kept.outbox.resumed(welcome.getLastRef());
      intake.resumed();
    } else {
      intake.afresh(before, joins, now);
    }
    timers.after(GREETED_WITHIN, intake::sayGreetedAgain);
    life.token(token == null ? "" : token.text());
    watchSilence(welcome);
    if (token != null) {
      renewal.lasts(token.life(Instant.now()));
    }
    Status.Arrival arrival = goesOn ? Status.Arrival.RESUMED : before.isEmpty() ? Status.Arrival.FIRST : Status.Arrival.AFRESH;
    life.attached(
        new Status.Attached(welcome.getSessionId(), welcome.getUser(), welcome.getNode(), Limits.of(welcome.getLimits()), arrival), before);
    plan();
  }

  private void watchSilence(Welcome welcome) {
    silenceNanos = (long) (Times.nanos(Times.span(welcome.getPingInterval())) * SILENCE);
    if (silenceNanos > 0) {
      timers.after(Duration.ofNanos(silenceNanos), this::lookAtSilence);
    }
  }

  private void lookAtSilence() {
    long silent = kept.audience.isHeldUp() ? 0 : System.nanoTime() - heardAt;
    if (silent >= silenceNanos) {
      lost(Failures.unknownOutcome("the server has fallen silent"));
    } else {
      timers.after(Duration.ofNanos(silenceNanos - silent), this::lookAtSilence);
    }
  }

  /** Tells the server what was handed on, when it is much or some time ago. */
  private void confirm() {
    if (kept.held.isDue()) {
      seenDue = true;
    } else if (kept.held.untold() > 0 && !seenPlanned) {
      seenPlanned = true;
      timers.after(
          SEEN_AFTER,
          () -> {
            seenPlanned = false;
            seenDue = kept.held.untold() > 0;
            plan();
          });
    }
  }

  /** The node will stop: the session moves in the time that it was given. */
  void drain(Drain drain) {
    life.kept.reports.tell(new Report.Draining());
    if (drained) {
      return;
    }
    drained = true;
    Duration delay = Times.span(drain.getDelay());
    Duration within = Times.span(drain.getReconnectWithin());
    timers.after(
        delay,
        () -> {
          moving = true;
          moveIfQuiet();
        });
    timers.after(within.compareTo(delay) < 0 ? delay : within, () -> end(new Ending.Moved()));
  }

  private void moveIfQuiet() {
    if (moving && kept.outbox.isQuiet()) {
      end(new Ending.Moved());
    } else if (kept.outbox.isUsedUp()) {
      end(new Ending.UsedUp());
    }
  }

  /** Sends soon what there is, so that what is said together travels together. */
  void plan() {
    if (!pumpPlanned && welcomed && !over) {
      pumpPlanned = true;
      life.loop.execute(this::pump);
    }
  }

  private void pump() {
    pumpPlanned = false;
    while (!over && stream.isReady()) {
      long now = System.nanoTime();
      List<ClientFrame> frames = new ArrayList<>();
      if (seenDue) {
        seenDue = false;
        frames.add(ClientFrame.newBuilder().setSeen(Seen.newBuilder().setSeq(kept.held.tell())).build());
      }
      frames.addAll(kept.outbox.take(now, kept.pace, !moving || life.isClosing()));
      if (frames.isEmpty()) {
        waitForTurn(now);
        return;
      }
      stream.send(AttachRequest.newBuilder().addAllFrames(frames).build());
    }
  }

  private void waitForTurn(long now) {
    long nanos = kept.outbox.paced() ? kept.pace.waitNanos(now) : 0;
    if (nanos > 0) {
      pacing.cancel();
      pacing = life.loop.after(Duration.ofNanos(nanos), this::plan);
    }
  }

  /** What is planned for as long as this stream lasts. */
  Timers timers() {
    return timers;
  }

  Renewal renewal() {
    return renewal;
  }

  private void lost(RialtoException why) {
    end(new Ending.Failed(why));
  }

  void end(Ending ending) {
    if (over) {
      return;
    }
    cancel();
    life.ended(ending, welcomed, resuming);
  }

  /** Lets everything go. */
  void cancel() {
    over = true;
    attempt.cancel();
    pacing.cancel();
    timers.end();
    if (stream != null) {
      stream.cancel();
    }
  }
}
