package dev.rialto;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import rialto.v1.JobOuterClass.ChainedJob;
import rialto.v1.JobOuterClass.JobBody;
import rialto.v1.JobOuterClass.JobNotify;

/** A job to be put into a queue. */
public final class NewJob {
  private final rialto.v1.JobOuterClass.NewJob wire;
  private final boolean twoStarts;

  private NewJob(rialto.v1.JobOuterClass.NewJob wire, boolean twoStarts) {
    this.wire = wire;
    this.twoStarts = twoStarts;
  }

  /** Begins with what the worker needs to know, at most 256 KiB. */
  public static Builder of(Payload payload) {
    return new Builder(Bodies.job(payload));
  }

  /** Begins with text that the worker needs to know. */
  public static Builder text(String text) {
    return of(Payload.text(text));
  }

  /** Begins with what was uploaded before, for the same queue, within a day. */
  public static Builder of(Uploaded uploaded) {
    return new Builder(uploaded.wire());
  }

  /** The job under its name, which is made by chance when it has none. */
  rialto.v1.JobOuterClass.NewJob named() {
    check();
    return wire.getJobId().isEmpty() ? wire.toBuilder().setJobId(Bodies.name()).build() : wire;
  }

  /** The job as a schedule puts it in, or a chain: the server names what has no name. */
  rialto.v1.JobOuterClass.NewJob unnamed() {
    check();
    return wire;
  }

  private void check() {
    if (twoStarts) {
      throw Failures.invalid("a job begins after a delay or at a time, not both");
    }
  }

  /** Gathers what is to be said of a job. */
  public static final class Builder {
    private final rialto.v1.JobOuterClass.NewJob.Builder wire = rialto.v1.JobOuterClass.NewJob.newBuilder();
    private boolean delayed;
    private boolean timed;

    private Builder(JobBody body) {
      wire.setBody(body);
    }

    /** Its name in the queue, 1 to 128 bytes. Default: one by chance. */
    public Builder id(String name) {
      wire.setJobId(name);
      return this;
    }

    /** What kind of job it is, at most 64 bytes. */
    public Builder type(String kind) {
      wire.setType(kind);
      return this;
    }

    /** By what it is found again; at most 16, together 1 KiB. */
    public Builder attribute(String name, String value) {
      wire.putAttributes(name, value);
      return this;
    }

    /** Jobs of higher priority are served first; -16 to 15. */
    public Builder priority(int given) {
      wire.setPriority(given);
      return this;
    }

    /** On whose behalf, at most 128 bytes: keys share the workers, by their weights of 1 to 1,000. */
    public Builder fairness(String key, int weight) {
      wire.setFairnessKey(key).setFairnessWeight(weight);
      return this;
    }

    /** Jobs of one key are worked on one after the other, in their order; at most 128 bytes. */
    public Builder orderingKey(String key) {
      wire.setOrderingKey(key);
      return this;
    }

    /** While a job with this key is live another one is not put in; at most 128 bytes. */
    public Builder uniqueKey(String key) {
      wire.setUniqueKey(key);
      return this;
    }

    /** It may begin so long from now. */
    public Builder delay(Duration span) {
      wire.setDelay(Times.span(span));
      this.delayed = true;
      return this;
    }

    /** It may begin at this time. */
    public Builder runAt(Instant time) {
      wire.setRunAt(Times.at(time));
      this.timed = true;
      return this;
    }

    /** When it has not begun within this time, from when it may begin, it expires. */
    public Builder ttl(Duration span) {
      wire.setTtl(Times.span(span));
      return this;
    }

    /** What happens after an attempt that failed. Default: as the queue says. */
    public Builder retry(RetryPolicy policy) {
      wire.setRetry(policy.wire());
      return this;
    }

    /** Tells a room of the queue's namespace when it is in one of these states; of its ends when none is named. */
    public Builder notifyRoom(String room, JobState... states) {
      JobNotify.Builder notify = JobNotify.newBuilder().setRoom(room);
      List.of(states).forEach(state -> notify.addStates(state.wire()));
      wire.addNotify(notify);
      return this;
    }

    /** The batch that it belongs to: the name of the job that completes it. */
    public Builder batch(String id) {
      wire.setBatchId(id);
      return this;
    }

    /** It begins once the batch of its name is closed and all jobs of that have ended. */
    public Builder completesBatch() {
      wire.setCompletesBatch(true);
      return this;
    }

    /** Put into the same queue once the one before it is completed; it gets the result of that. */
    public Builder then(NewJob next) {
      return then("", next);
    }

    /** The same into another queue of the namespace. */
    public Builder then(String queue, NewJob next) {
      wire.addChain(ChainedJob.newBuilder().setQueue(queue).setJob(next.unnamed()));
      return this;
    }

    public NewJob build() {
      return new NewJob(wire.build(), delayed && timed);
    }
  }
}
