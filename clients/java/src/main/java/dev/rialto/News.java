package dev.rialto;

import com.google.protobuf.ByteString;
import rialto.v1.JobOuterClass.JobProgress;
import rialto.v1.WorkerServiceOuterClass.Extension;

/**
 * What a job has said of itself and the server may not know: of each the newest. Null for nothing.
 *
 * @param progress how far it has come
 * @param checkpoint what the next attempt is to know
 */
record News(JobProgress progress, ByteString checkpoint) {
  static final News NONE = new News(null, null);

  boolean isEmpty() {
    return progress == null && checkpoint == null;
  }

  /** The same where it says nothing newer. */
  News over(News older) {
    return new News(progress == null ? older.progress : progress, checkpoint == null ? older.checkpoint : checkpoint);
  }

  Extension extension(String token) {
    Extension.Builder extension = Extension.newBuilder().setToken(token);
    if (progress != null) {
      extension.setProgress(progress);
    }
    if (checkpoint != null) {
      extension.setCheckpoint(checkpoint);
    }
    return extension.build();
  }
}
