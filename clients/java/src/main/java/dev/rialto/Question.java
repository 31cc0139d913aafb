package dev.rialto;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import rialto.v1.EventOuterClass.ReplyItem;
import rialto.v1.Frame.ClientFrame;
import rialto.v1.Frame.ServerFrame;

/** An emit that asks, from being said to the last answer. Lives on the loop. */
final class Question extends Command {
  /** Answers that wait for a reader. Beyond this nobody reads them, and the session is not to be held up for that. */
  private static final int UNREAD_MAX = 65_536;

  private final Life life;
  private final Duration patience;
  private final Feed<Reply> answers;
  private final Promise<Replies> asked;
  private final Promise<Replies.Summary> summary;

  Question(Life life, ClientFrame.Builder wire, Duration patience) {
    super(Kind.QUESTION, wire);
    this.life = life;
    this.patience = patience;
    this.answers = new Feed<Reply>(life.callbacks, UNREAD_MAX).whenClosed(() -> life.abandon(this));
    this.asked = new Promise<Replies>(life.callbacks).onAbandoned(() -> life.abandon(this));
    this.summary = new Promise<>(life.callbacks);
  }

  CompletableFuture<Replies> taken() {
    return asked;
  }

  @Override
  boolean isOver() {
    return asked.isDecided();
  }

  @Override
  boolean answer(ServerFrame frame) {
    return switch (frame.getFrameCase()) {
      case ACCEPTED -> accepted(Accepted.of(frame.getAccepted()));
      case REPLIES -> frame.getReplies().getItemsList().stream().anyMatch(this::isTooMany);
      case REPLIES_DONE -> done(Replies.Summary.of(frame.getRepliesDone()));
      case REFUSED -> end(Failures.of(frame.getRefused()));
      default -> end(Failures.other("the answer to a question does not fit it"));
    };
  }

  private boolean accepted(Accepted accepted) {
    unbound();
    asked.succeed(new Replies(accepted, answers, summary));
    if (accepted.duplicate()) {
      return end(Failures.unknownOutcome("the answers went to the session before"));
    }
    bound(life.loop.after(patience, this::late));
    return false;
  }

  private void late() {
    life.kept.outbox.drop(this);
    end(Failures.timedOut("the answers have not ended in time"));
  }

  private boolean isTooMany(ReplyItem item) {
    return !answers.offer(Reply.of(item)) && end(Failures.other("nobody reads the answers"));
  }

  private boolean done(Replies.Summary end) {
    unbound();
    answers.end(null);
    summary.succeed(end);
    return true;
  }

  private boolean end(RialtoException why) {
    unbound();
    asked.fail(why);
    answers.end(why);
    summary.fail(why);
    return true;
  }

  @Override
  void fail(RialtoException failure) {
    end(failure);
  }
}
