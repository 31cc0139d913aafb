package dev.rialto;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import rialto.v1.JobServiceGrpc;
import rialto.v1.JobServiceOuterClass.WatchJobsRequest;
import rialto.v1.JobServiceOuterClass.WatchJobsResponse;

/**
 * Jobs as they are and then each change, over all the streams that this takes. What was told is not told again, what has changed meanwhile
 * is. Lives on the loop.
 */
final class JobWatch implements Call.Hearer<WatchJobsResponse> {
  private static final int ITEMS_WAITING = 256;

  private final ClientCore core;
  private final String namespace;
  private final String queue;
  /** Null: all jobs of the queue. */
  private final List<String> ids;
  private final Map<String, Job> last = new HashMap<>();
  private final Promise<Feed<Job>> begun;
  private final Feed<Job> feed;
  private final Backoff backoff = new Backoff(Backoff.LONGEST_OF_WORK, () -> ThreadLocalRandom.current().nextDouble());
  private final Runnable whenClosed = () -> end(Failures.closedHere());
  private Loop.Timer timer = Loop.Timer.NONE;
  private Call<WatchJobsRequest, WatchJobsResponse> call;
  private String resume = "";
  private boolean opened;
  private boolean over;
  private Job waiting;
  private Runnable afterwards;

  JobWatch(ClientCore core, String namespace, String queue, List<String> ids) {
    this.core = core;
    this.namespace = namespace;
    this.queue = queue;
    this.ids = ids;
    this.begun = new Promise<Feed<Job>>(core.callbacks).onAbandoned(() -> core.loop.execute(this::stop));
    this.feed =
        new Feed<Job>(core.callbacks, ITEMS_WAITING)
            .whenRoom(() -> core.loop.execute(this::goOn))
            .whenClosed(() -> core.loop.execute(this::stop));
  }

  /** Ends when the server has begun to watch. */
  CompletableFuture<Feed<Job>> begin() {
    if (!core.loop.offer(this::first)) {
      begun.fail(Failures.closedHere());
    }
    return begun;
  }

  private void first() {
    core.hold(whenClosed);
    if (allEnded()) {
      begun.succeed(feed);
      end(null);
      return;
    }
    timer = core.loop.after(core.deadline(), () -> end(Failures.unavailable("the watch was not opened in time")));
    open();
  }

  private void open() {
    opened = false;
    core.withToken(this::open, this::ended);
  }

  private void open(String token) {
    if (over) {
      return;
    }
    WatchJobsRequest.Builder request = WatchJobsRequest.newBuilder().setNamespace(namespace).setQueue(queue).setResume(resume);
    if (ids != null) {
      request.addAllJobIds(ids.stream().filter(id -> !hasEnded(id)).toList());
    }
    call = Call.begin(core.channel(), JobServiceGrpc.getWatchJobsMethod(), request.build(), token, null, this);
  }

  private boolean hasEnded(String id) {
    return last.containsKey(id) && last.get(id).ended();
  }

  private boolean allEnded() {
    return ids != null && ids.stream().allMatch(this::hasEnded);
  }

  @Override
  public void opened() {
    opened = true;
    timer.cancel();
    begun.succeed(feed);
  }

  @Override
  public void message(WatchJobsResponse message) {
    backoff.reset();
    if (ids == null) {
      resume = message.getResume();
    }
    Job job = message.hasJob() ? new Job(message.getJob()) : null;
    if (job == null || (ids != null && job.equals(last.put(job.id(), job)))) {
      call.request();
      return;
    }
    waiting = job;
    goOn();
  }

  private void goOn() {
    if (over || waiting == null || !feed.offer(waiting)) {
      return;
    }
    waiting = null;
    if (allEnded()) {
      end(null);
    } else {
      call.request();
      runAfterwards();
    }
  }

  private void runAfterwards() {
    Runnable work = afterwards;
    afterwards = null;
    if (work != null) {
      work.run();
    }
  }

  @Override
  public void ended(RialtoException why) {
    if (waiting != null) {
      // What has come is handed on first.
      afterwards = () -> ended(why);
      return;
    }
    RialtoException failure = why == null ? Failures.unknownOutcome("the server has ended the watch") : why;
    boolean otherToken = opened && core.hasOtherTokens() && failure.code().equals("UNAUTHENTICATED");
    if (begun.isDecided() && (Repeating.passes(failure) || otherToken)) {
      Duration pause = backoff.next(failure.after());
      timer = core.loop.after(pause, this::open);
    } else {
      end(failure);
    }
  }

  private void end(RialtoException why) {
    if (over) {
      return;
    }
    over = true;
    timer.cancel();
    core.letGo(whenClosed);
    if (why != null) {
      begun.fail(why);
    }
    feed.end(why);
    if (call != null) {
      call.cancel();
    }
  }

  private void stop() {
    end(null);
  }
}
