package dev.rialto;

import rialto.v1.JobOuterClass.JobBody;
import rialto.v1.JobOuterClass.UploadedPayload;

/**
 * A payload that was uploaded by itself, because it is large.
 *
 * @param id what it is called; whoever knows it and has the right may add to it
 * @param bytes its bytes in all
 * @param contentType its media type; empty for none
 */
public record Uploaded(String id, long bytes, String contentType) {
  static Uploaded of(JobBody body) {
    return new Uploaded(body.getUploaded().getUploadId(), body.getUploaded().getBytes(), body.getContentType());
  }

  JobBody wire() {
    return JobBody.newBuilder()
        .setUploaded(UploadedPayload.newBuilder().setUploadId(id).setBytes(bytes))
        .setContentType(contentType)
        .build();
  }
}
