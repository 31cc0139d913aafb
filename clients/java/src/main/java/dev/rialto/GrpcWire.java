package dev.rialto;

import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import java.time.Duration;
import rialto.v1.Messaging.AttachRequest;
import rialto.v1.Messaging.AttachResponse;
import rialto.v1.MessagingServiceGrpc;

/** The way to the server by gRPC. Each attempt of a session has a connection of its own, so that a dead one is not used again. */
final class GrpcWire implements Wire {
  private final Channels channels;
  private ManagedChannel present;

  GrpcWire(Channels channels) {
    this.channels = channels;
  }

  @Override
  public Stream open(AttachRequest greeting, Receiver receiver) {
    if (present != null) {
      // Calls that are under way over it end by themselves.
      present.shutdown();
    }
    present = channels.make();
    Hearing hearing = new Hearing(receiver);
    Call<AttachRequest, AttachResponse> call =
        Call.begin(present, MessagingServiceGrpc.getAttachMethod(), null, "", null, hearing);
    call.send(greeting);
    return new Attached(call);
  }

  @Override
  public <Q, R> Runnable call(MethodDescriptor<Q, R> method, Q request, String token, Duration deadline, Answer<R> answer) {
    return Call.begin(present, method, request, token, deadline, new Single<>(answer))::cancel;
  }

  @Override
  public void close() {
    if (present != null) {
      present.shutdownNow();
    }
  }

  /** Hears a stream of a session. */
  private record Hearing(Receiver receiver) implements Call.Hearer<AttachResponse>, Call.Writer {
    @Override
    public void ready() {
      receiver.ready();
    }

    @Override
    public void message(AttachResponse message) {
      receiver.message(message);
    }

    @Override
    public void ended(RialtoException why) {
      receiver.ended(why == null ? Failures.unknownOutcome("the server has ended the stream") : why);
    }
  }

  private record Attached(Call<AttachRequest, AttachResponse> call) implements Stream {
    @Override
    public boolean isReady() {
      return call.isReady();
    }

    @Override
    public void send(AttachRequest message) {
      call.send(message);
    }

    @Override
    public void request() {
      call.request();
    }

    @Override
    public void cancel() {
      call.cancel();
    }
  }
}
