package dev.rialto;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import rialto.v1.WorkerServiceOuterClass.WorkerSubscription;

/** Takes jobs from queues and has a function of the application do them. It comes back by itself, and goes on with what it has. */
public final class Worker implements AutoCloseable {
  private static final int QUEUES_MAX = 64;
  private static final int CONCURRENCY_MAX = 10_000;

  private final Builder settings;
  private final AtomicBoolean begun = new AtomicBoolean();
  private volatile Shift shift;
  private volatile boolean stopped;

  private Worker(Builder settings) {
    this.settings = settings;
  }

  /** Begins to make a worker of a client. */
  public static Builder builder(Client client) {
    return new Builder(client);
  }

  /**
   * Something went wrong, and the worker goes on.
   *
   * @param failure what; of kind {@code LEASE_LOST} when somebody else may have a job
   * @param job which job it is about
   */
  public record Trouble(RialtoException failure, Optional<Assignment> job) {}

  /**
   * Takes jobs, and has each done. Once in the life of a worker.
   *
   * @return ends when the worker was stopped and all is settled; fails with what does not pass, as a missing right. Cancelling it stops the
   *     worker
   */
  public CompletableFuture<Void> run(Work work) {
    return runAsync(job -> CompletableFuture.completedFuture(work.work(job)));
  }

  /** The same with work that blocks no thread: a job runs until its future has ended. */
  public CompletableFuture<Void> runAsync(AsyncWork work) {
    if (!begun.compareAndSet(false, true)) {
      return CompletableFuture.failedFuture(Failures.invalid("a worker runs once"));
    }
    if (settings.queues.isEmpty() || settings.queues.size() > QUEUES_MAX) {
      return CompletableFuture.failedFuture(Failures.invalid("a worker has 1 to " + QUEUES_MAX + " queues"));
    }
    ClientCore core = settings.client.core();
    ThreadPoolExecutor own = settings.executor == null ? threads(settings.concurrency) : null;
    Executor executor = own == null ? settings.executor : own;
    shift =
        new Shift(
            new Shift.Plan(
                core,
                settings.name,
                List.copyOf(settings.queues),
                settings.concurrency,
                settings.lease,
                work,
                executor,
                settings.trouble));
    Shutdown shutdown = settings.signals ? Shutdown.on(this::stop) : null;
    if (!core.loop.offer(shift::begin)) {
      shift.abandon(Failures.closedHere());
    }
    if (stopped) {
      stop();
    }
    shift.ended()
        .whenComplete(
            (done, thrown) -> {
              if (shutdown != null) {
                shutdown.end();
              }
              if (own != null) {
                own.shutdown();
              }
            });
    return shift.ended();
  }

  private static ThreadPoolExecutor threads(int concurrency) {
    ThreadPoolExecutor threads =
        new ThreadPoolExecutor(
            concurrency,
            concurrency,
            5,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(),
            work -> {
              Thread made = new Thread(work, "rialto-work");
              made.setDaemon(true);
              return made;
            });
    threads.allowCoreThreadTimeOut(true);
    return threads;
  }

  /** Takes no more jobs, gives back those that have not begun, and lets running ones end. Ends as {@link #run} does. */
  public CompletableFuture<Void> stop() {
    stopped = true;
    Shift present = shift;
    if (present == null) {
      return CompletableFuture.completedFuture(null);
    }
    present.plan.core().loop.execute(present::stop);
    return present.ended().copy();
  }

  /** The same; what still runs after this time is given up: it is cancelled with {@code CLOSED}. */
  public CompletableFuture<Void> stop(Duration limit) {
    CompletableFuture<Void> ended = stop();
    Shift present = shift;
    if (present != null) {
      present.plan.core().loop.after(limit, () -> present.abandon(Failures.closedHere()));
    }
    return ended;
  }

  /** Stops, and waits for the end. */
  @Override
  public void close() {
    stop().exceptionally(failed -> null).join();
  }

  /** Gathers what a worker is made of. */
  public static final class Builder {
    private final Client client;
    private final List<WorkerSubscription> queues = new ArrayList<>();
    private String name = "java@" + ProcessHandle.current().pid();
    private int concurrency = 1;
    private Duration lease = Duration.ofSeconds(30);
    private Executor executor;
    private boolean signals;
    private Consumer<Trouble> trouble = what -> {};

    private Builder(Client client) {
      this.client = client;
    }

    /** What it is called, for people: 1 to 128 bytes. */
    public Builder name(String given) {
      this.name = given;
      return this;
    }

    /** A queue that it takes jobs from; at most 64. */
    public Builder queue(String namespace, String queue) {
      return queue(namespace, queue, 0, 0);
    }

    /**
     * A queue that it takes jobs from.
     *
     * @param inFlightMax jobs of this queue that it has at once; 0: as its concurrency allows
     * @param weight how many jobs of it come in a turn between the queues, 1 to 1,000; 0 is 1
     */
    public Builder queue(String namespace, String queue, int inFlightMax, int weight) {
      queues.add(
          WorkerSubscription.newBuilder().setNamespace(namespace).setQueue(queue).setInFlightMax(inFlightMax).setWeight(weight).build());
      return this;
    }

    /** Jobs at once, 1 to 10,000. Default 1. */
    public Builder concurrency(int jobs) {
      this.concurrency = Math.min(CONCURRENCY_MAX, Math.max(1, jobs));
      return this;
    }

    /** How long a job is kept for this worker when it dies, 1 s to a day. It is extended by itself. Default 30 s. */
    public Builder lease(Duration span) {
      this.lease = span;
      return this;
    }

    /** Where the work runs. Default: as many threads of its own as its concurrency. */
    public Builder executor(Executor given) {
      this.executor = given;
      return this;
    }

    /** SIGTERM and SIGINT stop the worker; a second one ends the process as usual. */
    public Builder signals() {
      this.signals = true;
      return this;
    }

    /** Told of what goes wrong while the worker goes on. */
    public Builder onTrouble(Consumer<Trouble> listener) {
      this.trouble = listener;
      return this;
    }

    public Worker build() {
      return new Worker(this);
    }

    /** Makes the worker and has it run: {@link Worker#run}. */
    public CompletableFuture<Void> run(Work work) {
      return build().run(work);
    }
  }
}
