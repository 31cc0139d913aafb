package dev.rialto;

import java.util.ArrayList;
import java.util.List;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/** Turns the first signal to end into something gentler. The second one ends the process as usual. */
final class Shutdown {
  private static final List<String> NAMES = List.of("TERM", "INT");

  private record Before(Signal signal, SignalHandler usual) {}

  private final List<Before> before = new ArrayList<>();

  private Shutdown() {}

  static Shutdown on(Runnable gently) {
    Shutdown shutdown = new Shutdown();
    for (String name : NAMES) {
      Signal signal = new Signal(name);
      SignalHandler usual =
          Signal.handle(
              signal,
              heard -> {
                shutdown.end();
                gently.run();
              });
      synchronized (shutdown.before) {
        shutdown.before.add(new Before(signal, usual));
      }
    }
    return shutdown;
  }

  /** Signals mean what they have meant before. */
  void end() {
    synchronized (before) {
      before.forEach(one -> Signal.handle(one.signal(), one.usual()));
      before.clear();
    }
  }
}
