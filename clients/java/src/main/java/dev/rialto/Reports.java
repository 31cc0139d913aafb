package dev.rialto;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** Who hears what happens to a session. A reader that is behind never slows it: of what it has not read the newest are kept. */
final class Reports {
  static final int KEPT = 64;

  private final List<Feed<Report>> feeds = new CopyOnWriteArrayList<>();
  private volatile boolean over;

  void follow(Feed<Report> feed) {
    feeds.add(feed.dropping(Report.Overlooked::new).whenClosed(() -> feeds.remove(feed)));
    if (over) {
      feed.end(null);
    }
  }

  void tell(Report report) {
    feeds.forEach(feed -> feed.offer(report));
  }

  void end() {
    over = true;
    feeds.forEach(feed -> feed.end(null));
    feeds.clear();
  }
}
