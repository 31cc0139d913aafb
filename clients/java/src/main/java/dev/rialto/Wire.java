package dev.rialto;

import java.time.Duration;
import rialto.v1.Messaging.AttachRequest;
import rialto.v1.Messaging.AttachResponse;

/** The way to the server. All that it tells it tells on the loop. */
interface Wire {
  /** One stream of a session. */
  interface Stream {
    /** Whether it takes a message now. */
    boolean isReady();

    void send(AttachRequest message);

    /** Asks for one more message of the server. */
    void request();

    /** Gives it up. Nothing is told of it afterwards. */
    void cancel();
  }

  /** Who hears of a stream. */
  interface Receiver {
    void ready();

    void message(AttachResponse message);

    /** It is over. */
    void ended(RialtoException why);
  }

  /** Opens a stream over a connection of its own, which the calls beside it use from then on. */
  Stream open(AttachRequest greeting, Receiver receiver);

  /** One call beside the stream, over its connection. */
  <Q, R> Runnable call(io.grpc.MethodDescriptor<Q, R> method, Q request, String token, Duration deadline, Answer<R> answer);

  /** Lets all connections go. */
  void close();

  /** What a call comes to. */
  interface Answer<R> {
    void succeeded(R response);

    void failed(RialtoException failure);
  }
}
