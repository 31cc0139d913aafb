package dev.rialto.receivers;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicLong;

/** What every receiver in Java says on its standard output; see ../README.md of this project. */
final class Tally {
  private static final int STEP = 256;
  private static final int PAYLOAD_LETTERS = 128;

  private final AtomicLong received = new AtomicLong();

  /** Counts an event, and says so after each 256th. */
  void count(String text) {
    if (text.length() != PAYLOAD_LETTERS) {
      throw new IllegalArgumentException("a payload of " + text.length() + " letters");
    }
    long count = received.incrementAndGet();
    if (count % STEP == 0) {
      System.out.println(count);
    }
  }

  /** Says that events can come, waits for the end of the standard input, and says how many have come. */
  void readyUntilToldToEnd() throws IOException {
    System.out.println("READY");
    System.in.readAllBytes();
    System.out.println("{\"received\": " + received + "}");
  }
}
