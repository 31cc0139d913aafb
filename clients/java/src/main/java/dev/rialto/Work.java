package dev.rialto;

/** Does one job. */
@FunctionalInterface
public interface Work {
  /**
   * Does one job, and blocks as long as it takes.
   *
   * @return what was found, at most 64 KiB; null for nothing
   * @throws Exception the attempt has failed, with the simple name of its type as its code. {@link WorkException} says more: how it has failed,
   *     that the job is given back, or that it is not to be done
   */
  Payload work(Assignment job) throws Exception;
}
