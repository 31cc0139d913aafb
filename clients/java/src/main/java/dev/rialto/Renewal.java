package dev.rialto;

import java.time.Duration;
import java.util.Optional;
import java.util.function.Function;
import rialto.v1.Frame.ClientFrame;
import rialto.v1.Frame.ServerFrame;
import rialto.v1.Session.Refresh;

/** Replaces the token of a session before it ends. Lives on the loop, with one stream. */
final class Renewal {
  private static final double SHARE = 0.8;
  private static final Duration ASK_AGAIN = Duration.ofSeconds(5);

  private final Life life;
  private final Timers timers;
  private Loop.Timer due = Loop.Timer.NONE;

  Renewal(Life life, Timers timers) {
    this.life = life;
    this.timers = timers;
  }

  /** The token in force is good for so long from now. */
  void lasts(Optional<Duration> span) {
    due.cancel();
    if (span.isPresent() && life.settings.tokens().isRenewable()) {
      due = timers.after(Duration.ofNanos((long) (Times.nanos(span.get()) * SHARE)), this::ask);
    }
  }

  private void ask() {
    life.settings
        .tokens()
        .fetch(life.callbacks)
        .whenComplete((token, thrown) -> life.loop.execute(() -> timers.after(Duration.ZERO, () -> given(token, thrown))));
  }

  private void given(Token token, Throwable thrown) {
    if (thrown != null) {
      life.kept.reports.tell(new Report.TokenUnavailable(RialtoException.of(thrown)));
      due = timers.after(ASK_AGAIN, this::ask);
      return;
    }
    ClientFrame.Builder refresh = ClientFrame.newBuilder().setRefresh(Refresh.newBuilder().setToken(token.text()));
    Promise<Boolean> refreshed = new Promise<>(life.callbacks);
    refreshed.whenComplete(
        (done, refused) -> {
          RialtoException failure = refused == null ? null : RialtoException.of(refused);
          if (failure != null && failure.kind() == ErrorKind.REFUSED) {
            life.kept.reports.tell(new Report.Refused(failure));
          }
        });
    Function<ServerFrame, Boolean> made = answer -> answer.hasRefreshed() ? true : null;
    life.submit(new Said<>(Command.Kind.REFRESH, refresh, refreshed, made, Said.Outcome.NOTHING), life.deadline());
  }
}
