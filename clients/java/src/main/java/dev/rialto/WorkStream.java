package dev.rialto;

import java.time.Duration;
import java.util.List;
import rialto.v1.WorkerServiceGrpc;
import rialto.v1.WorkerServiceOuterClass.ExtendRequest;
import rialto.v1.WorkerServiceOuterClass.SettleRequest;
import rialto.v1.WorkerServiceOuterClass.WorkRequest;
import rialto.v1.WorkerServiceOuterClass.WorkResponse;
import rialto.v1.WorkerServiceOuterClass.WorkerCredit;
import rialto.v1.WorkerServiceOuterClass.WorkerDrain;
import rialto.v1.WorkerServiceOuterClass.WorkerHello;
import rialto.v1.WorkerServiceOuterClass.WorkerWelcome;

/** One stream of a worker: what is said when. Lives on the loop. */
final class WorkStream implements Call.Hearer<WorkResponse>, Call.Writer {
  private static final Duration NEWS_APART = Duration.ofMillis(200);
  /** When a settlement is said again that could not be taken. */
  private static final Duration AGAIN = Duration.ofSeconds(1);
  /** How long the server may take to end the stream of a worker that has drained. */
  private static final Duration END_WITHIN = Duration.ofSeconds(10);
  private static final Duration WELCOME_WITHIN = Duration.ofSeconds(10);

  private final Shift shift;
  private final Loop loop;
  private final Timers timers;
  private Call<WorkRequest, WorkResponse> call;
  private String session;
  private int credit;
  private boolean welcomed;
  private long welcomedAt;
  private boolean drained;
  private boolean pumpPlanned;
  private boolean newsPlanned;
  private boolean endPlanned;
  private boolean over;
  private long newsAt = System.nanoTime() - Times.nanos(NEWS_APART);

  WorkStream(Shift shift, String session) {
    this.shift = shift;
    this.loop = shift.plan.core().loop;
    this.timers = new Timers(loop);
    this.session = session;
  }

  /** What this stream, or the one before it, is taken up with. */
  String session() {
    return session;
  }

  boolean isWelcomed() {
    return welcomed;
  }

  void begin() {
    timers.after(WELCOME_WITHIN, this::looksWelcomed);
    shift.plan.core().withToken(this::open, this::ended);
  }

  private void looksWelcomed() {
    if (!welcomed) {
      ended(Failures.unavailable("the worker was not welcomed in time"));
    }
  }

  private void open(String token) {
    if (over) {
      return;
    }
    credit = shift.room();
    call = Call.begin(shift.plan.core().channel(), WorkerServiceGrpc.getWorkMethod(), null, token, null, this);
    call.send(
        WorkRequest.newBuilder()
            .setHello(
                WorkerHello.newBuilder()
                    .setWorkerId(shift.plan.name())
                    .setResume(session)
                    .addAllSubscriptions(shift.plan.queues())
                    .setLeaseDuration(Times.span(shift.plan.lease()))
                    .setCredit(credit()))
            .build());
  }

  private WorkerCredit credit() {
    return WorkerCredit.newBuilder().setJobs(credit).build();
  }

  @Override
  public void ready() {
    plan();
  }

  @Override
  public void message(WorkResponse message) {
    switch (message.getFrameCase()) {
      case WELCOME -> welcome(message.getWelcome());
      case LEASES -> shift.take(message.getLeases().getLeasesList());
      case SETTLED -> sayAgain(shift.working.settled(message.getSettled()));
      case EXTENDED -> sayAgain(shift.working.extended(message.getExtended()));
      case CANCEL -> shift.working.cancel(message.getCancel().getTokensList());
      case PAUSE -> shift.working.pause(message.getPause().getTokensList());
      // A node that drains ends the stream once all is settled.
      case DRAIN, FRAME_NOT_SET -> {}
    }
    call.request();
    plan();
  }

  private void welcome(WorkerWelcome welcome) {
    welcomed = true;
    welcomedAt = System.nanoTime();
    session = welcome.getSession();
    shift.working.reconnected(welcome.getResumed());
    // Of those that wait for their turn some may be lost.
    shift.take(List.of());
    Duration lease = Times.span(welcome.getLeaseDuration());
    extendEvery((lease.isZero() ? shift.plan.lease() : lease).dividedBy(3));
  }

  private void extendEvery(Duration span) {
    timers.after(
        span,
        () -> {
          shift.working.tick();
          plan();
          extendEvery(span);
        });
  }

  private void sayAgain(boolean later) {
    if (later) {
      timers.after(
          AGAIN,
          () -> {
            shift.working.again();
            plan();
          });
    }
  }

  /** The work has said something of its job, which goes soon, with what else is said until then. */
  void planNews() {
    if (newsPlanned) {
      return;
    }
    newsPlanned = true;
    long left = newsAt + Times.nanos(NEWS_APART) - System.nanoTime();
    timers.after(
        Duration.ofNanos(Math.max(0, left)),
        () -> {
          newsPlanned = false;
          newsAt = System.nanoTime();
          shift.working.news();
          plan();
        });
  }

  /** Sends soon what there is, so that what ends together travels together. */
  void plan() {
    if (!pumpPlanned && welcomed && !over) {
      pumpPlanned = true;
      loop.execute(this::pump);
    }
  }

  private void pump() {
    pumpPlanned = false;
    while (!over && call.isReady()) {
      WorkRequest next = next();
      if (next == null) {
        break;
      }
      call.send(next);
    }
    if (!over && drained && shift.isDone()) {
      planEnd();
    }
  }

  /** What is to be said next. Extensions go before outcomes, whose jobs may have left something in them. */
  private WorkRequest next() {
    if (shift.isStopping() && !drained) {
      drained = true;
      return WorkRequest.newBuilder().setDrain(WorkerDrain.getDefaultInstance()).build();
    }
    if (shift.room() != credit) {
      credit = shift.room();
      return WorkRequest.newBuilder().setCredit(credit()).build();
    }
    ExtendRequest extend = shift.working.extensions();
    if (extend != null) {
      return WorkRequest.newBuilder().setExtend(extend).build();
    }
    SettleRequest settle = shift.working.settlements();
    return settle == null ? null : WorkRequest.newBuilder().setSettle(settle).build();
  }

  /** The server ends the stream once all is settled, so that no job is lost that is on its way. */
  private void planEnd() {
    if (!endPlanned) {
      endPlanned = true;
      timers.after(
          END_WITHIN,
          () -> {
            endPlanned = false;
            if (shift.isDone()) {
              ended(null);
            }
          });
    }
  }

  @Override
  public void ended(RialtoException why) {
    if (over) {
      return;
    }
    cancel();
    boolean settled = welcomed && System.nanoTime() - welcomedAt >= Times.nanos(Backoff.SETTLED);
    shift.streamEnded(this, why == null ? Failures.unknownOutcome("the server has ended the stream") : why, settled);
  }

  /** Lets everything go. */
  void cancel() {
    over = true;
    timers.end();
    if (call != null) {
      call.cancel();
    }
  }
}
