package dev.rialto;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import rialto.v1.EventOuterClass.Content;

/** An event as it was received. */
public final class Event {
  private final rialto.v1.EventOuterClass.Event wire;
  private final boolean past;
  private final Answering answering;
  private final Payload payload;

  /** How an event is answered. */
  @FunctionalInterface
  interface Answering {
    /** There is no way: the event is out of a history. */
    Answering NONE = reply -> CompletableFuture.failedFuture(Failures.invalid("an event of a history is not answered"));

    CompletableFuture<Void> answer(rialto.v1.EventOuterClass.Reply.Builder reply);
  }

  Event(rialto.v1.EventOuterClass.Event wire, boolean past, Answering answering) {
    this.wire = wire;
    this.past = past;
    this.answering = answering;
    this.payload = Bodies.of(wire.getContent());
  }

  private Content content() {
    return wire.getContent();
  }

  /** Its name. */
  public String name() {
    return content().getEvent();
  }

  /** The namespace in which it was said. */
  public String namespace() {
    return wire.getNamespace();
  }

  /** The rooms it was sent to; empty when it was sent to sessions, users or everyone. */
  public List<String> rooms() {
    return List.copyOf(wire.getRoomsList());
  }

  /** What was said. */
  public Payload payload() {
    return payload;
  }

  /**
   * What was said, as text.
   *
   * @throws RialtoException of kind {@code INVALID} when it is bytes that are not UTF-8
   */
  public String text() {
    return payload.text();
  }

  /** What was said, as bytes. */
  public byte[] bytes() {
    return payload.bytes();
  }

  /** Media type of the payload; empty for none. */
  public String contentType() {
    return content().getContentType();
  }

  /** Pairs from the sender. */
  public Map<String, String> headers() {
    return Map.copyOf(content().getHeadersMap());
  }

  /** Which of several things it is about; empty for none. */
  public String key() {
    return content().getKey();
  }

  /** Its identity, unique for ever. */
  public String id() {
    return wire.getEventId();
  }

  /** Its position in the history of the room; absent when it is kept in none, or in several. */
  public OptionalLong offset() {
    return wire.hasOffset() ? OptionalLong.of(wire.getOffset()) : OptionalLong.empty();
  }

  /** Which life of the history the offset counts in; empty without an offset. */
  public String epoch() {
    return wire.getEpoch();
  }

  /** Its positions in the histories of several rooms, when it went to several. */
  public List<RoomPosition> positions() {
    return wire.getPositionsList().stream().map(RoomPosition::of).toList();
  }

  /** The session that has said it; empty when it was said without one. */
  public String sender() {
    return wire.getSender().getSession();
  }

  /** The user who has said it; empty when none is known. */
  public String user() {
    return wire.getSender().getUser();
  }

  /** When the node has taken it, by the node's clock. */
  public Instant sentAt() {
    return Times.at(wire.getSentAt());
  }

  /** It was said before the session was a member: it comes out of a history. */
  public boolean past() {
    return past;
  }

  /** The sender waits for an answer. */
  public boolean wantsReply() {
    return !wire.getReplyToken().isEmpty() && answering != Answering.NONE;
  }

  /** Answers with text. */
  public CompletableFuture<Void> reply(String text) {
    return reply(Payload.text(text));
  }

  /**
   * Answers. Ends when the answer is on its way; that it came too late is told as {@link Report.Refused}.
   *
   * @return fails with {@code INVALID} when the event asks for nothing
   */
  public CompletableFuture<Void> reply(Payload answer) {
    return answer(Bodies.reply(answer));
  }

  /** Answers that what was asked cannot be done; the text, at most 1 KiB, is for the caller. */
  public CompletableFuture<Void> replyError(String error) {
    return answer(rialto.v1.EventOuterClass.Reply.newBuilder().setError(error));
  }

  private CompletableFuture<Void> answer(rialto.v1.EventOuterClass.Reply.Builder reply) {
    if (wire.getReplyToken().isEmpty()) {
      return CompletableFuture.failedFuture(Failures.invalid("the event asks for no answer"));
    }
    return answering.answer(reply.setReplyToken(wire.getReplyToken()));
  }

  @Override
  public String toString() {
    return name() + " by " + user() + " in " + namespace() + wire.getRoomsList();
  }
}
