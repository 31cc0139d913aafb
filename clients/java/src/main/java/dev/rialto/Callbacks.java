package dev.rialto;

import java.lang.System.Logger.Level;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** Where code of the application runs: listeners, token sources, what follows on futures. */
final class Callbacks {
  private static final System.Logger LOG = System.getLogger("dev.rialto");
  private static final int THREADS = 16;
  private static final long IDLE_SECONDS = 5;

  private final Executor executor;
  private final ThreadPoolExecutor own;

  private Callbacks(Executor executor, ThreadPoolExecutor own) {
    this.executor = executor;
    this.own = own;
  }

  /** On the application's executor, or on a few threads of their own when it is null. */
  static Callbacks on(Executor given) {
    if (given != null) {
      return new Callbacks(given, null);
    }
    ThreadPoolExecutor threads =
        new ThreadPoolExecutor(
            THREADS,
            THREADS,
            IDLE_SECONDS,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(),
            work -> {
              Thread made = new Thread(work, "rialto-callback");
              made.setDaemon(true);
              return made;
            });
    threads.allowCoreThreadTimeOut(true);
    return new Callbacks(threads, threads);
  }

  /** Runs work; here and now when the executor takes nothing any more, so that nobody waits for ever. */
  void run(Runnable work) {
    try {
      executor.execute(work);
    } catch (RejectedExecutionException ended) {
      work.run();
    }
  }

  /** Calls the application; what it throws ends nothing else. */
  static <T> void tell(Consumer<? super T> listener, T what) {
    try {
      listener.accept(what);
    } catch (RuntimeException | Error thrown) {
      LOG.log(Level.WARNING, "a listener has thrown", thrown);
      if (thrown instanceof VirtualMachineError) {
        throw (VirtualMachineError) thrown;
      }
    }
  }

  /** Lets the threads go once they have done what they were given. */
  void end() {
    if (own != null) {
      own.shutdown();
    }
  }
}
