package dev.rialto.receivers;

import io.socket.client.IO;
import io.socket.client.Socket;
import io.socket.engineio.client.transports.WebSocket;
import java.net.URI;
import java.util.concurrent.CountDownLatch;

/** Receives by the Java client of Socket.IO. */
public final class SocketioReceiver {
  private SocketioReceiver() {}

  public static void main(String[] arguments) throws Exception {
    Tally tally = new Tally();
    CountDownLatch ready = new CountDownLatch(1);
    IO.Options options =
        IO.Options.builder().setTransports(new String[] {WebSocket.NAME}).setQuery("role=member").build();
    Socket socket = IO.socket(URI.create(arguments[0]), options);
    socket.on("e", values -> tally.count((String) values[0]));
    socket.on("ready", values -> ready.countDown());
    socket.connect();
    ready.await();
    tally.readyUntilToldToEnd();
    // Threads of the client would go on.
    System.exit(0);
  }
}
