package dev.rialto;

import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** The one thread on which a session, or a client, lives: its state needs no locks. Nothing of the application runs here. */
final class Loop implements Executor {
  private final ScheduledThreadPoolExecutor thread;

  Loop(String name) {
    thread =
        new ScheduledThreadPoolExecutor(
            1,
            work -> {
              Thread made = new Thread(work, name);
              made.setDaemon(true);
              return made;
            });
    thread.setRemoveOnCancelPolicy(true);
    thread.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
  }

  /** Runs work after all that was handed over before. A loop that has ended passes it over. */
  @Override
  public void execute(Runnable work) {
    offer(work);
  }

  /** The same; false when the loop has ended, and the work will never run. */
  boolean offer(Runnable work) {
    try {
      thread.execute(work);
      return true;
    } catch (RejectedExecutionException ended) {
      return false;
    }
  }

  /** Runs work so much later, unless it is cancelled or the loop ends. */
  Timer after(Duration wait, Runnable work) {
    try {
      Future<?> planned = thread.schedule(work, Times.nanos(wait), TimeUnit.NANOSECONDS);
      return () -> planned.cancel(false);
    } catch (RejectedExecutionException ended) {
      return Timer.NONE;
    }
  }

  /** Ends once all that was handed over has run. What is planned for later does not. */
  void end() {
    thread.shutdown();
  }

  /** Something that is planned. */
  @FunctionalInterface
  interface Timer {
    Timer NONE = () -> {};

    void cancel();
  }
}
