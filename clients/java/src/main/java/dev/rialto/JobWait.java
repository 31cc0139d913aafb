package dev.rialto;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import rialto.v1.JobServiceGrpc;
import rialto.v1.JobServiceOuterClass.WaitJobRequest;

/** Waits for the end of a job, by calls that are short enough for proxies, which give up what is silent for a minute. */
final class JobWait {
  private static final Duration ONE_CALL = Duration.ofSeconds(30);
  private static final Duration SLACK = Duration.ofSeconds(5);

  private final ClientCore core;
  private final String namespace;
  private final String queue;
  private final String id;
  private final Duration within;
  private final long endsAt;

  JobWait(ClientCore core, String namespace, String queue, String id, Duration within) {
    this.core = core;
    this.namespace = namespace;
    this.queue = queue;
    this.id = id;
    this.within = within;
    this.endsAt = System.nanoTime() + Times.nanos(within);
  }

  CompletableFuture<Job> begin() {
    CompletableFuture<Job> asked = Repeating.until(core, left(), this::ask);
    return Linked.compose(asked, this::look);
  }

  private Duration left() {
    return Duration.ofNanos(Math.max(0, endsAt - System.nanoTime()));
  }

  private CompletableFuture<Job> ask(Duration left) {
    Duration wait = left.compareTo(ONE_CALL) < 0 ? left : ONE_CALL;
    WaitJobRequest request =
        WaitJobRequest.newBuilder().setNamespace(namespace).setQueue(queue).setJobId(id).setTimeout(Times.span(wait)).build();
    return core.call(JobServiceGrpc.getWaitJobMethod(), request, wait.plus(SLACK), found -> new Job(found.getJob()));
  }

  private CompletableFuture<Job> look(Job job) {
    if (job.ended()) {
      return CompletableFuture.completedFuture(job);
    }
    if (left().isZero()) {
      return CompletableFuture.failedFuture(Failures.timedOut("job " + id + " has not ended within " + within.toMillis() + " ms"));
    }
    return begin();
  }
}
