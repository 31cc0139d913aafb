package dev.rialto;

import java.util.UUID;
import rialto.v1.EventOuterClass.Content;
import rialto.v1.EventOuterClass.Emit;
import rialto.v1.EventOuterClass.ReplyItem;
import rialto.v1.JobOuterClass.JobBody;
import rialto.v1.State.SetState;
import rialto.v1.State.StateEntry;

/** Payloads and the bodies of the contract. */
final class Bodies {
  private Bodies() {}

  static Payload of(Content content) {
    return content.hasText()
        ? Payload.text(content.getText(), content.getContentType())
        : Payload.binary(content.getBinary(), content.getContentType());
  }

  static Payload of(ReplyItem item) {
    return item.hasText() ? Payload.text(item.getText(), item.getContentType()) : Payload.binary(item.getBinary(), item.getContentType());
  }

  static Payload of(StateEntry entry) {
    return entry.hasText() ? Payload.text(entry.getText(), entry.getContentType()) : Payload.binary(entry.getBinary(), entry.getContentType());
  }

  static Payload of(JobBody body) {
    return body.hasText() ? Payload.text(body.getText(), body.getContentType()) : Payload.binary(body.getBinary(), body.getContentType());
  }

  static rialto.v1.EventOuterClass.Reply.Builder reply(Payload payload) {
    rialto.v1.EventOuterClass.Reply.Builder reply =
        rialto.v1.EventOuterClass.Reply.newBuilder().setContentType(payload.contentType());
    return payload.isText() ? reply.setText(payload.text()) : reply.setBinary(payload.binary());
  }

  static SetState.Builder state(Payload payload) {
    SetState.Builder set = SetState.newBuilder().setContentType(payload.contentType());
    return payload.isText() ? set.setText(payload.text()) : set.setBinary(payload.binary());
  }

  static JobBody job(Payload payload) {
    JobBody.Builder body = JobBody.newBuilder().setContentType(payload.contentType());
    return (payload.isText() ? body.setText(payload.text()) : body.setBinary(payload.binary())).build();
  }

  static Content content(String event, Payload payload, EmitOptions options) {
    Content.Builder content =
        Content.newBuilder()
            .setEvent(event)
            .setContentType(options.contentType == null ? payload.contentType() : options.contentType)
            .putAllHeaders(options.headers)
            .setKey(options.key);
    if (payload.isText()) {
      content.setText(payload.text());
    } else if (!payload.isEmpty()) {
      content.setBinary(payload.binary());
    }
    return content.build();
  }

  static rialto.v1.EventOuterClass.Target target(Target target, EmitOptions options) {
    return target.wire().toBuilder()
        .setIncludeSender(options.includeSender)
        .addAllExceptRooms(options.exceptRooms)
        .addAllExceptSessions(options.exceptSessions)
        .setLocal(options.local)
        .build();
  }

  /** An emit that takes effect once however often it is sent, unless the application wants no key or it is volatile. */
  static Emit.Builder emit(String namespace, Target target, String event, Payload payload, EmitOptions options) {
    String made = options.delivery == Delivery.VOLATILE ? "" : name();
    return Emit.newBuilder()
        .setNamespace(namespace)
        .setTarget(target(target, options))
        .setContent(content(event, payload, options))
        .setDelivery(options.delivery.wire())
        .setIdempotencyKey(options.idempotencyKey == null ? made : options.idempotencyKey);
  }

  /** A name by chance: 32 hexadecimal digits. */
  static String name() {
    return UUID.randomUUID().toString().replace("-", "");
  }
}
