package dev.rialto;

import java.time.Instant;
import java.util.Map;
import java.util.Optional;

/** A job as it was when the server was asked. */
public final class Job {
  private final rialto.v1.JobOuterClass.Job wire;

  Job(rialto.v1.JobOuterClass.Job wire) {
    this.wire = wire;
  }

  /** Its namespace. */
  public String namespace() {
    return wire.getNamespace();
  }

  /** Its queue. */
  public String queue() {
    return wire.getQueue();
  }

  /** Its name in the queue. */
  public String id() {
    return wire.getJobId();
  }

  /** What kind of job it is; empty for none. */
  public String type() {
    return wire.getType();
  }

  /** Where it is. */
  public JobState state() {
    return JobState.of(wire.getState());
  }

  /** Whether it stays where it is, unless it is redriven. */
  public boolean ended() {
    return state().isEnd();
  }

  /**
   * What the worker needs to know; of one that was asked for by {@link Jobs#get} alone, and not once it has ended well.
   *
   * @throws RialtoException of kind {@code INVALID} when it was uploaded: then {@link Jobs#read} gives it
   */
  public Payload payload() {
    return Carried.of(wire.getBody());
  }

  /** What was uploaded, when its payload came that way. */
  public Optional<Uploaded> uploaded() {
    return Carried.uploaded(wire.getBody());
  }

  /** By what it is found again. */
  public Map<String, String> attributes() {
    return Map.copyOf(wire.getAttributesMap());
  }

  /** Its priority. */
  public int priority() {
    return wire.getPriority();
  }

  /** On whose behalf. */
  public String fairnessKey() {
    return wire.getFairnessKey();
  }

  /** What it is worked on one after the other with. */
  public String orderingKey() {
    return wire.getOrderingKey();
  }

  /** What no other live job of the queue has. */
  public String uniqueKey() {
    return wire.getUniqueKey();
  }

  /** When it was put in. */
  public Instant enqueuedAt() {
    return Times.at(wire.getEnqueueTime());
  }

  /** When it may begin, while it is delayed. */
  public Optional<Instant> dueAt() {
    return wire.hasDueTime() ? Optional.of(Times.at(wire.getDueTime())) : Optional.empty();
  }

  /** When its last attempt began. */
  public Optional<Instant> startedAt() {
    return wire.hasStartTime() ? Optional.of(Times.at(wire.getStartTime())) : Optional.empty();
  }

  /** When it came to where it stays. */
  public Optional<Instant> endedAt() {
    return wire.hasEndTime() ? Optional.of(Times.at(wire.getEndTime())) : Optional.empty();
  }

  /** Which attempt runs or ran last; 0 before the first. */
  public int attempt() {
    return wire.getAttempt();
  }

  /** How many there may be. */
  public int attemptsMax() {
    return wire.getAttemptsMax();
  }

  /** How often it was given to a worker. */
  public int deliveries() {
    return wire.getDeliveries();
  }

  /** Who has it, or had it last. */
  public String workerId() {
    return wire.getWorkerId();
  }

  /** How far the worker has come. */
  public Optional<JobProgress> progress() {
    return wire.hasProgress() ? Optional.of(JobProgress.of(wire.getProgress())) : Optional.empty();
  }

  /** What the worker has found, once it is completed. */
  public Optional<Payload> result() {
    return wire.hasResult() ? Optional.of(Bodies.of(wire.getResult())) : Optional.empty();
  }

  /** Why the last attempt failed, or why it was discarded or cancelled. */
  public Optional<JobError> error() {
    return wire.hasError() ? Optional.of(JobError.of(wire.getError())) : Optional.empty();
  }

  /** Somebody wants it cancelled while a worker has it. */
  public boolean cancelling() {
    return wire.getCancelling();
  }

  /** Somebody wants it paused while a worker has it. */
  public boolean pausing() {
    return wire.getPausing();
  }

  /** The batch that it belongs to; empty for none. */
  public String batchId() {
    return wire.getBatchId();
  }

  /** The batch that it completes. */
  public Optional<JobBatch> batch() {
    return wire.hasBatch() ? Optional.of(JobBatch.of(wire.getBatch())) : Optional.empty();
  }

  /** Jobs of its chain that are still to be put in. */
  public int chainLength() {
    return wire.getChainLength();
  }

  /** The schedule that has put it in; empty for none. */
  public String scheduleId() {
    return wire.getScheduleId();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Job job && wire.equals(job.wire);
  }

  @Override
  public int hashCode() {
    return wire.hashCode();
  }

  @Override
  public String toString() {
    return id() + " (" + state() + ")";
  }
}
