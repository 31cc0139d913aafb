package dev.rialto;

/**
 * The bounds that the server sets a session.
 *
 * @param payloadBytesMax largest payload of an event or a reply
 * @param roomsMax most rooms at once
 * @param emitsPerSecond emits that are sustained; 0 is without bound
 * @param emitsBurst emits that may come at once
 * @param repliesOutstandingMax most questions at once
 */
public record Limits(int payloadBytesMax, int roomsMax, int emitsPerSecond, int emitsBurst, int repliesOutstandingMax) {
  static Limits of(rialto.v1.Session.Limits limits) {
    return new Limits(
        limits.getPayloadBytesMax(),
        limits.getRoomsMax(),
        limits.getEmitsPerSecond(),
        limits.getEmitsBurst(),
        limits.getRepliesOutstandingMax());
  }
}
