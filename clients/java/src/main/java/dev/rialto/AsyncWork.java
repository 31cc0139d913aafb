package dev.rialto;

import java.util.concurrent.CompletionStage;

/** Does one job without blocking a thread for it. */
@FunctionalInterface
public interface AsyncWork {
  /**
   * Begins one job.
   *
   * @return ends with what was found, at most 64 KiB, or null for nothing. It fails, as this may throw, with what {@link Work#work} throws
   */
  CompletionStage<Payload> work(Assignment job) throws Exception;
}
