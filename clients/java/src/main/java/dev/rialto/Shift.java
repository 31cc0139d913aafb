package dev.rialto;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;
import rialto.v1.WorkerServiceOuterClass.Lease;
import rialto.v1.WorkerServiceOuterClass.Settlement;
import rialto.v1.WorkerServiceOuterClass.WorkerSubscription;

/** One run of a worker, over all its streams, from its beginning until all is settled. Lives on the client's loop; the work runs elsewhere. */
final class Shift {
  /** What a run is made of. */
  record Plan(
      ClientCore core,
      String name,
      List<WorkerSubscription> queues,
      int concurrency,
      Duration lease,
      AsyncWork work,
      Executor executor,
      Consumer<Worker.Trouble> trouble) {}

  final Plan plan;
  final Working working;
  private final Promise<Void> ended;
  private final Backoff backoff = new Backoff(Backoff.LONGEST_OF_WORK, () -> ThreadLocalRandom.current().nextDouble());
  /** Jobs that are here and not begun: more than there are hands, because work on lost ones goes on. */
  private final ArrayDeque<Working.Entry> waiting = new ArrayDeque<>();
  private final Runnable whenClosed = () -> abandon(Failures.closedHere());
  private WorkStream stream;
  private Loop.Timer wait = Loop.Timer.NONE;
  private int running;
  private boolean stopping;

  Shift(Plan plan) {
    this.plan = plan;
    this.ended = new Promise<Void>(plan.core().callbacks).onAbandoned(() -> plan.core().loop.execute(this::stop));
    this.working = new Working(plan.core(), this::trouble, entry -> saysNews());
  }

  CompletableFuture<Void> ended() {
    return ended;
  }

  void begin() {
    plan.core().hold(whenClosed);
    connect("");
  }

  private void connect(String session) {
    if (!isOver()) {
      stream = new WorkStream(this, session);
      stream.begin();
    }
  }

  private boolean isOver() {
    return ended.isDecided();
  }

  boolean isStopping() {
    return stopping;
  }

  /** Nothing is left to do or to say, and nothing more is taken. */
  boolean isDone() {
    return stopping && working.isEmpty();
  }

  /** How many jobs the worker can have: work on lost ones takes hands, and the server does not count it. */
  int room() {
    return Math.max(0, plan.concurrency() - working.lostCount());
  }

  /** A stream has ended. */
  void streamEnded(WorkStream over, RialtoException why, boolean settled) {
    stream = null;
    working.disconnected();
    if (isOver()) {
      return;
    }
    if (isDone()) {
      finish(null);
      return;
    }
    boolean otherToken = over.isWelcomed() && plan.core().hasOtherTokens() && why.code().equals("UNAUTHENTICATED");
    if (!Repeating.passes(why) && !otherToken) {
      finish(why);
      return;
    }
    trouble(why, Optional.empty());
    if (settled) {
      backoff.reset();
    }
    wait = plan.core().loop.after(backoff.next(why.after()), () -> connect(over.session()));
  }

  private void finish(RialtoException why) {
    wait.cancel();
    plan.core().letGo(whenClosed);
    if (stream != null) {
      stream.cancel();
    }
    if (why == null) {
      ended.succeed(null);
    } else {
      working.abandon(Failures.closedHere());
      ended.fail(why);
    }
  }

  /** Jobs have come. */
  void take(List<Lease> leases) {
    waiting.addAll(working.leased(leases));
    beginWaiting();
  }

  private void beginWaiting() {
    while (!waiting.isEmpty() && (stopping || running < plan.concurrency())) {
      Working.Entry entry = waiting.poll();
      if (stopping || entry.isToEnd()) {
        working.done(entry, Settlements.released(Duration.ZERO));
      } else {
        running++;
        plan.executor().execute(() -> work(entry));
      }
    }
  }

  private void work(Working.Entry entry) {
    try {
      CompletionStage<Payload> stage = plan.work().work(entry.assignment);
      if (stage == null) {
        say(entry, Settlements.completed(null));
      } else {
        stage.whenComplete((result, thrown) -> say(entry, thrown == null ? Settlements.completed(result) : Settlements.thrown(causeOf(thrown))));
      }
    } catch (Throwable thrown) {
      // Whatever it is, it is the end of this job alone, and the server is told.
      say(entry, Settlements.thrown(thrown));
    }
  }

  private static Throwable causeOf(Throwable thrown) {
    return thrown instanceof CompletionException && thrown.getCause() != null ? thrown.getCause() : thrown;
  }

  private void say(Working.Entry entry, Settlement.Builder outcome) {
    plan.core().loop.execute(() -> over(entry, outcome));
  }

  private void over(Working.Entry entry, Settlement.Builder outcome) {
    running--;
    working.done(entry, outcome);
    beginWaiting();
    changed();
  }

  /** There may be something to say. */
  void changed() {
    if (stream != null) {
      stream.plan();
    } else if (isDone() && !isOver()) {
      finish(null);
    }
  }

  private void saysNews() {
    if (stream != null) {
      stream.planNews();
    }
  }

  /** Takes no more jobs, and ends once all is settled. */
  void stop() {
    stopping = true;
    beginWaiting();
    changed();
  }

  /** Gives up what still runs. */
  void abandon(RialtoException why) {
    if (!isOver()) {
      working.abandon(why);
      finish(why.code().equals("CLOSED") && stopping ? null : why);
    }
  }

  private void trouble(RialtoException failure, Optional<Assignment> job) {
    plan.core().callbacks.run(() -> Callbacks.tell(plan.trouble(), new Worker.Trouble(failure, job)));
  }
}
