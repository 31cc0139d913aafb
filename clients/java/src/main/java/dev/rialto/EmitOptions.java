package dev.rialto;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** How an event is sent. What is not set has its default. */
public final class EmitOptions {
  static final EmitOptions NONE = builder().build();

  final Map<String, String> headers;
  final String contentType;
  final String key;
  /** Null: the client makes one. */
  final String idempotencyKey;
  final Delivery delivery;
  final boolean includeSender;
  final List<String> exceptRooms;
  final List<String> exceptSessions;
  final boolean local;
  /** Null: that of the session or of the client. */
  final Duration deadline;

  private EmitOptions(Builder builder) {
    this.headers = Map.copyOf(builder.headers);
    this.contentType = builder.contentType;
    this.key = builder.key;
    this.idempotencyKey = builder.idempotencyKey;
    this.delivery = builder.delivery;
    this.includeSender = builder.includeSender;
    this.exceptRooms = List.copyOf(builder.exceptRooms);
    this.exceptSessions = List.copyOf(builder.exceptSessions);
    this.local = builder.local;
    this.deadline = builder.deadline;
  }

  /** Begins with nothing set. */
  public static Builder builder() {
    return new Builder();
  }

  /** Gathers options. */
  public static final class Builder {
    private final Map<String, String> headers = new LinkedHashMap<>();
    private final List<String> exceptRooms = new ArrayList<>();
    private final List<String> exceptSessions = new ArrayList<>();
    private String contentType;
    private String key = "";
    private String idempotencyKey;
    private Delivery delivery = Delivery.RELIABLE;
    private boolean includeSender;
    private boolean local;
    private Duration deadline;

    private Builder() {}

    /** A pair for the receivers; at most 16, together 1 KiB. */
    public Builder header(String name, String value) {
      headers.put(name, value);
      return this;
    }

    /** Media type of the payload, at most 128 bytes. Default: that of the payload. */
    public Builder contentType(String mediaType) {
      this.contentType = mediaType;
      return this;
    }

    /** Which of several things the event is about, at most 128 bytes: for {@link Delivery#LATEST} and for deltas. */
    public Builder key(String given) {
      this.key = given;
      return this;
    }

    /** Names this emit, at most 64 bytes, so that it takes effect once however often it is said. Empty for none. */
    public Builder idempotencyKey(String given) {
      this.idempotencyKey = given;
      return this;
    }

    /** What may happen to it when a receiver is behind. */
    public Builder delivery(Delivery given) {
      this.delivery = given;
      return this;
    }

    /** The sending session hears it too, if the target covers it. */
    public Builder includeSender() {
      this.includeSender = true;
      return this;
    }

    /** Members of this room do not hear it. */
    public Builder exceptRoom(String room) {
      exceptRooms.add(room);
      return this;
    }

    /** This session does not hear it. */
    public Builder exceptSession(String session) {
      exceptSessions.add(session);
      return this;
    }

    /** Only sessions of the node that takes it hear it. */
    public Builder local() {
      this.local = true;
      return this;
    }

    /** Longest wait for the answer, waiting for a connection included. */
    public Builder deadline(Duration given) {
      this.deadline = given;
      return this;
    }

    public EmitOptions build() {
      return new EmitOptions(this);
    }
  }
}
