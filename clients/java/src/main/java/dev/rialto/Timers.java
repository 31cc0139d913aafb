package dev.rialto;

import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** What is planned for as long as a stream lasts. Lives on the loop. */
final class Timers {
  private final Loop loop;
  private final Set<Planned> planned = new HashSet<>();
  private boolean over;

  Timers(Loop loop) {
    this.loop = loop;
  }

  /** One plan, which is forgotten once it has run. */
  private final class Planned implements Loop.Timer {
    private final Runnable work;
    private Loop.Timer timer = Loop.Timer.NONE;

    private Planned(Runnable work) {
      this.work = work;
    }

    private void run() {
      if (planned.remove(this)) {
        work.run();
      }
    }

    @Override
    public void cancel() {
      planned.remove(this);
      timer.cancel();
    }
  }

  /** Runs work so much later, unless it, or all of them, are cancelled before. */
  Loop.Timer after(Duration wait, Runnable work) {
    if (over) {
      return Loop.Timer.NONE;
    }
    Planned one = new Planned(work);
    planned.add(one);
    one.timer = loop.after(wait, one::run);
    return one;
  }

  /** Nothing of it runs, and nothing new is planned. */
  void end() {
    over = true;
    List.copyOf(planned).forEach(Planned::cancel);
  }
}
