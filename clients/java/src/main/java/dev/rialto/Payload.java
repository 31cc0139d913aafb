package dev.rialto;

import com.google.protobuf.ByteString;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Objects;

/** What is said: text, bytes or nothing, with a media type if one is given. */
public final class Payload {
  private static final Payload EMPTY = new Payload(null, ByteString.EMPTY, "");

  /** The text; null when it is bytes or nothing. */
  private final String text;
  private final ByteString bytes;
  private final String contentType;

  private Payload(String text, ByteString bytes, String contentType) {
    this.text = text;
    this.bytes = bytes;
    this.contentType = contentType;
  }

  /** Nothing. */
  public static Payload empty() {
    return EMPTY;
  }

  /** Text, which arrives as text. */
  public static Payload text(String text) {
    return new Payload(Objects.requireNonNull(text, "text"), null, "");
  }

  /** Bytes, which arrive as bytes. They are copied. */
  public static Payload bytes(byte[] bytes) {
    return binary(ByteString.copyFrom(bytes), "");
  }

  /** A value that the application has written as JSON text; its media type is {@code application/json}. */
  public static Payload json(String json) {
    return new Payload(Objects.requireNonNull(json, "json"), null, "application/json");
  }

  static Payload text(String text, String contentType) {
    return new Payload(text, null, contentType);
  }

  static Payload binary(ByteString bytes, String contentType) {
    return new Payload(null, bytes, contentType);
  }

  /** The same with another media type, at most 128 bytes. */
  public Payload of(String mediaType) {
    return new Payload(text, bytes, Objects.requireNonNull(mediaType, "mediaType"));
  }

  /** Whether it was said as text. */
  public boolean isText() {
    return text != null;
  }

  /** Whether there is nothing in it. */
  public boolean isEmpty() {
    return text == null ? bytes.isEmpty() : text.isEmpty();
  }

  /**
   * It as text, whether it was said as text or as bytes.
   *
   * @throws RialtoException of kind {@code INVALID} when it is bytes that are not UTF-8
   */
  public String text() {
    if (text != null) {
      return text;
    }
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(bytes.asReadOnlyByteBuffer()).toString();
    } catch (CharacterCodingException broken) {
      throw Failures.invalid("the payload is bytes that are not UTF-8");
    }
  }

  /** It as bytes, whether it was said as text or as bytes. A copy. */
  public byte[] bytes() {
    return text == null ? bytes.toByteArray() : text.getBytes(StandardCharsets.UTF_8);
  }

  /** Its media type; empty for none. */
  public String contentType() {
    return contentType;
  }

  /** It as bytes of the contract, without a copy of what was bytes already. */
  ByteString binary() {
    return text == null ? bytes : ByteString.copyFromUtf8(text);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Payload payload
        && Objects.equals(text, payload.text)
        && Objects.equals(bytes, payload.bytes)
        && contentType.equals(payload.contentType);
  }

  @Override
  public int hashCode() {
    return Objects.hash(text, bytes, contentType);
  }

  @Override
  public String toString() {
    return text != null ? text : bytes.size() + " bytes";
  }
}
