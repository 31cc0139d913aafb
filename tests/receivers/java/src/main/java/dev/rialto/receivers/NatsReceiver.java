package dev.rialto.receivers;

import io.nats.client.Connection;
import io.nats.client.Nats;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/** Receives by jnats: a dispatcher, which calls a listener, as its documentation begins. */
public final class NatsReceiver {
  private NatsReceiver() {}

  public static void main(String[] arguments) throws Exception {
    Tally tally = new Tally();
    try (Connection connection = Nats.connect(arguments[0])) {
      connection
          .createDispatcher(message -> tally.count(new String(message.getData(), StandardCharsets.UTF_8)))
          .subscribe("bench-room");
      connection.flush(Duration.ofSeconds(5));
      tally.readyUntilToldToEnd();
    }
  }
}
