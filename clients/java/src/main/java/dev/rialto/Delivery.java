package dev.rialto;

/** What may happen to an event on its way to a receiver that is behind. */
public enum Delivery {
  /** It waits for the receiver. */
  RELIABLE,
  /** It is dropped for that receiver. Such an emit does not wait for a connection either, and has no idempotency key of its own. */
  VOLATILE,
  /** Only the newest of the same rooms, name and key waits. */
  LATEST;

  rialto.v1.EventOuterClass.Delivery wire() {
    return switch (this) {
      case RELIABLE -> rialto.v1.EventOuterClass.Delivery.DELIVERY_RELIABLE;
      case VOLATILE -> rialto.v1.EventOuterClass.Delivery.DELIVERY_VOLATILE;
      case LATEST -> rialto.v1.EventOuterClass.Delivery.DELIVERY_LATEST;
    };
  }
}
