package dev.rialto;

import com.google.protobuf.ByteString;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongConsumer;
import rialto.v1.JobServiceGrpc;
import rialto.v1.JobServiceOuterClass.BeginUploadRequest;
import rialto.v1.JobServiceOuterClass.BeginUploadResponse;
import rialto.v1.JobServiceOuterClass.UploadChunkRequest;

/** Uploads a source in chunks, of which a few are under way at once, and no more of it is held. Lives on the loop, but for reading. */
final class Uploading {
  private static final int AT_ONCE = 4;
  private static final Duration CHUNK_WITHIN = Duration.ofMinutes(5);
  private static final Duration CALL_WITHIN = Duration.ofSeconds(60);
  /** No server asks for larger ones. */
  private static final int CHUNK_MAX = 8 << 20;

  private final ClientCore core;
  private final String namespace;
  private final String queue;
  private final InputStream source;
  private final LongConsumer told;
  private final Promise<Uploaded> uploaded;
  private final Set<CompletableFuture<?>> underWay = new HashSet<>();
  private BeginUploadResponse begun;
  private int index;
  private long read;
  private long stored;
  private boolean reading;
  private boolean atEnd;
  private boolean over;

  Uploading(ClientCore core, String namespace, String queue, InputStream source, LongConsumer told) {
    this.core = core;
    this.namespace = namespace;
    this.queue = queue;
    this.source = source;
    this.told = told;
    this.uploaded = new Promise<Uploaded>(core.callbacks).onAbandoned(() -> core.loop.execute(this::letGo));
  }

  CompletableFuture<Uploaded> begin() {
    BeginUploadRequest request = BeginUploadRequest.newBuilder().setNamespace(namespace).setQueue(queue).build();
    CompletableFuture<BeginUploadResponse> asked =
        Repeating.until(
            core, core.deadline(), left -> core.call(JobServiceGrpc.getBeginUploadMethod(), request, left, response -> response));
    asked.whenComplete((response, thrown) -> onLoop(() -> begun(response, thrown)));
    return uploaded;
  }

  /** Runs work on the loop; when that has ended, so has this. */
  private void onLoop(Runnable work) {
    if (!core.loop.offer(work)) {
      uploaded.fail(Failures.closedHere());
      closeSource();
    }
  }

  private void begun(BeginUploadResponse response, Throwable thrown) {
    if (thrown != null) {
      fail(RialtoException.of(thrown));
    } else if (response.getChunkBytes() <= 0 || response.getChunkBytes() > CHUNK_MAX) {
      fail(Failures.other("the server wants chunks of " + Integer.toUnsignedString(response.getChunkBytes()) + " bytes"));
    } else {
      begun = response;
      goOn();
    }
  }

  /** Reads the next chunk while there is room for one more on its way. */
  private void goOn() {
    if (over || reading || atEnd || underWay.size() >= AT_ONCE) {
      return;
    }
    reading = true;
    core.callbacks.run(this::readChunk);
  }

  private void readChunk() {
    try {
      byte[] chunk = source.readNBytes(begun.getChunkBytes());
      onLoop(() -> chunkRead(chunk));
    } catch (IOException | RuntimeException broken) {
      onLoop(() -> fail(RialtoException.draft(ErrorKind.OTHER, "the source cannot be read: " + broken.getMessage()).cause(broken).done()));
    }
  }

  private void chunkRead(byte[] chunk) {
    reading = false;
    if (over) {
      return;
    }
    read += chunk.length;
    atEnd = chunk.length < begun.getChunkBytes();
    if (read == 0) {
      fail(Failures.refused("INVALID", "there is nothing to upload"));
    } else if (Long.compareUnsigned(read, begun.getBytesMax()) > 0) {
      fail(Failures.refused("PAYLOAD_TOO_LARGE", "the server takes " + Long.toUnsignedString(begun.getBytesMax()) + " bytes"));
    } else if (chunk.length > 0) {
      send(chunk);
      goOn();
    } else {
      endIfStored();
    }
  }

  private void send(byte[] chunk) {
    UploadChunkRequest request =
        UploadChunkRequest.newBuilder()
            .setNamespace(namespace)
            .setQueue(queue)
            .setUploadId(begun.getUploadId())
            .setIndex(index++)
            .setData(ByteString.copyFrom(chunk))
            .build();
    CompletableFuture<Boolean> sent = Repeating.until(core, CHUNK_WITHIN, left -> sendOnce(request, left));
    underWay.add(sent);
    sent.whenComplete((done, thrown) -> onLoop(() -> chunkSent(sent, chunk.length, thrown)));
  }

  private CompletableFuture<Boolean> sendOnce(UploadChunkRequest request, Duration left) {
    Duration within = left.compareTo(CALL_WITHIN) < 0 ? left : CALL_WITHIN;
    return core.call(JobServiceGrpc.getUploadChunkMethod(), request, within, response -> true);
  }

  private void chunkSent(CompletableFuture<?> sent, int bytes, Throwable thrown) {
    underWay.remove(sent);
    if (over) {
      return;
    }
    if (thrown != null) {
      fail(RialtoException.of(thrown));
      return;
    }
    stored += bytes;
    long now = stored;
    core.callbacks.run(() -> Callbacks.tell(told::accept, now));
    goOn();
    endIfStored();
  }

  private void endIfStored() {
    if (atEnd && !reading && underWay.isEmpty() && !over) {
      over = true;
      closeSource();
      uploaded.succeed(new Uploaded(begun.getUploadId(), read, ""));
    }
  }

  private void fail(RialtoException why) {
    letGo();
    uploaded.fail(why);
  }

  private void letGo() {
    if (!over) {
      over = true;
      underWay.forEach(sent -> sent.cancel(false));
      closeSource();
    }
  }

  private void closeSource() {
    core.callbacks.run(
        () -> {
          try {
            source.close();
          } catch (IOException closed) {
            // It was read to its end, or is not wanted any more.
          }
        });
  }
}
