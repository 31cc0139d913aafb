package dev.rialto;

import com.google.protobuf.ByteString;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import rialto.v1.WorkerServiceOuterClass.Lease;

/** A job that a worker has: what is to be done, and what can be said while it is done. */
public final class Assignment {
  private static final int CHECKPOINT_MAX = 64 << 10;
  private static final int MESSAGE_MAX = 1 << 10;

  private final Lease lease;
  private final ClientCore core;
  private final Consumer<News> told;
  private final CompletableFuture<RialtoException> cancelled = new CompletableFuture<>();
  private final CompletableFuture<Void> toPause = new CompletableFuture<>();

  Assignment(Lease lease, ClientCore core, Consumer<News> told) {
    this.lease = lease;
    this.core = core;
    this.told = told;
  }

  /** Its namespace. */
  public String namespace() {
    return lease.getNamespace();
  }

  /** Its queue. */
  public String queue() {
    return lease.getQueue();
  }

  /** Its name in the queue. */
  public String id() {
    return lease.getJobId();
  }

  /** What kind of job it is; empty for none. */
  public String type() {
    return lease.getType();
  }

  /**
   * What there is to know.
   *
   * @throws RialtoException of kind {@code INVALID} when it was uploaded: then {@link #read} gives it
   */
  public Payload payload() {
    return Carried.of(lease.getBody());
  }

  /** What there is to know, as text; throws as {@link #payload} does, and when it is bytes that are not UTF-8. */
  public String text() {
    return payload().text();
  }

  /** What there is to know, as bytes; throws as {@link #payload} does. */
  public byte[] bytes() {
    return payload().bytes();
  }

  /** What was uploaded, when the payload came that way. */
  public Optional<Uploaded> uploaded() {
    return Carried.uploaded(lease.getBody());
  }

  /** The payload piece by piece, from a byte on, wherever it is. */
  public Feed<byte[]> read(long offset) {
    Optional<Uploaded> elsewhere = uploaded();
    if (elsewhere.isPresent()) {
      return Reading.begin(core, namespace(), queue(), elsewhere.orElseThrow(), offset);
    }
    Feed<byte[]> here = new Feed<>(core.callbacks, 1);
    ByteString bytes = payload().binary();
    if (offset < 0 || offset > bytes.size()) {
      here.end(Failures.invalid("a payload of " + bytes.size() + " bytes cannot be read from byte " + offset + " on"));
    } else if (offset < bytes.size()) {
      here.offer(bytes.substring((int) offset).toByteArray());
    }
    here.end(null);
    return here;
  }

  /** By what it is found again. */
  public Map<String, String> attributes() {
    return Map.copyOf(lease.getAttributesMap());
  }

  /** What it is worked on one after the other with; empty for nothing. */
  public String orderingKey() {
    return lease.getOrderingKey();
  }

  /** Which attempt this is, from 1. */
  public int attempt() {
    return lease.getAttempt();
  }

  /** How many there may be. */
  public int attemptsMax() {
    return lease.getAttemptsMax();
  }

  /** When it was put in. */
  public Instant enqueuedAt() {
    return Times.at(lease.getEnqueueTime());
  }

  /** Why the attempt before has failed. */
  public Optional<JobError> lastError() {
    return lease.hasLastError() ? Optional.of(JobError.of(lease.getLastError())) : Optional.empty();
  }

  /** What an attempt before has left for this one; empty for nothing. */
  public byte[] lastCheckpoint() {
    return lease.getCheckpoint().toByteArray();
  }

  /** How far an attempt before had come. */
  public Optional<JobProgress> lastProgress() {
    return lease.hasProgress() ? Optional.of(JobProgress.of(lease.getProgress())) : Optional.empty();
  }

  /** What the job before it in its chain has found. */
  public Optional<Payload> previousResult() {
    return lease.hasPreviousResult() ? Optional.of(Bodies.of(lease.getPreviousResult())) : Optional.empty();
  }

  /** The batch that it completes. */
  public Optional<JobBatch> batch() {
    return lease.hasBatch() ? Optional.of(JobBatch.of(lease.getBatch())) : Optional.empty();
  }

  /**
   * Says how far the work has come. Of what is said quickly the newest counts.
   *
   * @param total 0 when it is not known
   * @param message for people; cut to 1 KiB
   */
  public void progress(long done, long total, String message) {
    rialto.v1.JobOuterClass.JobProgress progress =
        rialto.v1.JobOuterClass.JobProgress.newBuilder()
            .setDone(Math.max(0, done))
            .setTotal(Math.max(0, total))
            .setMessage(Settlements.cut(message, MESSAGE_MAX))
            .build();
    told.accept(new News(progress, null));
  }

  /**
   * Leaves something for the next attempt, if this one fails or is given back. The newest counts.
   *
   * @throws RialtoException {@code PAYLOAD_TOO_LARGE} for more than 64 KiB
   */
  public void checkpoint(byte[] state) {
    if (state.length > CHECKPOINT_MAX) {
      throw Failures.refused("PAYLOAD_TOO_LARGE", "a checkpoint has at most " + CHECKPOINT_MAX + " bytes");
    }
    told.accept(new News(null, ByteString.copyFrom(state)));
  }

  /**
   * Ends when the work is to stop, with the reason: of kind {@code LEASE_LOST} when somebody else may have the job, {@code CANCELLED} when
   * somebody wants it cancelled, {@code CLOSED} when the worker gives it up.
   */
  public CompletableFuture<RialtoException> cancelled() {
    return cancelled.copy();
  }

  /** Whether the work is to stop. */
  public boolean isCancelled() {
    return cancelled.isDone();
  }

  /** Ends when the job is to be paused: left with a {@link #checkpoint}, and {@link WorkException.Released given back}. */
  public CompletableFuture<Void> toPause() {
    return toPause.copy();
  }

  /** Whether the job is to be paused. */
  public boolean isToPause() {
    return toPause.isDone();
  }

  void cancel(RialtoException why) {
    core.callbacks.run(() -> cancelled.complete(why));
  }

  void pause() {
    core.callbacks.run(() -> toPause.complete(null));
  }
}
