package dev.rialto;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientStreamTracer;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** A call of one request, with one answer or many. Says whether anything can have been sent when it fails. */
final class Call<Q, R> extends ClientCall.Listener<R> {
  private static final Metadata.Key<String> AUTHORIZATION = Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private final ClientCall<Q, R> call;
  private final Hearer<R> hearer;
  private final Sent sent;
  private boolean over;

  /** Who hears of a call, on the loop. */
  interface Hearer<R> {
    /** The server has taken it. */
    default void opened() {}

    void message(R message);

    /** It is over; null: it has ended well. */
    void ended(RialtoException why);
  }

  /** Whether the head of a request has been written. */
  private static final class Sent extends ClientStreamTracer.Factory {
    private volatile boolean left;

    @Override
    public ClientStreamTracer newClientStreamTracer(ClientStreamTracer.StreamInfo info, Metadata headers) {
      return new ClientStreamTracer() {
        @Override
        public void outboundHeaders() {
          left = true;
        }
      };
    }
  }

  private Call(ClientCall<Q, R> call, Hearer<R> hearer, Sent sent) {
    this.call = call;
    this.hearer = hearer;
    this.sent = sent;
  }

  /**
   * Begins a call, and asks for its first message.
   *
   * @param token to be carried; empty for none
   * @param deadline told to the server too; null for none
   */
  static <Q, R> Call<Q, R> begin(Channel channel, MethodDescriptor<Q, R> method, Q request, String token, Duration deadline, Hearer<R> hearer) {
    Sent sent = new Sent();
    CallOptions options = CallOptions.DEFAULT.withStreamTracerFactory(sent);
    if (deadline != null) {
      options = options.withDeadlineAfter(Times.nanos(deadline), TimeUnit.NANOSECONDS);
    }
    Call<Q, R> made = new Call<>(channel.newCall(method, options), hearer, sent);
    made.call.start(made, signed(token));
    made.call.request(1);
    if (request != null) {
      made.call.sendMessage(request);
      made.call.halfClose();
    }
    return made;
  }

  private static Metadata signed(String token) {
    Metadata headers = new Metadata();
    if (!token.isEmpty()) {
      headers.put(AUTHORIZATION, "Bearer " + token);
    }
    return headers;
  }

  boolean isReady() {
    return !over && call.isReady();
  }

  void send(Q message) {
    if (!over) {
      call.sendMessage(message);
    }
  }

  /** Asks for one more message. */
  void request() {
    if (!over) {
      call.request(1);
    }
  }

  /** Gives it up; nothing is told of it afterwards. */
  void cancel() {
    over = true;
    call.cancel("given up by this side", null);
  }

  @Override
  public void onHeaders(Metadata headers) {
    if (!over) {
      hearer.opened();
    }
  }

  @Override
  public void onMessage(R message) {
    if (!over) {
      hearer.message(message);
    }
  }

  @Override
  public void onReady() {
    if (!over && hearer instanceof Writer) {
      ((Writer) hearer).ready();
    }
  }

  @Override
  public void onClose(Status status, Metadata trailers) {
    if (over) {
      return;
    }
    over = true;
    hearer.ended(status.isOk() ? null : Failures.of(status, trailers, sent.left));
  }

  /** Who writes to a call. */
  interface Writer {
    /** It takes a message. */
    void ready();
  }
}
