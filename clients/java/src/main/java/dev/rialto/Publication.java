package dev.rialto;

import rialto.v1.Messaging.PublishRequest;

/**
 * An event that is published without a session. It has an idempotency key only if its options have one.
 *
 * @param namespace the namespace
 * @param target whom it reaches
 * @param event its name
 * @param payload what is said
 * @param options how it is sent
 */
public record Publication(String namespace, Target target, String event, Payload payload, EmitOptions options) {
  /** Text to the members of a room. */
  public static Publication text(String namespace, String room, String event, String text) {
    return new Publication(namespace, Target.room(room), event, Payload.text(text), EmitOptions.NONE);
  }

  PublishRequest wire() {
    return PublishRequest.newBuilder()
        .setNamespace(namespace)
        .setTarget(Bodies.target(target, options))
        .setContent(Bodies.content(event, payload, options))
        .setDelivery(options.delivery.wire())
        .setIdempotencyKey(options.idempotencyKey == null ? "" : options.idempotencyKey)
        .build();
  }
}
