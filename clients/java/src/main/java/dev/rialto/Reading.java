package dev.rialto;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import rialto.v1.JobServiceGrpc;
import rialto.v1.JobServiceOuterClass.ReadPayloadRequest;
import rialto.v1.JobServiceOuterClass.ReadPayloadResponse;

/** Reads a payload that was uploaded, over all the streams that this takes. Each goes on at the byte that was reached. Lives on the loop. */
final class Reading implements Call.Hearer<ReadPayloadResponse> {
  /** Pieces that wait for the reader; each may have some hundred KiB. */
  private static final int PIECES_WAITING = 4;
  private static final Duration SILENCE = Duration.ofMinutes(2);
  /** A stream that says nothing for so long is opened again: its connection may be gone without a word. */
  private static final Duration STREAM_SILENCE = Duration.ofSeconds(60);

  private final ClientCore core;
  private final String namespace;
  private final String queue;
  private final Uploaded uploaded;
  private final Feed<byte[]> feed;
  private final Backoff backoff = new Backoff(Backoff.LONGEST, () -> ThreadLocalRandom.current().nextDouble());
  private final Runnable whenClosed = () -> end(Failures.closedHere());
  private Loop.Timer silence = Loop.Timer.NONE;
  private Call<ReadPayloadRequest, ReadPayloadResponse> call;
  private long at;
  private long heardAt = System.nanoTime();
  private boolean opened;
  private boolean over;
  private byte[] waiting;
  private Runnable afterwards;

  private Reading(ClientCore core, String namespace, String queue, Uploaded uploaded, long offset) {
    this.core = core;
    this.namespace = namespace;
    this.queue = queue;
    this.uploaded = uploaded;
    this.at = offset;
    this.feed =
        new Feed<byte[]>(core.callbacks, PIECES_WAITING)
            .whenRoom(() -> core.loop.execute(this::goOn))
            .whenClosed(() -> core.loop.execute(() -> end(null)));
  }

  static Feed<byte[]> begin(ClientCore core, String namespace, String queue, Uploaded uploaded, long offset) {
    Reading reading = new Reading(core, namespace, queue, uploaded, offset);
    if (offset < 0 || offset > uploaded.bytes()) {
      reading.feed.end(Failures.invalid("a payload of " + uploaded.bytes() + " bytes cannot be read from byte " + offset + " on"));
    } else if (!core.loop.offer(reading::first)) {
      reading.feed.end(Failures.closedHere());
    }
    return reading.feed;
  }

  private void first() {
    core.hold(whenClosed);
    open();
  }

  private void open() {
    if (at == uploaded.bytes()) {
      end(null);
      return;
    }
    opened = false;
    core.withToken(this::open, this::ended);
  }

  private void open(String token) {
    if (over) {
      return;
    }
    ReadPayloadRequest request =
        ReadPayloadRequest.newBuilder().setNamespace(namespace).setQueue(queue).setUploadId(uploaded.id()).setOffset(at).build();
    call = Call.begin(core.channel(), JobServiceGrpc.getReadPayloadMethod(), request, token, null, this);
    watch();
  }

  private void watch() {
    silence.cancel();
    silence = core.loop.after(STREAM_SILENCE, this::silent);
  }

  private void silent() {
    if (waiting == null) {
      call.cancel();
      ended(Failures.unknownOutcome("nothing came for too long"));
    }
  }

  @Override
  public void opened() {
    opened = true;
  }

  @Override
  public void message(ReadPayloadResponse message) {
    backoff.reset();
    waiting = message.getData().toByteArray();
    goOn();
  }

  private void goOn() {
    if (over || waiting == null || (waiting.length > 0 && !feed.offer(waiting))) {
      return;
    }
    at += waiting.length;
    waiting = null;
    // Whoever reads may take time.
    heardAt = System.nanoTime();
    if (at > uploaded.bytes()) {
      end(Failures.other("the payload has more than its " + uploaded.bytes() + " bytes"));
      return;
    }
    watch();
    call.request();
    runAfterwards();
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
    silence.cancel();
    if (over || (why == null && at == uploaded.bytes())) {
      end(null);
      return;
    }
    RialtoException failure = why == null ? Failures.other("the server has ended the payload before its end") : why;
    Duration pause = backoff.next(failure.after());
    boolean late = System.nanoTime() + Times.nanos(pause) - heardAt >= Times.nanos(SILENCE);
    boolean otherToken = opened && core.hasOtherTokens() && failure.code().equals("UNAUTHENTICATED");
    if (late || !(Repeating.passes(failure) || otherToken)) {
      end(failure);
    } else {
      silence = core.loop.after(pause, this::open);
    }
  }

  private void end(RialtoException why) {
    if (over) {
      return;
    }
    over = true;
    silence.cancel();
    core.letGo(whenClosed);
    feed.end(why);
    if (call != null) {
      call.cancel();
    }
  }
}
